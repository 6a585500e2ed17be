"""The object store is away, silent, broken or cuts connections: jobs wait, stops are heard, and the others go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import archive, in_training, keys, new_name, process_of, put, register, training_ended
from pegbox.testing.requests import LOSS, channel, training_request
from running import RunningServer, wait_for
from unreliable import Line

PROGRAM = """
    import pathlib
    print("read", len(pathlib.Path("/opt/ml/input/data/train/file").read_bytes()))
    pathlib.Path("/opt/ml/model/weights").write_text("trained")
"""
PATIENT = """
    import pathlib, time
    number = 0
    while not pathlib.Path("go").exists():
        print(f"loss={number};", flush=True)
        pathlib.Path("/opt/ml/checkpoints/state").write_text(str(number))
        number += 1
        time.sleep(0.05)
    pathlib.Path("/opt/ml/model/weights").write_text("trained")
"""
SIZE = 3_000_000


@pytest.fixture(scope="module")
def store(start_server: Callable[..., RunningServer]) -> RunningServer:
    """The server whose S3 the other one uses."""
    server = start_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept")
    put(s3, "s3://kept/in/", {"file": b"x" * SIZE})
    return server


@pytest.fixture
def line(store: RunningServer) -> Iterator[Line]:
    line = Line(store.url)
    yield line
    line.close()


@pytest.fixture
def own(store: RunningServer, line: Line, tmp_path: Path) -> Iterator[RunningServer]:
    names = {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    credentials = {names[name]: value for name, value in store.credentials().items()}
    server = RunningServer(
        tmp_path / "home",
        environment={
            "PEGBOX_TICK": "0.2",
            "PEGBOX_STOP_GRACE": "1",
            "PEGBOX_SLOTS": "3",
            "PEGBOX_CHECKPOINT_INTERVAL": "0.2",
            "PEGBOX_S3_ENDPOINT": line.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            **credentials,
        },
    )
    yield server
    server.kill()


def request_for(server: RunningServer, folder: Path, program: str = PROGRAM, **changes: Any) -> dict[str, Any]:
    given = {"InputDataConfig": [channel("train", "s3://kept/in/")], **changes}
    return training_request(new_name(), register(server, folder, program), "s3://kept/out", **given)


def start(server: RunningServer, request: dict[str, Any]) -> str:
    server.client("sagemaker").create_training_job(**request)
    return str(request["TrainingJobName"])


@pytest.mark.parametrize("mode", ["reset", "fault"])
def test_inputs_wait_for_a_store_that_fails(
    own: RunningServer, store: RunningServer, line: Line, tmp_path: Path, mode: str
) -> None:
    request = request_for(own, tmp_path)
    line.most, line.mode = SIZE // 3, mode
    name = start(own, request)
    wait_for("the job's wait", lambda: "something is in the way of a job" in own.log.read_text())
    sagemaker = own.client("sagemaker")
    assert sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] in ("Downloading", "Starting")
    line.mode = "through"
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed"
    assert archive(store.client("s3"), job["ModelArtifacts"]["S3ModelArtifacts"]) == {"weights": b"trained"}
    assert "Traceback" not in own.log.read_text()


def test_a_stop_is_heard_while_the_store_is_silent_and_others_go_on(
    own: RunningServer, line: Line, tmp_path: Path
) -> None:
    line.mode = "silent"
    sagemaker = own.client("sagemaker")
    hanging = [start(own, request_for(own, tmp_path)) for _ in range(3)]
    asked = wait_for("the downloads", lambda: line.asked >= 3 and line.asked)
    assert asked
    local = training_request(new_name(), register(own, tmp_path, "print()"), f"file://{tmp_path}/out")
    start(own, local)
    began = time.monotonic()
    for name in hanging:
        sagemaker.stop_training_job(TrainingJobName=name)
    for name in hanging:
        assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Stopped"
    assert training_ended(sagemaker, local["TrainingJobName"])["TrainingJobStatus"] == "Completed"
    assert time.monotonic() - began < 25  # a read gives up after 30


def test_a_finished_model_waits_for_the_store(
    own: RunningServer, store: RunningServer, line: Line, tmp_path: Path
) -> None:
    checkpoints = {"S3Uri": f"s3://kept/{new_name()}/"}
    request = request_for(own, tmp_path, PATIENT, CheckpointConfig=checkpoints)
    request["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    name = start(own, request)
    sagemaker, s3 = own.client("sagemaker"), store.client("s3")
    in_training(sagemaker, name)
    wait_for("a checkpoint", lambda: keys(s3, checkpoints["S3Uri"]))
    line.mode = "silent"  # the next checkpoints hang; what is printed is seen all the same
    number = _loss(sagemaker, name)
    wait_for("a later value", lambda: _loss(sagemaker, name) > number)
    (tmp_path / "go").touch()
    line.mode = "refused"
    wait_for("the job's wait", lambda: "something is in the way of a job" in own.log.read_text())
    found = sagemaker.describe_training_job(TrainingJobName=name)
    assert (found["TrainingJobStatus"], found["SecondaryStatus"]) == ("InProgress", "Uploading")
    line.mode = "through"
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed"
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"weights": b"trained"}


def _loss(sagemaker: Any, name: str) -> float:
    def look() -> Any:
        return sagemaker.describe_training_job(TrainingJobName=name).get("FinalMetricDataList")

    return float(wait_for("a value", look)[0]["Value"])


def test_a_stop_is_heard_while_checkpoints_hang(
    own: RunningServer, store: RunningServer, line: Line, tmp_path: Path
) -> None:
    checkpoints = {"S3Uri": f"s3://kept/{new_name()}/"}
    name = start(own, request_for(own, tmp_path, PATIENT, CheckpointConfig=checkpoints))
    sagemaker = own.client("sagemaker")
    in_training(sagemaker, name)
    wait_for("a checkpoint", lambda: keys(store.client("s3"), checkpoints["S3Uri"]))
    process = process_of(name)
    line.mode, asked = "silent", line.asked
    wait_for("one that hangs", lambda: line.asked > asked)
    sagemaker.stop_training_job(TrainingJobName=name)

    wait_for("the end of the program", lambda: not Path("/proc", process).exists(), 20)
    line.mode = "through"
    assert training_ended(sagemaker, name, 90)["TrainingJobStatus"] == "Stopped"


def test_a_job_whose_patience_ends_says_why(own: RunningServer, line: Line, tmp_path: Path) -> None:
    own.stop()
    impatient = RunningServer(own.home, environment={**own.environment, "PEGBOX_PATIENCE": "1"})
    try:
        request = request_for(impatient, tmp_path)
        line.mode = "fault"
        job = training_ended(impatient.client("sagemaker"), start(impatient, request), 90)
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("InternalServerError: The object store can't be used: s3://kept/")
    finally:
        impatient.kill()


def test_credentials_that_the_store_refuses(own: RunningServer, tmp_path: Path) -> None:
    own.stop()
    stranger = RunningServer(own.home, environment={**own.environment, "AWS_SECRET_ACCESS_KEY": "wrong"})
    try:
        job = training_ended(stranger.client("sagemaker"), start(stranger, request_for(stranger, tmp_path)))
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("ClientError: Data download failed: s3://kept/")
        assert "SignatureDoesNotMatch" in job["FailureReason"]
    finally:
        stranger.kill()
