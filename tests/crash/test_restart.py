"""The server dies or ends while jobs run; another takes over, and nothing is started twice or lost."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import archive, children, in_training, new_name, process_of, register, training_ended, tuning_ended
from patient import PATIENT, started
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, wait_for


@pytest.fixture
def own(start_server: Callable[..., RunningServer], request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A server of the test's own, which takes over quickly what another has held."""
    environment = {"PEGBOX_TICK": "0.3", "PEGBOX_LEASE": "1", "PEGBOX_STOP_GRACE": "1"}
    if getattr(request, "param", None) == "postgresql":
        cluster = request.getfixturevalue("postgres")
        environment["PEGBOX_DATABASE_URL"] = cluster.database(f"restart_{uuid.uuid4().hex[:8]}")
    server = start_server(environment=environment)
    server.client("s3").create_bucket(Bucket="kept")
    yield server
    server.kill()


OUTPUT = "s3://kept/out"


both_databases = pytest.mark.parametrize("own", ["sqlite", "postgresql"], indirect=True)


def _is_alive(pid: str) -> bool:
    return os.path.exists(f"/proc/{pid}")


@both_databases
def test_training_survives_the_death_of_the_server(own: RunningServer, tmp_path: Path) -> None:
    name = new_name()
    program = register(own, tmp_path, PATIENT)
    own.client("sagemaker").create_training_job(**training_request(name, program, OUTPUT))
    ((_, pid),) = wait_for("the program", lambda: started(tmp_path))
    process = process_of(name)
    own.kill()
    assert _is_alive(process)
    own.start()
    sagemaker = own.client("sagemaker")
    assert in_training(sagemaker, name)["TrainingJobStatus"] == "InProgress"
    (tmp_path / "go").touch()
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed"
    assert archive(own.client("s3"), job["ModelArtifacts"]["S3ModelArtifacts"]) == {"pid": pid.encode()}
    assert started(tmp_path) == [[name, pid]]
    assert not _is_alive(process)


def test_training_that_ends_without_a_server_is_picked_up(own: RunningServer, tmp_path: Path) -> None:
    name = new_name()
    request = training_request(name, register(own, tmp_path, PATIENT), OUTPUT)
    request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": r"loss=(\S+);"}]
    own.client("sagemaker").create_training_job(**request)
    ((_, pid),) = wait_for("the program", lambda: started(tmp_path))
    process = process_of(name)
    own.kill()
    (tmp_path / "go").touch()
    wait_for("the program's end", lambda: not _is_alive(process))
    own.start()
    job = training_ended(own.client("sagemaker"), name)
    assert job["TrainingJobStatus"] == "Completed"
    assert [(item["MetricName"], item["Value"]) for item in job["FinalMetricDataList"]] == [("loss", 0.5)]
    assert archive(own.client("s3"), job["ModelArtifacts"]["S3ModelArtifacts"]) == {"pid": pid.encode()}
    assert len(started(tmp_path)) == 1


@both_databases
def test_a_search_ends_with_exactly_the_asked_number_of_jobs(own: RunningServer, tmp_path: Path) -> None:
    program = """
        import os, time
        with open("started", "a") as file:
            file.write(f"{os.environ['TRAINING_JOB_NAME']} {os.getpid()}\\n")
        time.sleep(0.1)
        print(f"loss={os.environ['SM_HP_X']};")
    """
    request = tuning_request(new_name(), register(own, tmp_path, program), OUTPUT, jobs=12, at_once=3)
    name = request["HyperParameterTuningJobName"]
    own.client("sagemaker").create_hyper_parameter_tuning_job(**request)
    for launched in (2, 5, 8):
        wait_for(f"{launched} programs", lambda launched=launched: len(started(tmp_path)) >= launched)
        own.kill()
        own.start()
    sagemaker = own.client("sagemaker")
    final = tuning_ended(sagemaker, name)
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert sum(final["TrainingJobStatusCounters"].values()) == 12
    assert final["ObjectiveStatusCounters"] == {"Succeeded": 12, "Pending": 0, "Failed": 0}
    names = [job["TrainingJobName"] for job in children(sagemaker, name)]
    assert [job.split("-")[-2] for job in names] == [f"{number:03}" for number in range(1, 13)]
    assert Counter(job for job, _ in started(tmp_path)) == Counter(names)


def test_term_ends_the_server_while_training_goes_on(own: RunningServer, tmp_path: Path) -> None:
    name = new_name()
    program = register(own, tmp_path, PATIENT)
    own.client("sagemaker").create_training_job(**training_request(name, program, OUTPUT))
    wait_for("the program", lambda: started(tmp_path))
    process = process_of(name)
    asked = time.monotonic()
    assert own.stop() == 0
    assert time.monotonic() - asked < 10
    assert not (own.home / "run" / "server.json").exists()
    assert _is_alive(process)
    own.start()
    (tmp_path / "go").touch()
    job = training_ended(own.client("sagemaker"), name)
    assert job["TrainingJobStatus"] == "Completed"
    assert len(started(tmp_path)) == 1


def test_a_stop_that_the_server_did_not_live_to_carry_out_is_carried_out(own: RunningServer, tmp_path: Path) -> None:
    name = new_name()
    program = register(own, tmp_path, PATIENT)
    sagemaker = own.client("sagemaker")
    sagemaker.create_training_job(**training_request(name, program, OUTPUT))
    wait_for("the program", lambda: started(tmp_path))
    process = process_of(name)
    sagemaker.stop_training_job(TrainingJobName=name)
    own.kill()
    own.start()
    assert training_ended(own.client("sagemaker"), name)["TrainingJobStatus"] == "Stopped"
    assert not _is_alive(process)


@both_databases
def test_processes_that_are_gone_are_told_as_the_systems_fault(own: RunningServer, tmp_path: Path) -> None:
    name = new_name()
    program = register(own, tmp_path, PATIENT)
    own.client("sagemaker").create_training_job(**training_request(name, program, OUTPUT))
    wait_for("the program", lambda: started(tmp_path))
    process = process_of(name)
    own.kill()
    os.kill(_runner(own), 9)
    wait_for("the end of the program", lambda: not _is_alive(process))
    own.start()
    job = training_ended(own.client("sagemaker"), name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: ")
    assert len(started(tmp_path)) == 1


def test_a_lost_job_with_a_retry_strategy_is_started_once_more(own: RunningServer, tmp_path: Path) -> None:
    name = new_name()
    request = training_request(
        name, register(own, tmp_path, PATIENT), OUTPUT, RetryStrategy={"MaximumRetryAttempts": 1}
    )
    sagemaker = own.client("sagemaker")
    sagemaker.create_training_job(**request)
    wait_for("the program", lambda: started(tmp_path))
    os.kill(_runner(own), 9)
    wait_for("the second try", lambda: len(started(tmp_path)) == 2)
    (tmp_path / "go").touch()
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed"
    assert "Restarting" in [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert job["SecondaryStatusTransitions"][-1]["Status"] == job["SecondaryStatus"] == "Completed"


def _runner(server: RunningServer) -> int:
    """The runner of the server's only attempt."""
    (record,) = (server.home / "attempts").glob("*/*/runner.json")
    return int(json.loads(record.read_text())["pid"])


def test_what_was_asked_before_the_death_is_there_after_it(own: RunningServer, tmp_path: Path) -> None:
    sagemaker: Any = own.client("sagemaker")
    names = [new_name() for _ in range(5)]
    program = register(own, tmp_path, "print()")
    for name in names:
        sagemaker.create_training_job(**training_request(name, program, OUTPUT))
    own.kill()
    own.start()
    sagemaker = own.client("sagemaker")
    assert {training_ended(sagemaker, name)["TrainingJobStatus"] for name in names} == {"Completed"}
