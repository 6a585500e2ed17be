"""pegbox import optuna beside a running server: jobs for Search, and parents for warm starts."""

from __future__ import annotations

import copy
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import Done, run
from examination import damages
from jobs import children, new_name, refusal, tuning_ended
from pegbox.testing.requests import ROLE
from running import RunningServer

RECORDED = Path(__file__).parents[1] / "sources"
PROGRAM = """
    import json, math, os
    given = json.loads(os.environ["SM_HPS"])
    rate, layers = float(given["rate"]), int(given["layers"])
    print(f"loss={(rate - 0.3) ** 2 + 0.1 * abs(layers - 4)};")
"""


def database(folder: Path, version: str = "5.0", **renamed: str) -> Path:
    """A storage as that version of Optuna left it; studies `renamed` have names that no other test imports."""
    file = folder / "optuna.db"
    with sqlite3.connect(file) as opened:
        opened.executescript((RECORDED / f"optuna-{version}.sql").read_text())
        for study, name in (("Churn: net/1", renamed.get("churn")), ("both", renamed.get("both"))):
            if name:
                opened.execute("UPDATE studies SET study_name = ? WHERE study_name = ?", (name, study))
    return file


def bring(server: RunningServer, storage: Path | str, *more: str) -> Done:
    return run("import", "optuna", str(storage), *more, "--home", server.home)


def name_in(said: Done) -> str:
    assert said.code == 0, said.err
    return said.err.split("is the tuning job ")[1].split(":")[0]


def request(name: str, image: str, output: str, jobs: int = 3, **warm: Any) -> dict[str, Any]:
    """A search among what the study has tried."""
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "RandomSeed": 1,
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {"Name": "rate", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"}
                ],
                "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "6"}],
                "CategoricalParameterRanges": [{"Name": "kind", "Values": ["relu", "tanh", "None"]}],
            },
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": output},
            "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        },
        **warm,
    }


def value(job: dict[str, Any]) -> float:
    found: float = job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return found


def test_a_study_becomes_a_tuning_job(server: RunningServer, sagemaker: Any, tmp_path: Path) -> None:
    title = f"Küche: {new_name()}/1"
    said = bring(server, database(tmp_path, churn=title), "--study", title)
    name = name_in(said)
    assert said.err == (
        f"pegbox: the study {title} is the tuning job {name}: 12 training jobs are new\n"
        f"pegbox: {title}: 1 has not ended; the same command adds what has ended since\n"
    )
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning["HyperParameterTuningJobStatus"] == "Completed"
    counters = tuning["TrainingJobStatusCounters"]
    assert (counters["Completed"], counters["Stopped"], counters["NonRetryableError"]) == (10, 1, 1)
    assert tuning["ObjectiveStatusCounters"] == {"Succeeded": 10, "Pending": 0, "Failed": 2}
    assert tuning["HyperParameterTuningJobConfig"]["ParameterRanges"] == {
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0.001", "MaxValue": "1.0", "ScalingType": "Logarithmic"}
        ],
        "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "6", "ScalingType": "Linear"}],
        "CategoricalParameterRanges": [{"Name": "kind", "Values": ["relu", "tanh", "None"]}],
    }
    best = tuning["BestTrainingJob"]
    assert best["TunedHyperParameters"] == {"rate": "0.3", "layers": "4", "kind": "relu"}  # what was enqueued
    assert best["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Minimize", "MetricName": "objective", "Value": 0.0
    }  # fmt: skip
    job = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    assert {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]} == {
        "objective": 0.0,
        "accuracy": 1.0,
    }
    assert job["TuningJobArn"] == tuning["HyperParameterTuningJobArn"]
    assert job["TrainingEndTime"] >= job["TrainingStartTime"]
    tags = sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "imported.from": "optuna",
        "imported.address": str(tmp_path / "optuna.db"),
        "optuna.study": title,
        "optuna.number": "0",
        "note": "Käse _1_",
    }


def test_search_finds_trials(server: RunningServer, sagemaker: Any, tmp_path: Path) -> None:
    title = new_name("found")
    name = name_in(bring(server, database(tmp_path, churn=title), "--study", title))
    wanted = [
        {"Name": "Tags.optuna.study", "Operator": "Equals", "Value": title},
        {"Name": "Metrics.accuracy", "Operator": "GreaterThan", "Value": "0.7"},
        {"Name": "HyperParameters.layers", "Operator": "GreaterThan", "Value": "3"},
    ]
    found = sagemaker.search(
        Resource="TrainingJob", SearchExpression={"Filters": wanted}, SortBy="Metrics.objective", SortOrder="Ascending"
    )["Results"]
    values = [
        {each["MetricName"]: each["Value"] for each in result["TrainingJob"]["FinalMetricDataList"]} for result in found
    ]
    assert values[0]["objective"] == 0.0 and all(each["accuracy"] > 0.7 for each in values)
    searched = sagemaker.search(
        Resource="HyperParameterTuningJob",
        SearchExpression={"Filters": [{"Name": "Tags.optuna.study", "Operator": "Equals", "Value": title}]},
    )["Results"]
    (tuning,) = (each["HyperParameterTuningJob"] for each in searched)
    assert tuning["HyperParameterTuningJobName"] == name
    assert tuning["TrainingJobStatusCounters"]["Completed"] == 10


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
def test_a_search_begins_with_what_a_study_has_found(
    server: RunningServer, sagemaker: Any, image: Callable[..., str], here: str, tmp_path: Path, kind: str
) -> None:
    title, program = new_name("parent"), image(PROGRAM)
    parent = name_in(bring(server, database(tmp_path, churn=title), "--study", title, "--objective", "loss"))
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
        "WarmStartType": kind,
    }
    asked = request(new_name("warm"), program, here)
    cold = copy.deepcopy(asked) | {"HyperParameterTuningJobName": new_name("cold")}
    sagemaker.create_hyper_parameter_tuning_job(**asked, WarmStartConfig=warm)
    sagemaker.create_hyper_parameter_tuning_job(**cold)
    final = tuning_ended(sagemaker, asked["HyperParameterTuningJobName"])
    tuning_ended(sagemaker, cold["HyperParameterTuningJobName"])
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    own, alone = (children(sagemaker, each["HyperParameterTuningJobName"]) for each in (asked, cold))
    first, first_alone = (
        min(some, key=lambda job: job["CreationTime"])["TunedHyperParameters"] for some in (own, alone)
    )
    assert first != first_alone  # of one seed: what was inherited makes the difference
    assert first["layers"] in ("3", "4", "5") and abs(math.log10(float(first["rate"]) / 0.3)) < 0.6, first
    if kind == "IdenticalDataAndAlgorithm":
        assert final["OverallBestTrainingJob"]["TuningJobName"] == parent
        assert value(final["OverallBestTrainingJob"]) == 0.0
        assert all(job["TunedHyperParameters"]["rate"] != "0.3" for job in own)  # not tried again

    other = request(new_name(), program, here)
    other["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"] = "objective"
    other["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"][0]["Name"] = "objective"
    code, told = refusal(sagemaker.create_hyper_parameter_tuning_job, **other, WarmStartConfig=warm)
    assert code == "ValidationException" and "The objective metric of the new tuning job must be the same" in told


def test_a_repeated_import_adds_what_is_new(server: RunningServer, sagemaker: Any, tmp_path: Path) -> None:
    wrong = damages(server)
    title = new_name("again")
    file = database(tmp_path, churn=title)
    name = name_in(bring(server, file, "--study", title))
    job = children(sagemaker, name)[0]
    sagemaker.add_tags(ResourceArn=job["TrainingJobArn"], Tags=[{"Key": "seen", "Value": "yes"}])
    before = children(sagemaker, name)
    said = bring(server, file, "--study", title)
    assert "0 training jobs are new, 12 were there already" in said.err and children(sagemaker, name) == before
    sagemaker.delete_training_job(TrainingJobName=before[-1]["TrainingJobName"])  # and comes back, and counts once
    counters = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
        "ObjectiveStatusCounters"
    ]
    assert "1 training job is new, 11 were there already" in bring(server, file, "--study", title).err
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning["ObjectiveStatusCounters"] == counters
    names = [{each["TrainingJobName"] for each in some} for some in (before, children(sagemaker, name))]
    assert names[0] == names[1]
    with sqlite3.connect(file) as opened:  # the trial that ran ends
        (trial,) = opened.execute("SELECT max(trial_id) FROM trials WHERE state = 'RUNNING'").fetchone()
        opened.execute(
            "UPDATE trials SET state = 'COMPLETE', datetime_complete = '2030-01-01 00:00:00' WHERE trial_id = ?",
            [trial],
        )
        opened.execute(
            "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, -1.0, 'FINITE')", [trial]
        )
    elsewhere = tmp_path / "moved.db"
    file.rename(elsewhere)
    said = bring(server, elsewhere, "--study", title)
    assert name_in(said) == name and "1 training job is new, 12 were there already" in said.err
    tuning = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert value(tuning["BestTrainingJob"]) == -1.0 and tuning["TrainingJobStatusCounters"]["Completed"] == 11
    assert tuning["HyperParameterTuningEndTime"].year == 2030
    assert {"Key": "seen", "Value": "yes"} in sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    said = bring(server, elsewhere, "--study", title, "--objective", "loss")
    assert said.code == 1 and f"the tuning job {name} is there with another objective, objective, Minimize" in said.err
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert "0 training jobs are new" in bring(server, elsewhere, "--study", title, "--objective", "loss").err
    assert len(children(sagemaker, name)) == 13
    assert {"Key": "seen", "Value": "yes"} in sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert damages(server) <= wrong


def test_what_cannot_be_read_is_told(server: RunningServer, tmp_path: Path) -> None:
    def refused(storage: Path | str, *more: str) -> str:
        said = bring(server, storage, *more)
        assert said.code == 1
        return said.err.removeprefix("pegbox: ").rstrip("\n")

    file = database(tmp_path)
    assert refused(file, "--study", "none") == f"{file} has no study none"
    assert refused(file, "--study", "both", "--objective", "f1").endswith(
        "the study both has no objective f1; it has objective_0, objective_1"
    )
    missing = tmp_path / "none.db"
    for storage in (missing, f"sqlite:///{missing}"):
        assert f"{missing}: " in refused(storage) and not missing.exists()
    (tmp_path / "text").write_text("no journal\n")
    assert refused(tmp_path / "text") == f"{tmp_path / 'text'}:1: this is no line of Optuna's journal"
    secret = "postgresql://me:secret@localhost:1/optuna"
    assert "secret" not in (said := refused(secret)) and said.startswith("postgresql://me:***@localhost:1/optuna: ")
    with sqlite3.connect(file) as opened:
        opened.execute("UPDATE version_info SET schema_version = 99")
    assert "has schema 99 of Optuna 5.0.0; schema 12 is understood" in refused(file)
    with sqlite3.connect(file) as opened:
        opened.execute("DROP TABLE version_info")
    assert "is no storage of Optuna's" in refused(file)
