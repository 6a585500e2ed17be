"""pegbox tune, jobs, describe, best, stop: people's commands on a running server."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from command_line import Done, run
from jobs import archive, register, tuning_ended
from pegbox.cli.watching import watch
from pegbox.client.connection import Connection, NoServer
from pegbox.client.models import fetch
from pegbox.executors.containment import Containment
from pegbox.settings import load
from running import RunningServer

#: written for argparse; knows nothing of pegbox but for the place of its model
PROGRAM = """
import argparse, os, pathlib

parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
parser.add_argument("--depth", type=int)
parser.add_argument("--kind", choices=["plain", "better"])
parser.add_argument("--fast", action="store_true")
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
for epoch in range(given.epochs):
    print(f"epoch {epoch}: loss: {given.x ** 2 + given.depth + (given.kind == 'plain') + 1 / (epoch + 1):.6f}")
pathlib.Path(os.environ.get("SM_MODEL_DIR", "."), "arguments").write_text(repr(vars(given)))
"""
REQUEST = r"""
command: python train.py
minimize: loss
parameters:
  x: [-1.0, 1e-3]
  depth: [1, 4]
  kind: [plain, better]
  fast: [true, false]
  epochs: 2
metrics: {x: 'epoch (\d+)'}
budget: {jobs: 4, parallel: 4}
strategy: random
seed: 3
"""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A finished `pegbox tune`."""

    folder: Path
    home: str
    said: Done
    name: str = "my-train-1"

    def run(self, *arguments: str) -> Done:
        return run(*arguments, "--home", self.home)


@pytest.fixture(scope="module")
def tuned(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp("own")
    (folder / "train.py").write_text(PROGRAM)
    (folder / "my_train.yaml").write_text(REQUEST)
    said = run("tune", folder / "my_train.yaml", "--home", server.home)
    assert said.code == 0, said
    return Tuned(folder, str(server.home), said)


def summaries(sagemaker: Any, name: str) -> list[dict[str, Any]]:
    found = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, SortBy="FinalObjectiveMetricValue"
    )
    return list(found["TrainingJobSummaries"])


def test_tune_runs_a_program_of_ones_own(tuned: Tuned, server: RunningServer, sagemaker: Any, s3: Any) -> None:
    lines = tuned.said.out.splitlines()
    best, *_ = jobs = summaries(sagemaker, tuned.name)
    assert lines[0] == f"tuning job  my-train-1 on {server.url}"
    assert f"in          {tuned.folder}" in lines
    assert "parameters  x       -1.0 to 1e-3" in lines
    assert [line.split()[1] for line in lines if line.startswith("  ") and "  Completed  " in line] and len(jobs) == 4
    assert "my-train-1 Completed: 4 training jobs" in lines
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert f"best        {best['TrainingJobName']}  loss = {value:.6g}" in lines
    (model,) = [line.split()[1] for line in lines if line.startswith("model ")]
    chosen = best["TunedHyperParameters"]
    seen = {"x": float(chosen["x"]), "depth": int(chosen["depth"]), "kind": chosen["kind"]}
    assert archive(s3, model) == {
        "arguments": repr({**seen, "fast": chosen["fast"] == "true", "epochs": 2}).encode()
    }  # fmt: skip


def test_jobs_lists_them(tuned: Tuned, sagemaker: Any) -> None:
    rows = [line.split() for line in tuned.run("jobs", "--most", "100").out.splitlines()]
    assert rows[0] == ["NAME", "STATUS", "DONE", "FAILED", "BEST", "METRIC", "CREATED", "TOOK"]
    best, *_ = ordered = summaries(sagemaker, tuned.name)
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    (row,) = [row for row in rows if row[0] == tuned.name]
    assert row[1:6] == ["Completed", "4/4", "0", f"{value:.6g}", "loss"]
    head, *rows = [line.split() for line in tuned.run("jobs", tuned.name, "--best-first").out.splitlines()]
    assert head == ["NAME", "STATUS", "loss", "TOOK", "depth", "fast", "kind", "x"]
    assert [row[0] for row in rows] == [job["TrainingJobName"] for job in ordered]
    found = json.loads(tuned.run("jobs", tuned.name, "--json").out)
    assert {job["TrainingJobName"] for job in found} == {row[0] for row in rows}
    assert tuned.name in [job["HyperParameterTuningJobName"] for job in json.loads(tuned.run("jobs", "--json").out)]


def test_jobs_says_that_there_are_more(tuned: Tuned) -> None:
    file = tuned.folder / "second.yaml"
    file.write_text("command: [sh, -c, 'echo y=$0', '{a}']\nminimize: y\nparameters: {a: [1, 2]}\nbudget: 1")
    assert tuned.run("tune", str(file)).code == 0
    found = len(json.loads(tuned.run("jobs", "--json").out))
    said = tuned.run("jobs", "--most", "1")
    be = "is" if found == 2 else "are"
    assert (len(said.out.splitlines()), said.err) == (2, f"pegbox: there {be} {found - 1} more: --most {found}\n")
    assert tuned.run("jobs", "--most", str(found)).err == ""


def test_best_can_be_run_again(tuned: Tuned, sagemaker: Any, tmp_path: Path) -> None:
    best = summaries(sagemaker, tuned.name)[0]
    arguments = tuned.run("best", tuned.name, "--arguments").out.split()
    done = subprocess.run(
        [sys.executable, str(tuned.folder / "train.py"), *arguments], cwd=tmp_path, capture_output=True, text=True
    )
    value = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert done.stdout.endswith(f"loss: {value:.6f}\n"), done.stderr
    assert json.loads(tuned.run("best", tuned.name, "--json").out)["TrainingJobName"] == best["TrainingJobName"]
    assert f"best        {best['TrainingJobName']}" in tuned.run("best", tuned.name).out


def test_model_fetches_what_the_best_job_has_saved(tuned: Tuned, sagemaker: Any, tmp_path: Path) -> None:
    best, *_, worst = summaries(sagemaker, tuned.name)
    for name, job in ((tuned.name, best), (worst["TrainingJobName"], worst)):
        done = tuned.run("model", name, "-o", str(tmp_path / "deep" / name))
        assert done.err == f"pegbox: the model of {job['TrainingJobName']}, 1 file, is in {tmp_path}/deep/{name}\n"
        (file,) = (tmp_path / "deep" / name).iterdir()
        assert (file.name, job["TunedHyperParameters"]["kind"] in file.read_text()) == ("arguments", True)
    again = tuned.run("model", tuned.name, "-o", str(tmp_path / "deep" / tuned.name))
    assert (again.code, "is there already: name a folder that is new or empty" in again.err) == (1, True)
    assert {each.name for each in (tmp_path / "deep").iterdir()} == {tuned.name, worst["TrainingJobName"]}


def test_objects_that_stand_for_folders_are_no_files_of_a_model(server: RunningServer, tmp_path: Path) -> None:
    """The console of S3 makes them, and so do tools that copy folders."""
    s3 = server.client("s3")
    s3.create_bucket(Bucket="folders")
    for key, body in (("m/", b""), ("m/a/", b""), ("m/a/b", b"1")):
        s3.put_object(Bucket="folders", Key=key, Body=body)
    connection = Connection(url=server.url, settings=load({"home": server.home}, {}))
    assert fetch(connection, "s3://folders/m/", tmp_path / "out") == 1
    assert (tmp_path / "out" / "a" / "b").read_bytes() == b"1"


def test_describe_tells_of_both_kinds_of_jobs(tuned: Tuned, sagemaker: Any) -> None:
    best = summaries(sagemaker, tuned.name)[0]
    said = tuned.run("describe", tuned.name).out
    assert said.startswith("my-train-1 Completed: 4 training jobs\n")
    assert "            epochs  always 2\n" in said and "_tuning" not in said
    told = tuned.run("describe", best["TrainingJobName"].upper()).out
    assert told.startswith(f"{best['TrainingJobName']} Completed: Training job completed\nof          my-train-1\n")
    assert f"            kind    {best['TunedHyperParameters']['kind']}\n" in told
    assert json.loads(tuned.run("describe", tuned.name, "--json").out)["HyperParameterTuningJobName"] == tuned.name
    assert tuned.run("describe", tuned.name, "--watch").out.endswith(
        f"all         pegbox jobs {tuned.name} --home {tuned.home}\n"
    )


def test_the_next_one_gets_the_next_number_and_can_be_stopped(tuned: Tuned, sagemaker: Any) -> None:
    (tuned.folder / "slow.py").write_text("import time; time.sleep(600)")
    slow = REQUEST.replace("train.py", "slow.py")
    (tuned.folder / "sub").mkdir()
    (tuned.folder / "sub" / "my_train.yaml").write_text(slow.replace("slow.py", "../slow.py"))
    file = str(tuned.folder / "sub" / "my_train.yaml")
    assert json.loads(tuned.run("tune", file, "--no-watch", "--json").out) == {
        "HyperParameterTuningJobName": "my-train-2"
    }  # fmt: skip
    refused = tuned.run("best", "my-train-2")
    assert (refused.code, refused.err[:39]) == (1, "pegbox: no training job of my-train-2 h")
    assert tuned.run("stop", "my-train-2").err == "pegbox: my-train-2 is being stopped\n"
    assert tuning_ended(sagemaker, "my-train-2")["HyperParameterTuningJobStatus"] == "Stopped"
    again = tuned.run("stop", "my-train-2")
    assert again.code == 1
    assert "is in status Stopped. Only a job that is InProgress can be stopped. (Validation" in again.err
    ended = tuned.run("describe", "my-train-2", "--watch")
    assert ended.code == 1
    assert "my-train-2 Stopped: " in ended.out
    assert "  Stopped\n" in ended.out
    assert "no value" not in ended.out and "no result" not in ended.out


def test_a_program_that_fails_is_told_with_its_reason(tuned: Tuned) -> None:
    (tuned.folder / "broken.yaml").write_text(
        "command: python -c 'raise SystemExit(\"no such thing\")'\nminimize: y\nparameters: {a: [1, 2]}\nbudget: 1"
    )
    said = tuned.run("tune", str(tuned.folder / "broken.yaml"), "--name", "breaks")
    assert said.code == 1
    assert "  Failed  AlgorithmError: no such thing, exit code: 1\n" in said.out
    assert "breaks Failed: 1 training job, 1 failed. All training jobs failed" in said.out
    taken = tuned.run("tune", str(tuned.folder / "broken.yaml"), "--name", "breaks")
    assert (taken.code, "(ResourceInUse)" in taken.err) == (1, True)


def test_image_list_leaves_out_earlier_variants(tuned: Tuned) -> None:
    file = tuned.folder / "variants.yaml"
    for number in (1, 2, 3):
        file.write_text(
            f"command: [sh, -c, 'echo y={number}$0', '{{a}}']\nminimize: y\nparameters: {{a: [1, 2]}}\nbudget: 1"
        )
        assert tuned.run("tune", str(file), "--no-watch").code == 0
    assert tuned.run("image", "add", "variants-deadbeef", "--command", "true").code == 0
    said, every = tuned.run("image", "list"), tuned.run("image", "list", "--all")
    shown = [line for line in said.out.splitlines() if line.startswith("variants-")]
    assert (len(shown), any("y=3" in line for line in shown)) == (2, True)
    assert " older one" in said.err and said.err.endswith(" of pegbox tune: --all\n")
    assert (every.out.count("variants-"), every.err) == (4, "")


def test_a_file_that_is_hidden_is_told_with_what_shows_it(tuned: Tuned) -> None:
    if Containment("auto").missing():
        pytest.skip("programs see the files of this machine")
    (tuned.folder.parent / "beside").mkdir()
    (tuned.folder.parent / "beside" / "x.csv").touch()
    (tuned.folder / "reads.py").write_text("open('../beside/x.csv'); print('y=1')")
    (tuned.folder / "reads.yaml").write_text(
        "command: python reads.py\nminimize: y\nparameters: {a: [1, 2]}\nbudget: 1"
    )
    said = tuned.run("tune", str(tuned.folder / "reads.yaml"), "--name", "reads")
    hint = "../beside/x.csv is there, but programs see only their folder: add bind: [../beside:ro]"
    assert (said.code, said.out.count(hint)) == (1, 1)
    assert tuned.run("describe", "reads").out.count(hint) == 1
    job = json.loads(tuned.run("jobs", "reads", "--json").out)[0]["TrainingJobName"]
    assert tuned.run("describe", job).out.count(hint) == 1


def test_a_metric_that_nobody_prints_is_told(tuned: Tuned) -> None:
    file = tuned.folder / "typo.yaml"
    file.write_text(
        "command: [sh, -c, 'echo Loss=0.$0; echo bye', '{a}']\nminimize: loss\nparameters: {a: [1, 2]}\nbudget: 1"
    )
    said = tuned.run("tune", str(file), "--name", "typo")
    assert said.code == 1
    assert "  Completed  no value of loss\n" in said.out
    lines = said.out.splitlines()
    place = lines.index("no result   no job printed the metric loss")
    assert lines[place + 1].startswith("            it is looked for with (?:^|")
    job = lines[place + 2].removeprefix("printed     ")
    assert lines[place + 3].startswith("              Loss=0.")
    assert lines[place + 4] == f"            pegbox logs {job} --home {tuned.home}"
    assert "model       nothing was saved in SM_MODEL_DIR\n" in tuned.run("describe", job).out
    missing = tuned.run("model", job, "-o", str(tuned.folder / "none"))
    assert (missing.code, f"{job}: nothing was saved in SM_MODEL_DIR" in missing.err) == (1, True)
    assert tuned.run("model", "typo").err == "pegbox: no training job of typo has a result: name one of its jobs\n"
    described = tuned.run("describe", "typo")
    assert (described.code, "no job printed the metric loss" in described.out) == (0, True)
    watched = tuned.run("describe", "typo", "--watch", "--json")
    assert (watched.code, "no job printed the metric loss" in watched.err) == (1, True)


def read(path: Path) -> pd.DataFrame:
    found = pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path)
    times = ["CreationTime", "TrainingStartTime", "TrainingEndTime"]
    return found.assign(**{name: pd.to_datetime(found[name]) for name in times})


def test_export_gives_pandas_a_typed_table(tuned: Tuned, sagemaker: Any, tmp_path: Path) -> None:
    files = [tmp_path / f"table.{form}" for form in ("csv", "json", "parquet")]
    for file in files:
        done = tuned.run("export", tuned.name, "-o", str(file))
        assert (done.code, done.err) == (0, f"pegbox: 4 training jobs are in {file}\n")
    csv, json_, parquet = read(files[0]), read(files[1]), pd.read_parquet(files[2])
    assert list(parquet.columns) == [
        "TrainingJobName", "TrainingJobStatus", "FinalObjectiveValue", "CreationTime", "TrainingStartTime",
        "TrainingEndTime", "TrainingElapsedTimeSeconds", "FailureReason", "S3ModelArtifacts",
        "depth", "epochs", "fast", "kind", "x", "loss", "metric.x",
    ]  # fmt: skip
    assert {name: parquet[name].dtype.kind for name in ("depth", "epochs", "fast", "x", "loss", "CreationTime")} == {
        "depth": "i", "epochs": "i", "fast": "b", "x": "f", "loss": "f", "CreationTime": "M",
    }  # fmt: skip
    for other in (csv, json_):
        pd.testing.assert_frame_equal(other, parquet, check_dtype=False, rtol=1e-12)
    assert (csv["metric.x"] == 1).all() and (csv["loss"] == csv["FinalObjectiveValue"]).all()
    ordered = csv.sort_values("FinalObjectiveValue")
    assert list(ordered["TrainingJobName"]) == [job["TrainingJobName"] for job in summaries(sagemaker, tuned.name)]
    chosen = summaries(sagemaker, tuned.name)[0]["TunedHyperParameters"]
    assert [str(value) for value in ordered.iloc[0][["depth", "kind", "x"]]] == [
        chosen["depth"], chosen["kind"], chosen["x"],
    ]  # fmt: skip
    assert tuned.run("export", tuned.name).out.encode() == files[0].read_bytes()
    assert tuned.run("export", tuned.name, "--format", "json").out.encode() == files[1].read_bytes()


def test_a_choice_with_a_text_is_exported_as_text_whatever_was_drawn(tuned: Tuned, tmp_path: Path) -> None:
    file, table = tuned.folder / "choice.yaml", tmp_path / "choice.parquet"
    choices = "{depth: {values: ['1', '2', '3', '4', none]}}"
    file.write_text(f"command: [echo, loss=1]\nminimize: loss\nparameters: {choices}\nbudget: 1\nseed: 1\n")
    assert tuned.run("tune", str(file), "--name", "choice").code == 0
    assert tuned.run("export", "choice", "-o", str(table)).code == 0
    depth = pd.read_parquet(table)["depth"]
    assert isinstance(depth[0], str) and depth[0] != "none"


def test_export_where_nothing_can_be_written(tuned: Tuned, tmp_path: Path) -> None:
    wrong = tuned.run("export", tuned.name, "-o", str(tmp_path / "a.xlsx"))
    assert (wrong.code, ".xlsx is none of the formats csv, json, parquet" in wrong.err) == (1, True)
    assert tuned.run("export", tuned.name, "-o", str(tmp_path / "a.xlsx"), "--format", "csv").code == 0
    done = tuned.run("export", tuned.name, "-o", str(tmp_path / "none" / "a.csv"))
    assert (done.code, done.err) == (1, f"pegbox: {tmp_path}/none/a.csv: No such file or directory\n")


@pytest.fixture
def elsewhere(server: RunningServer, tmp_path: Path) -> dict[str, str]:
    """Variables that name the server to somebody whose home is another one."""
    key, secret = server.credentials().values()
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "PEGBOX_HOME": str(tmp_path / "none"),
    }


def test_the_apis_own_form_may_be_yaml_with_plain_numbers(
    server: RunningServer, sagemaker: Any, here: str, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    image = register(server, tmp_path, "print('loss=0.5;')")
    (tmp_path / "request.yaml").write_text(
        f"""
        HyperParameterTuningJobConfig:
          Strategy: Random
          HyperParameterTuningJobObjective: {{Type: Minimize, MetricName: loss}}
          ResourceLimits: {{MaxNumberOfTrainingJobs: 1, MaxParallelTrainingJobs: 1}}
          ParameterRanges:
            ContinuousParameterRanges: [{{Name: lr, MinValue: 1e-4, MaxValue: 0.10}}]
            CategoricalParameterRanges: [{{Name: fast, Values: [true, 3]}}]
        TrainingJobDefinition:
          AlgorithmSpecification:
            TrainingImage: {image}
            TrainingInputMode: File
            MetricDefinitions: [{{Name: loss, Regex: 'loss=(.*?);'}}]
          ResourceConfig: {{InstanceType: local, InstanceCount: 1, VolumeSizeInGB: 1}}
          StoppingCondition: {{MaxRuntimeInSeconds: 600}}
          OutputDataConfig: {{S3OutputPath: "{here}/out"}}
        Tags: [{{Key: owner, Value: me}}]
        """
    )
    done = run("tune", tmp_path / "request.yaml", "--json", **elsewhere)
    assert done.code == 0, done
    found = json.loads(done.out)
    assert found["HyperParameterTuningJobName"].startswith("request-")
    assert found["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"] == f"{here}/out"
    ranges = found["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["ContinuousParameterRanges"] == [{"Name": "lr", "MinValue": "1e-4", "MaxValue": "0.10"}]
    assert ranges["CategoricalParameterRanges"] == [{"Name": "fast", "Values": ["true", "3"]}]


def test_a_server_elsewhere_runs_images_that_it_knows_and_no_command_of_ours(
    server: RunningServer, sagemaker: Any, tmp_path: Path, elsewhere: dict[str, str]
) -> None:
    image = register(server, tmp_path, "print('loss is 0.5')")
    rest = "minimize: {name: loss, regex: 'loss is (.*)'}\nparameters: {a: [1, 2]}\nbudget: 1\n"
    (tmp_path / "own.yaml").write_text(f"command: python x.py\n{rest}")
    (tmp_path / "x.py").touch()
    (tmp_path / "known.yaml").write_text(f"image: {image}\n{rest}")
    refused = run("tune", tmp_path / "own.yaml", **elsewhere)
    assert refused.code == 1
    assert f"the server at {server.url} is not that of {tmp_path}/none: write image: NAME" in refused.err
    assert run("tune", tmp_path / "known.yaml", **elsewhere).code == 0
    assert not (tmp_path / "none").exists()
    ours = run("tune", tmp_path / "own.yaml", "--no-watch", **elsewhere | {"PEGBOX_HOME": str(server.home)})
    assert (ours.code, ours.err) == (0, "")


def test_a_server_elsewhere_that_is_lost_is_told_with_what_to_do(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    away = Connection(url="http://127.0.0.1:9", settings=load({"home": server.home}, {}), is_ours=False)
    with pytest.raises(NoServer, match=r":9 does not answer any more; it goes on .*: pegbox describe it --watch"):
        watch(away, "it", Console(file=io.StringIO()), "")


WRONG = {
    "tune {folder}/none.yaml": "none.yaml: No such file or directory",
    "tune {folder}/wrong.yaml": "wrong.yaml:1: strategie: strategie is not known here; did you mean strategy?",
    "tune {folder}/api.yaml": "api.yaml:1: HyperParameterTuningJobConfig.Strategi: Strategi is not known here",
    "tune {folder}/kinds.yaml": "kinds.yaml:1: HyperParameterTuningJobConfig.Strategy: 'Best' is none of Bayesian,",
    "tune {folder}/lots.yaml": "MaxNumberOfTrainingJobs: 'lots' is no whole number",
    "tune {folder}/half.yaml": 'Missing required parameter in HyperParameterTuningJobConfig: "Strategy"',
    "tune {folder}/my_train.yaml --name a_b": "failed to satisfy constraint: Member must satisfy regular expression",
    "jobs nobody": "there is no tuning job nobody: pegbox jobs lists those there are",
    "describe nobody": "there is no tuning job and no training job nobody",
    "describe no-body-whose-name-is-longer-than-that-of-any-job-in-the-whole-world": "there is no tuning job and no",
    "export nobody": "there is no tuning job nobody",
    "best no_body": "there is no tuning job no_body",
}


@pytest.mark.parametrize("command", WRONG)
def test_what_cannot_be_done_is_told(tuned: Tuned, tmp_path: Path, command: str) -> None:
    (tuned.folder / "wrong.yaml").write_text("strategie: x\n")
    (tuned.folder / "api.yaml").write_text("HyperParameterTuningJobConfig: {Strategi: Random}")
    (tuned.folder / "kinds.yaml").write_text("HyperParameterTuningJobConfig: {Strategy: Best}")
    (tuned.folder / "lots.yaml").write_text(
        "HyperParameterTuningJobConfig: {ResourceLimits: {MaxNumberOfTrainingJobs: lots}}"
    )
    (tuned.folder / "half.yaml").write_text("HyperParameterTuningJobConfig: {}\nTrainingJobDefinition: {}")
    done = tuned.run(*command.format(folder=tuned.folder).split())
    assert done.code == 1
    assert WRONG[command] in " ".join(done.err.split())


def test_without_a_server_or_a_key_it_is_told(tmp_path: Path) -> None:
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "PEGBOX_HOME": str(tmp_path / "none"), "AWS_MAX_ATTEMPTS": "1"}
    without = run("jobs", **nowhere, HOME=str(tmp_path), AWS_EC2_METADATA_DISABLED="true")
    assert (without.code, "pegbox keys add makes another" in without.err) == (1, True)
    away = run("jobs", **nowhere, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    assert (away.code, "no server answers" in away.err) == (1, True)
    for url in ("localhost:8420", "127.0.0.1", "http://", "http://localhost:port", "ftp://localhost"):
        wrong = run("jobs", **nowhere | {"AWS_ENDPOINT_URL": url})
        assert wrong.err == f"pegbox: AWS_ENDPOINT_URL={url} is no URL of a server: write for example " + (
            "http://localhost:8420\n"
        )
    empty = run("jobs", "--home", tmp_path / "none")
    assert empty.err == f"pegbox: there is nothing in {tmp_path}/none yet: pegbox tune starts a tuning job\n"
    assert not (tmp_path / "none").exists()
