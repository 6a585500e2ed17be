"""Runners that are killed, alone among many, and a machine that starts again without any of its processes."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jobs import archive, in_training, new_name, register, training_ended
from pegbox.executors.directory import lock_holder
from pegbox.testing.crash_work import processes_of
from pegbox.testing.requests import training_request
from running import RunningServer, wait_for

OUTPUT = "s3://kept/out"
NOTICE_SECONDS = 5.0

#: waits for the test's word in its first attempts
PATIENT = """
    import os, pathlib, time
    attempt = pathlib.Path(os.environ["PEGBOX_ATTEMPT"])
    with open("started", "a") as file:
        file.write(f"{os.environ['TRAINING_JOB_NAME']} {attempt.name}\\n")
    while int(attempt.name) < int(os.environ["SM_HP_GOOD"]):
        time.sleep(0.02)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "attempt").write_text(attempt.name)
"""


def attempts(server: RunningServer) -> list[Path]:
    return sorted((server.home / "attempts").glob("*/*"))


def test_the_end_of_a_runner_is_noticed_among_many(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(environment={"PEGBOX_SLOTS": "20"})
    sagemaker = server.client("sagemaker")
    server.client("s3").create_bucket(Bucket="kept")
    names = [new_name() for _ in range(20)]
    for name in names:
        request = training_request(name, "any", OUTPUT)
        request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["sh", "-c", "while echo x; do sleep 0.5; done"]
        sagemaker.create_training_job(**request)
    for name in names:
        in_training(sagemaker, name)
    victims = attempts(server)[::7]
    killed = {}
    for attempt in victims:
        runner = lock_holder(attempt)
        assert runner is not None
        os.kill(runner, signal.SIGKILL)
        killed[json.loads((attempt / "attempt.json").read_text())["job_name"]] = time.monotonic()
    for name, since in killed.items():
        job = training_ended(sagemaker, name)
        assert time.monotonic() - since < NOTICE_SECONDS
        assert (job["TrainingJobStatus"], job["FailureReason"][:20]) == ("Failed", "InternalServerError:")
    told = [line for line in server.log.read_text().splitlines() if "processes of a training job were lost" in line]
    assert sorted(line.rpartition(" job=")[2].split()[0] for line in told) == sorted(killed)
    assert all("attempt=1" in line and "tried_again=false" in line for line in told)
    for name in set(names) - set(killed):
        sagemaker.stop_training_job(TrainingJobName=name)
    for name in set(names) - set(killed):
        assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Stopped"
    assert not list(processes_of([server.home]))


def reboot(server: RunningServer) -> None:
    """End everything at once and have the records name another boot, as they do when a machine starts again."""
    server.kill()
    for _ in range(100):
        for pid, _command in processes_of([server.home]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not list(processes_of([server.home])):
            break
    for attempt in attempts(server):
        for file in (attempt / "spawn.json", attempt / "runner.json"):
            if file.exists():
                file.write_text(json.dumps(json.loads(file.read_text()) | {"boot_id": "an earlier one"}))
    (server.home / "run" / "boot_id").write_text("an earlier one")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_what_ran_when_the_machine_went_down_is_tried_again(
    database: str, start_server: Callable[..., RunningServer], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = {"PEGBOX_TICK": "0.3", "PEGBOX_LEASE": "1", "PEGBOX_STOP_GRACE": "1", "PEGBOX_SLOTS": "4"}
    if database == "postgresql":
        url = request.getfixturevalue("postgres").database(f"reboot_{uuid.uuid4().hex[:8]}")
        environment["PEGBOX_DATABASE_URL"] = url
    server = start_server(environment=environment)
    server.client("s3").create_bucket(Bucket="kept")
    program = register(server, tmp_path, PATIENT)
    sagemaker: Any = server.client("sagemaker")
    jobs = {"plain": (0, 2), "unlucky": (0, 9), "retried": (1, 3)}  # retries, the attempt that will end by itself
    for name, (retries, good) in jobs.items():
        strategy = {"RetryStrategy": {"MaximumRetryAttempts": retries}} if retries else {}
        sagemaker.create_training_job(
            **training_request(name, program, OUTPUT, HyperParameters={"good": str(good)}, **strategy)
        )

    def started(count: int, *names: str) -> Callable[[], bool]:
        def look() -> bool:
            lines = (tmp_path / "started").read_text().split("\n") if (tmp_path / "started").exists() else []
            return all(f"{name} {count}" in lines for name in names)

        return look

    wait_for("the first attempts", started(1, *jobs))
    reboot(server)
    server.start()
    wait_for("the second attempts", started(2, *jobs))
    assert training_ended(server.client("sagemaker"), "plain")["TrainingJobStatus"] == "Completed"
    reboot(server)
    server.start()
    sagemaker = server.client("sagemaker")
    lost = training_ended(sagemaker, "unlucky")
    assert lost["TrainingJobStatus"] == "Failed"
    assert lost["FailureReason"].startswith("InternalServerError: ")
    for name, (_, good) in jobs.items():
        job = training_ended(sagemaker, name)
        if name != "unlucky":
            assert job["TrainingJobStatus"] == "Completed"
            model = archive(server.client("s3"), job["ModelArtifacts"]["S3ModelArtifacts"])
            assert model == {"attempt": str(good).encode()}
    lines = (tmp_path / "started").read_text().split("\n")[:-1]
    assert sorted(lines) == [
        *(f"plain {n}" for n in (1, 2)),
        *(f"retried {n}" for n in (1, 2, 3)),
        *(f"unlucky {n}" for n in (1, 2)),
    ]
