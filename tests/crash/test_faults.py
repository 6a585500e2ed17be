"""Faults of the server's own surroundings end one job with a reason, and nothing else."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

from jobs import training_ended
from pegbox.testing.requests import training_request
from running import RunningServer


def a_training_job(name: str, output: Path) -> dict[str, Any]:
    specification = {
        "TrainingImage": "any",
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["sh", "-c", "echo done"],
    }
    return training_request(name, "any", f"file://{output}", AlgorithmSpecification=specification)


def test_a_job_that_the_server_cannot_start_fails_in_the_end(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server(environment={"PEGBOX_TICK": "0.05"})
    sagemaker = server.client("sagemaker")
    in_the_way = server.home / "attempts"
    in_the_way.write_text("a file where a folder belongs")
    sagemaker.create_training_job(**a_training_job("hindered", tmp_path))
    job = training_ended(sagemaker, "hindered")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: ")
    in_the_way.unlink()
    sagemaker.create_training_job(**a_training_job("free", tmp_path))
    assert training_ended(sagemaker, "free")["TrainingJobStatus"] == "Completed"


def test_a_server_that_waits_for_its_database_ends_in_time(start_server: Callable[..., RunningServer]) -> None:
    server = start_server()
    sagemaker = server.client("sagemaker", config=Config(read_timeout=60))
    with sqlite3.connect(server.home / "pegbox.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")

        def create() -> None:
            with suppress(ClientError, ConnectionError, HTTPClientError):
                sagemaker.create_training_job(**a_training_job("late", server.home))

        asking = threading.Thread(target=create)
        asking.start()
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 10
        asking.join()
        other.execute("ROLLBACK")
