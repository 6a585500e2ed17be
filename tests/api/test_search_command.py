"""pegbox search, compare and tags on a server with jobs that were loaded."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas
import pytest

from command_line import Done, run
from jobs import new_name
from running import RunningServer


def record(name: str, project: str, number: int) -> dict[str, Any]:
    """A job; the higher its number, the better its AUC."""
    return {
        "TrainingJobName": name,
        "TrainingJobStatus": "Failed" if number == 0 else "Completed",
        "HyperParameters": {"eta": str(0.1 * number), "optimizer": "adam" if number % 2 else "sgd"},
        "AlgorithmSpecification": {"TrainingImage": f"image-{number // 3}", "TrainingInputMode": "File"},
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{channel}/{number}"}},
            }
            for channel in ("train", "test")
        ],
        "ModelArtifacts": {"S3ModelArtifacts": "s3://elsewhere/model.tar.gz"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        "CreationTime": 1_700_000_000.0 + number,
        "LastModifiedTime": 1_700_000_000.0 + number,
        "TrainingStartTime": 1_700_000_000.0,
        "TrainingEndTime": 1_700_000_010.0 + number,
        "FinalMetricDataList": [{"MetricName": "validation:auc", "Value": 0.5 + number / 20, "Timestamp": 1.7e9}],
        "Tags": [{"Key": "Project", "Value": project}],
        **({"FailureReason": "no data"} if number == 0 else {}),
    }


class Loaded:
    """A project of six jobs."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.server, self.project = server, new_name("project")
        self.names = [new_name(f"job{number}") for number in range(6)]
        file = folder / "jobs.jsonl"
        records = (record(name, self.project, number) for number, name in enumerate(self.names))
        file.write_text("".join(f"{json.dumps(each)}\n" for each in records))
        assert run("admin", "load", file, "--home", server.home).code == 0

    def run(self, *words: str | Path) -> Done:
        return run(*words, "--home", self.server.home)

    def search(self, text: str, *options: str | Path) -> Done:
        return self.run("search", f"Tags.Project = {self.project} and ({text})", *options)


@pytest.fixture(scope="module")
def loaded(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return Loaded(server, tmp_path_factory.mktemp("loaded"))


def test_a_leaderboard(loaded: Loaded) -> None:
    said = loaded.search("HyperParameters.eta >= 0.2", "--sort", "Metrics.validation:auc", "--limit", "2")
    assert said.code == 0, said
    head, *rows = [line.split() for line in said.out.splitlines()]
    assert head[:3] == ["TrainingJobName", "TrainingJobStatus", "Metrics.validation:auc"]
    assert [row[:3] for row in rows] == [[loaded.names[5], "Completed", "0.75"], [loaded.names[4], "Completed", "0.7"]]
    assert said.err == "pegbox: there are 2 more: --limit 4\n"
    least = loaded.search("HyperParameters.eta >= 0.2", "--sort", "Metrics.validation:auc", "--ascending")
    assert [line.split()[0] for line in least.out.splitlines()[1:]] == loaded.names[2:]


@pytest.mark.parametrize(
    "text, numbers",
    [
        ("HyperParameters.optimizer = adam", {1, 3, 5}),
        ("HyperParameters.optimizer != adam", {0, 2, 4}),
        ("Metrics.validation:auc > 0.7", {5}),
        ("Metrics.validation:auc >= 0.7", {4, 5}),
        ("Metrics.validation:auc < 0.55", {0}),
        ("Metrics.validation:auc <= 0.55", {0, 1}),
        ("AlgorithmSpecification.TrainingImage contains AGE-1", {3, 4, 5}),
        ("HyperParameters.optimizer in (sgd, lamb)", {0, 2, 4}),
        ("FailureReason exists", {0}),
        ("FailureReason not exists and HyperParameters.eta > 0.35", {4, 5}),
        ("InputDataConfig[ChannelName = test and DataSource.S3DataSource.S3Uri contains test/3]", {3}),
        ("InputDataConfig[ChannelName = train and DataSource.S3DataSource.S3Uri contains test/3]", set()),
        ("CreationTime > 2023-11-14T22:13:24", {5}),
        ("(HyperParameters.eta < 0.05 or Metrics.validation:auc > 0.72) and TrainingJobStatus != Failed", {5}),
    ],
)
def test_expressions(loaded: Loaded, text: str, numbers: set[int]) -> None:
    said = loaded.search(text, "--format", "csv", "--columns", "TrainingJobName")
    assert said.code == 0, said
    assert set(said.out.splitlines()[1:]) == {loaded.names[number] for number in numbers}


def test_files_have_typed_columns(loaded: Loaded, tmp_path: Path) -> None:
    columns = "TrainingJobName,HyperParameters.*, Metrics.*,CreationTime"
    order = ("--sort", "CreationTime", "--ascending", "--columns", columns)
    file = tmp_path / "found.parquet"
    assert loaded.search("TrainingJobName exists", *order, "--output", file).err.endswith(f"6 results are in {file}\n")
    table = pandas.read_parquet(file)
    assert list(table["TrainingJobName"]) == loaded.names
    assert list(table["HyperParameters.eta"].round(3)) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert str(table["CreationTime"].dtype) == "datetime64[ms, UTC]"
    rows = json.loads(loaded.search("TrainingJobName exists", *order, "--format", "json").out)
    assert rows[1]["Metrics.validation:auc"] == 0.55 and rows[1]["HyperParameters.optimizer"] == "adam"
    text = loaded.search("TrainingJobName exists", *order, "--format", "csv").out
    assert [row["TrainingJobName"] for row in csv.DictReader(io.StringIO(text))] == loaded.names


def test_pages_are_read_up_to_the_limit(loaded: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    from pegbox.client import found

    monkeypatch.setattr(found, "PAGE", 2)
    said = loaded.search("TrainingJobName exists", "--format", "csv", "--columns", "TrainingJobName", "--limit", "5")
    assert said.out.splitlines()[1:] == loaded.names[:0:-1]
    assert said.err == "pegbox: there is 1 more: --limit 10\n"


def test_columns_that_nothing_has_are_named(loaded: Loaded, tmp_path: Path) -> None:
    all = "TrainingJobName exists"
    said = loaded.search(all, "--columns", "TrainingJobName,Metrics.acu, Nothing", "--format", "csv")
    assert (said.code, said.err) == (0, "pegbox: none of the results has Metrics.acu, Nothing\n")
    assert said.out.splitlines()[0] == "TrainingJobName,Metrics.acu,Nothing"
    file = tmp_path / "found.csv"
    for text, columns in ((all, "Environment.*"), (all, "Nothing"), ("TrainingJobName = none", "Metrics.*")):
        said = loaded.search(text, "--columns", columns, "--output", file)
        assert (said.code, said.out) == (1, "")
        assert said.err.endswith(f"pegbox: none of the results has {columns}\n")
    assert not file.exists()


def test_the_program_that_is_printed_finds_the_same(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import boto3

    said = loaded.search("Metrics.validation:auc > 0.6", "--sort", "Metrics.validation:auc", "--boto3")
    client = loaded.server.client("sagemaker")
    monkeypatch.setattr(boto3, "client", lambda service: client)
    exec(said.out, {})
    assert capsys.readouterr().out.splitlines() == loaded.names[:2:-1]


def test_faults_point_at_their_place(loaded: Loaded) -> None:
    def said(text: str, *options: str) -> Done:
        return loaded.run("search", text, *options)

    text = "TrainingJobName = a and TrainingJobStats = Failed"
    unknown = said(text)
    assert unknown.code == 2
    shown, told = unknown.err.splitlines()
    assert shown == text and told.index("^") == 24
    assert told.strip() == "^ Unknown property name: TrainingJobStats; did you mean TrainingJobStatus?"
    assert said("Metric.auc = 1").err.splitlines()[1].endswith("did you mean Metrics.auc?")
    assert said("Inputs[x = 1]").err.splitlines()[1] == "^ Unknown nested property name: Inputs"
    wrong = said("Metrics.validation:auc > high").err.splitlines()
    assert wrong[1] == " " * 25 + "^ The value [high] of the filter on [Metrics.validation:auc] must be a number."
    operator = said("TrainingJobName > b").err.splitlines()
    assert operator[1].startswith("^ The operator GreaterThan can't be used with the property [TrainingJobName]")
    assert said("x =").err == "x =\n   ^ a value after = is expected here\n"
    assert said("x = 1", "--resource", "Jobs").code == 2
    refused = said("", "--sort", "nothing")
    assert (refused.code, refused.err) == (1, "pegbox: Unknown property name: nothing (ValidationException)\n")


def test_other_resources_and_nothing_found(loaded: Loaded) -> None:
    none = loaded.run("search", "Tags.Project = nobody")
    assert (none.code, none.out, none.err) == (0, "", "pegbox: nothing is like that\n")
    tuning = loaded.run("search", "HyperParameterTuningJobName = nobody", "--resource", "hyper-parameter-tuning-job")
    assert (tuning.code, tuning.err) == (0, "pegbox: nothing is like that\n")


def test_what_differs_between_jobs_comes_first(loaded: Loaded) -> None:
    one, two = loaded.names[1], loaded.names[3]
    said = loaded.run("compare", one, two)
    assert said.code == 0, said
    head, *rows = [re.split(r"  +", line.rstrip()) for line in said.out.splitlines()]
    assert head == ["", one, two]
    values = {name: cells for name, *cells in rows}
    assert list(values) == [
        "HyperParameters.eta",
        "InputDataConfig.test.DataSource.S3DataSource.S3Uri",
        "InputDataConfig.train.DataSource.S3DataSource.S3Uri",
        "AlgorithmSpecification.TrainingImage",
        "Metrics.validation:auc",
        "TrainingTimeInSeconds",
        "CreationTime",
    ]
    assert values["Metrics.validation:auc"] == ["0.55", "0.65"]
    assert values["AlgorithmSpecification.TrainingImage"] == ["image-0", "image-1"]
    assert said.err.endswith(" properties are the same: --all shows all\n")


def test_comparisons_for_programs(loaded: Loaded) -> None:
    names = loaded.names[:3]
    found = json.loads(loaded.run("compare", *names, "--all", "--format", "json").out)
    assert list(found["differ"])[:2] == ["HyperParameters.eta", "HyperParameters.optimizer"]
    assert found["differ"]["HyperParameters.optimizer"] == dict(zip(names, ("sgd", "adam", "sgd"), strict=True))
    assert found["differ"]["FailureReason"][names[1]] is None
    assert set(found["same"]["Tags.Project"].values()) == {loaded.project}
    rows = list(csv.DictReader(io.StringIO(loaded.run("compare", *names, "--format", "csv").out)))
    assert rows[0] == {"property": "HyperParameters.eta", names[0]: "0.0", names[1]: "0.1", names[2]: "0.2"}


def test_what_cannot_be_compared(loaded: Loaded) -> None:
    assert loaded.run("compare", loaded.names[0]).code == 2
    missing = loaded.run("compare", loaded.names[0], "nobody")
    assert missing.code == 1 and missing.err.startswith("pegbox: there is no tuning job and no training job nobody")


def test_tags_are_listed_added_and_removed(loaded: Loaded) -> None:
    name = loaded.names[4]
    arn = f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}"
    assert loaded.run("tags", "add", name, "stage=candidate", "note=a = b").err == f"pegbox: {name} has 3 tags\n"
    assert loaded.run("tags", "add", arn, "stage=").err == f"pegbox: {arn} has 3 tags\n"
    listed = loaded.run("tags", "list", name, "--json")
    assert json.loads(listed.out)[1:] == [{"Key": "stage", "Value": ""}, {"Key": "note", "Value": "a = b"}]
    assert loaded.search("Tags.stage exists", "--format", "csv", "--columns", "TrainingJobName").out.split()[1:] == [
        name
    ]
    assert loaded.run("tags", "remove", name, "stage", "note", "other").err == f"pegbox: {name} has 1 tag\n"
    assert loaded.run("tags", "list", name).out.split() == ["KEY", "VALUE", "Project", loaded.project]
    assert loaded.run("tags", "add", name, "stage").code == 2
    refused = loaded.run("tags", "add", name, "aws:x=1")
    assert refused.code == 1 and "reserved" in refused.err
    nobody = loaded.run("tags", "list", f"{arn}-none")
    assert nobody.code == 1 and "Could not find the resource" in nobody.err
