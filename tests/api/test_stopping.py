"""Stopping: by the user, by the clock, by the tuning job; before, during and after training."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import archive, children, in_training, keys, new_name, refusal, register, training_ended, tuning_ended
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, wait_for

FOREVER = "import time\nprint('loss=0.5;', flush=True)\ntime.sleep(600)"
#: saves its model on TERM, as the guide asks for
GRACEFUL = """
    import os, pathlib, signal, sys, time

    def save(number, frame):
        pathlib.Path(os.environ["SM_MODEL_DIR"], "saved").write_text("on TERM")
        sys.exit(7)

    signal.signal(signal.SIGTERM, save)
    print("loss=0.25;", flush=True)
    pathlib.Path("ready").touch()
    time.sleep(600)
"""


def _ready(folder: Path) -> None:
    wait_for("the program", (folder / "ready").exists)


def test_a_stopped_program_saves_its_model(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str, tmp_path: Path
) -> None:
    name = new_name()
    sagemaker.create_training_job(**training_request(name, image(GRACEFUL), here))
    _ready(tmp_path)
    sagemaker.stop_training_job(TrainingJobName=name)
    job = training_ended(sagemaker, name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert steps[-4:] == ["Training", "Stopping", "Uploading", "Stopped"]
    assert "FailureReason" not in job
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"saved": b"on TERM"}


def test_stopping_what_has_ended_or_stops_is_refused(
    sagemaker: Any, image: Callable[..., str], here: str, tmp_path: Path
) -> None:
    name = new_name()
    sagemaker.create_training_job(**training_request(name, image(GRACEFUL), here))
    _ready(tmp_path)
    sagemaker.stop_training_job(TrainingJobName=name)
    training_ended(sagemaker, name)
    code, message = refusal(sagemaker.stop_training_job, TrainingJobName=name)
    assert code == "ValidationException"
    assert "in status Stopped" in message


def test_a_stopped_job_without_a_model_uploads_none(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str
) -> None:
    name = new_name()
    sagemaker.create_training_job(**training_request(name, image(FOREVER), here))
    in_training(sagemaker, name)
    sagemaker.stop_training_job(TrainingJobName=name)
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Stopped"
    assert keys(s3, f"{here}/") == []


def test_a_program_that_ignores_term_is_killed_after_the_grace(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server(environment={"PEGBOX_STOP_GRACE": "1"})
    sagemaker = server.client("sagemaker")
    server.client("s3").create_bucket(Bucket="deaf")
    program = """
        import os, pathlib, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        pathlib.Path(os.environ["SM_MODEL_DIR"], "half").write_text("kept")
        pathlib.Path("ready").touch()
        time.sleep(600)
    """
    name = new_name()
    sagemaker.create_training_job(**training_request(name, register(server, tmp_path, program), "s3://deaf/out"))
    _ready(tmp_path)
    asked = time.monotonic()
    sagemaker.stop_training_job(TrainingJobName=name)
    code, message = refusal(sagemaker.stop_training_job, TrainingJobName=name)
    assert code == "ValidationException" and "in status Stopping" in message
    job = training_ended(sagemaker, name)
    assert 1.0 <= time.monotonic() - asked < 10
    assert job["TrainingJobStatus"] == "Stopped"
    found = archive(server.client("s3"), job["ModelArtifacts"]["S3ModelArtifacts"])
    assert found == {"half": b"kept"}


def test_a_job_is_stopped_when_its_time_is_up(sagemaker: Any, s3: Any, image: Callable[..., str], here: str) -> None:
    name = new_name()
    # time enough for the program to begin, also on a busy machine: it saves what it has when it is told to end
    request = training_request(name, image(GRACEFUL), here, StoppingCondition={"MaxRuntimeInSeconds": 5})
    sagemaker.create_training_job(**request)
    job = training_ended(sagemaker, name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    last = job["SecondaryStatusTransitions"][-1]
    assert last["StatusMessage"] == "Training job runtime exceeded MaxRuntimeInSeconds provided"
    assert 5 <= job["TrainingTimeInSeconds"] <= 9
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"saved": b"on TERM"}


def test_a_stopped_tuning_job_stops_its_training_jobs(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str
) -> None:
    request = tuning_request(new_name(), image(FOREVER), here, jobs=10, at_once=2)
    name = request["HyperParameterTuningJobName"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    running = wait_for("two children", lambda: len(children(sagemaker, name, StatusEquals="InProgress")) == 2)
    assert running
    for child in children(sagemaker, name):
        wait_for(
            "a metric",
            lambda child=child: sagemaker.describe_training_job(TrainingJobName=child["TrainingJobName"]).get(
                "FinalMetricDataList"
            ),
        )
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
        "HyperParameterTuningJobStatus"
    ] in ("Stopping", "Stopped")
    final = tuning_ended(sagemaker, name)
    assert final["HyperParameterTuningJobStatus"] == "Stopped"
    assert final["TrainingJobStatusCounters"]["Stopped"] == 2
    assert sum(final["TrainingJobStatusCounters"].values()) == 2
    assert final["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 0}
    assert final["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.5
    assert {child["TrainingJobStatus"] for child in children(sagemaker, name)} == {"Stopped"}
    code, message = refusal(sagemaker.stop_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)
    assert code == "ValidationException" and "in status Stopped" in message


def test_a_stopping_tuning_job_may_be_stopped_again(
    sagemaker: Any, image: Callable[..., str], here: str, tmp_path: Path
) -> None:
    program = GRACEFUL.replace("sys.exit(7)", "time.sleep(1); sys.exit()")
    request = tuning_request(new_name(), image(program), here, jobs=1, at_once=1)
    name = request["HyperParameterTuningJobName"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    _ready(tmp_path)
    for _ in range(2):
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning_ended(sagemaker, name)["HyperParameterTuningJobStatus"] == "Stopped"


def test_a_single_child_may_be_stopped_and_the_search_goes_on(
    sagemaker: Any, image: Callable[..., str], here: str
) -> None:
    program = """
        import os, time
        print("loss=3;", flush=True)
        if "-001-" in os.environ["TRAINING_JOB_NAME"]:
            time.sleep(600)
    """
    request = tuning_request(new_name(), image(program), here, jobs=3, at_once=1)
    name = request["HyperParameterTuningJobName"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    child = wait_for("the first child", lambda: children(sagemaker, name))[0]["TrainingJobName"]
    in_training(sagemaker, child)
    wait_for(
        "its metric",
        lambda: sagemaker.describe_training_job(TrainingJobName=child).get("FinalMetricDataList"),
    )
    sagemaker.stop_training_job(TrainingJobName=child)
    final = tuning_ended(sagemaker, name)
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert final["TrainingJobStatusCounters"]["Stopped"] == 1
    assert final["TrainingJobStatusCounters"]["Completed"] == 2
    assert final["ObjectiveStatusCounters"]["Succeeded"] == 3


@pytest.fixture
def full(start_server: Callable[..., RunningServer], tmp_path: Path) -> RunningServer:
    """A server with one slot, which is taken."""
    server = start_server(environment={"PEGBOX_SLOTS": "1"})
    server.client("s3").create_bucket(Bucket="full")
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request("long", register(server, tmp_path, FOREVER), "s3://full/out"))
    in_training(sagemaker, "long")
    return server


def test_a_waiting_job_is_stopped_without_having_trained(full: RunningServer, tmp_path: Path) -> None:
    sagemaker = full.client("sagemaker")
    program = register(full, tmp_path, "print()")
    sagemaker.create_training_job(**training_request("queued", program, "s3://full/out"))
    job = sagemaker.describe_training_job(TrainingJobName="queued")
    assert job["SecondaryStatus"] == "Pending"
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == "Training job waiting for capacity"
    sagemaker.stop_training_job(TrainingJobName="queued")
    job = training_ended(sagemaker, "queued")
    assert job["TrainingJobStatus"] == "Stopped"
    assert not {"TrainingStartTime", "TrainingTimeInSeconds"} & set(job)
    sagemaker.create_training_job(**training_request("next", program, "s3://full/out"))
    sagemaker.stop_training_job(TrainingJobName="long")
    assert training_ended(sagemaker, "next")["TrainingJobStatus"] == "Completed"
