"""The clock is stepped while jobs run: nothing starts twice, waits for hours, or lasted a negative time."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import in_training, keys, new_name, register, training_ended
from pegbox.executors import directory as files
from pegbox.executors.base import Attempt, Program
from pegbox.executors.subprocess import inherited
from pegbox.testing.requests import LOSS, training_request
from running import RunningServer, wait_for

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR = 3600

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed")

PATIENT = """
    import os, pathlib, time
    with open("started", "a") as file:
        file.write(os.environ["TRAINING_JOB_NAME"] + "\\n")
    number = 0
    while not pathlib.Path("go").exists():
        print(f"loss={number};", flush=True)
        state = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"], "state")
        state.with_suffix(".new").write_text(str(number))
        state.with_suffix(".new").replace(state)
        number += 1
        time.sleep(0.05)
"""


class SteppedClock:
    """A clock for processes; `step` changes what they think that time it is."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.step(0)

    def step(self, seconds: int) -> None:
        """So many seconds before or after the true time."""
        scratch = self._file.with_suffix(".new")
        scratch.write_text(f"{seconds:+d}\n")
        scratch.replace(self._file)


@pytest.fixture
def clock(tmp_path: Path) -> SteppedClock:
    return SteppedClock(tmp_path / "clock")


@pytest.fixture
def own(tmp_path: Path, clock: SteppedClock) -> Iterator[RunningServer]:
    quick = {"PEGBOX_TICK": "0.2", "PEGBOX_LEASE": "3", "PEGBOX_CHECKPOINT_INTERVAL": "0.2", "PEGBOX_AUTH": "off"}
    environment = {**quick, **clock.environment}
    server = RunningServer(tmp_path / "home", environment=environment, forked=False)  # which loads the library
    server.client("s3").create_bucket(Bucket="kept")
    yield server
    server.kill()


def started(folder: Path) -> list[str]:
    file = folder / "started"
    return file.read_text().split() if file.exists() else []


def check_times(job: dict[str, Any]) -> None:
    """Invariant of SecondaryStatusTransitions: they do not go back."""
    steps = job["SecondaryStatusTransitions"]
    begun = [step["StartTime"] for step in steps]
    assert begun == sorted(begun)
    assert all(step["EndTime"] >= step["StartTime"] for step in steps)
    assert 1 <= job["TrainingTimeInSeconds"] < 60
    assert job["TrainingEndTime"] >= job["TrainingStartTime"]


def test_jobs_go_on_when_the_clock_is_stepped(own: RunningServer, clock: SteppedClock, tmp_path: Path) -> None:
    sagemaker, s3 = own.client("sagemaker"), own.client("s3")
    image, name = register(own, tmp_path, PATIENT), new_name()
    request = training_request(name, image, "s3://kept/out", CheckpointConfig={"S3Uri": f"s3://kept/{name}/"})
    request["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    sagemaker.create_training_job(**request)
    in_training(sagemaker, name)
    wait_for("a checkpoint", lambda: keys(s3, f"s3://kept/{name}/"))

    def state() -> int:
        return int(s3.get_object(Bucket="kept", Key=f"{name}/state")["Body"].read())

    names = [name]
    for step in (-HOUR // 12, 3 * HOUR):
        clock.step(step)
        before = state()
        wait_for("a later checkpoint", lambda before=before: state() > before + 5)
        names.append(new_name())
        sagemaker.create_training_job(**training_request(names[-1], image, "s3://kept/out"))
        in_training(sagemaker, names[-1])
    own.kill()
    clock.step(-HOUR)
    own.start()
    sagemaker = own.client("sagemaker")
    (tmp_path / "go").touch()
    for each in names:
        job = training_ended(sagemaker, each)
        assert job["TrainingJobStatus"] == "Completed"
        check_times(job)
    assert sorted(started(tmp_path)) == sorted(names)


def test_what_ended_without_a_server_is_found_although_the_clock_was_put_back(
    own: RunningServer, clock: SteppedClock, tmp_path: Path
) -> None:
    name = new_name()
    own.client("sagemaker").create_training_job(
        **training_request(name, register(own, tmp_path, PATIENT), "s3://kept/out")
    )
    wait_for("the program", lambda: started(tmp_path))
    in_training(own.client("sagemaker"), name)
    assert own.stop() == 0
    clock.step(-3 * HOUR)
    (tmp_path / "go").touch()
    attempts = own.home / "attempts"
    wait_for("the end of the program", lambda: list(attempts.glob("*/*/exit.json")))
    own.start()
    job = training_ended(own.client("sagemaker"), name, 20)
    assert job["TrainingJobStatus"] == "Completed"
    check_times(job)


def test_an_attempt_has_one_clock(tmp_path: Path, clock: SteppedClock) -> None:
    """What a runner writes down does not go back, and durations are those that passed."""
    talk = """if True:
        import pathlib, time
        number = 0
        while not pathlib.Path("go").exists():
            print(f"n={number};", flush=True)
            number += 1
            time.sleep(0.01)
    """
    attempt = Attempt(
        id="1-1",
        directory=tmp_path / "attempt",
        job_name="job",
        job_arn="arn",
        region="us-east-1",
        program=Program(argv=(sys.executable, "-c", talk), workdir=str(tmp_path)),
        hyperparameters={},
        environment={},
        channels={},
        metrics=[{"Name": "n", "Regex": "n=([0-9]+);"}],
        instance_count=1,
        instance_type="local",
        checkpoint_path=None,
        max_runtime=60.0,
    )
    attempt.directory.mkdir()
    files.write_attempt(attempt, inherited=inherited(os.environ), wake=None, isolate=False)
    before = time.time()
    runner = subprocess.Popen(
        [sys.executable, "-m", "pegbox.runner", str(attempt.directory)], env=dict(os.environ) | clock.environment
    )
    for step in (-3 * HOUR, 3 * HOUR, 0):
        seen = files.read_points(attempt.directory, 0)[1] if (attempt.directory / "points").exists() else 0
        wait_for("points", lambda seen=seen: files.read_points(attempt.directory, seen)[0])
        clock.step(step)
    (tmp_path / "go").touch()
    assert runner.wait(30) == 0
    ended = files.read_exit(attempt.directory)
    assert ended is not None
    assert before - 1 < ended.started <= ended.ended < time.time() + 1
    times = [point.at for point in files.read_points(attempt.directory, 0)[0]]
    assert times == sorted(times)
