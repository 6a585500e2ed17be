"""A stop that is accepted is carried out, at whatever moment of a job's life it comes."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from histories.job_clients import OUTPUT
from histories.recording import Client, Door, together
from jobs import archive, children, new_name, process_of, register, training_ended, tuning_ended
from pegbox.testing.requests import training_request
from pegbox.testing.requests import tuning_request as search
from running import RunningServer, wait_for


def stopped(stop: Any, **request: str) -> bool:
    """Whether a stop is accepted; the only reason not to is that the job has ended."""
    try:
        stop(**request)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException"
        return False
    return True


def is_there(name: str) -> bool:
    """Whether a program of the job is running."""
    try:
        return bool(process_of(name))
    except AssertionError:
        return False


def runner_of(server: RunningServer, name: str) -> int:
    """The runner of the job's first attempt."""
    (attempt,) = (
        file.parent for file in (server.home / "attempts").glob("*/1/attempt.json") if f'"{name}"' in file.read_text()
    )
    return int(json.loads((attempt / "runner.json").read_text())["pid"])


def test_training_jobs_are_stopped_at_any_moment(doors: list[Door], tmp_path: Path) -> None:
    program = register(doors[0].server, tmp_path, "import os\nopen(os.environ['TRAINING_JOB_NAME'], 'a').close()")
    told: dict[str, bool] = {}

    def live(client: Client) -> None:
        first, second = client.luck.sample(doors, 2)
        for _ in range(3):
            name = new_name("stop")
            first.client("sagemaker").create_training_job(**training_request(name, program, OUTPUT))
            time.sleep(client.luck.uniform(0, 0.5))  # the moment is what is tested
            told[name] = stopped(second.client("sagemaker").stop_training_job, TrainingJobName=name)

    together(4, str(tmp_path), live)
    sagemaker = doors[0].client("sagemaker")
    for name, accepted in told.items():
        job = training_ended(sagemaker, name)
        assert job["TrainingJobStatus"] == ("Stopped" if accepted else "Completed")
        trained = "TrainingStartTime" in job
        assert (tmp_path / name).exists() <= trained
        assert ("Stopping" in [step["Status"] for step in job["SecondaryStatusTransitions"]]) == accepted


def test_searches_are_stopped_at_any_moment(doors: list[Door]) -> None:
    told: dict[str, bool] = {}

    def live(client: Client) -> None:
        first, second = client.luck.sample(doors, 2)
        request = search(new_name("stop"), client.luck.choice(["quick", "unknown"]), OUTPUT, jobs=4, at_once=2)
        name = request["HyperParameterTuningJobName"]
        first.client("sagemaker").create_hyper_parameter_tuning_job(**request)
        time.sleep(client.luck.uniform(0, 1.0))  # the moment is what is tested
        told[name] = stopped(
            second.client("sagemaker").stop_hyper_parameter_tuning_job, HyperParameterTuningJobName=name
        )

    together(5, new_name(), live)
    sagemaker = doors[0].client("sagemaker")
    finals = {name: tuning_ended(sagemaker, name) for name in told}
    time.sleep(1.0)  # nothing is launched any more
    for name, final in finals.items():
        allowed = ("Stopped",) if told[name] else ("Completed", "Failed")
        assert final["HyperParameterTuningJobStatus"] in allowed
        statuses = [job["TrainingJobStatus"] for job in children(sagemaker, name)]
        assert len(statuses) == sum(final["TrainingJobStatusCounters"].values()) <= 4
        assert not {"InProgress", "Stopping"} & set(statuses)


@pytest.mark.parametrize("doors", ["postgresql"], indirect=True)
def test_a_job_is_stopped_while_its_model_is_stored(doors: list[Door], tmp_path: Path) -> None:
    """It ends Stopped, with its model whole."""
    program = register(
        doors[0].server,
        tmp_path,
        "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'big').write_bytes(os.urandom(20_000_000))",
    )
    sagemaker, s3 = doors[1].client("sagemaker"), doors[1].client("s3")
    name, bucket = new_name("big"), new_name("bucket")
    s3.create_bucket(Bucket=bucket)
    sagemaker.create_training_job(**training_request(name, program, f"s3://{bucket}/out"))

    def uploading() -> bool:
        return bool(sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Uploading")

    wait_for("the upload", uploading)
    sagemaker.stop_training_job(TrainingJobName=name)
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Stopped"
    steps = [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert steps[-3:] == ["Uploading", "Stopping", "Stopped"]
    ((file, body),) = archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]).items()
    assert (file, len(body)) == ("big", 20_000_000)


def test_jobs_that_are_tried_again_are_stopped_at_any_moment(doors: list[Door], tmp_path: Path) -> None:
    """Their runner dies, and the stop comes before, while or after the job is started once more."""
    program = register(
        doors[0].server,
        tmp_path,
        """
        import os, time
        with open(os.environ["TRAINING_JOB_NAME"], "a") as file:
            file.write("x")
        time.sleep(600)
        """,
    )
    retried = {"RetryStrategy": {"MaximumRetryAttempts": 1}}

    def started(name: str) -> int:
        return len((tmp_path / name).read_bytes()) if (tmp_path / name).exists() else 0

    def live(client: Client) -> None:
        first, second = (door.client("sagemaker") for door in client.luck.sample(doors, 2))
        for _ in range(2):
            name = new_name("lost")
            first.create_training_job(**training_request(name, program, OUTPUT, **retried))
            wait_for("the program", lambda name=name: started(name))
            os.kill(runner_of(doors[0].server, name), signal.SIGKILL)
            time.sleep(client.luck.uniform(0, 1.0))  # the moment is what is tested
            assert stopped(second.stop_training_job, TrainingJobName=name)
            assert training_ended(first, name)["TrainingJobStatus"] == "Stopped"
            assert started(name) <= 2
            wait_for("the end of the programs", lambda name=name: not is_there(name), seconds=20)

    together(2, str(tmp_path), live)
