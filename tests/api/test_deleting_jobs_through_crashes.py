"""DeleteTrainingJob with several servers, through crashes and restarts, and in backups."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from command_line import run
from jobs import children, component_of, found, new_name, pegbox, refusal, register, training_ended, tuning_ended
from pegbox.testing.crash_drive import Switch
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, wait_for

PROGRAM = "for value in (3, 1, 2): print(f'loss={value};')"
TUNED = """import os; print(f"loss={os.environ['SM_HP_X']};")"""


def test_a_server_deletes_what_another_has_run(
    database: Callable[[], dict[str, str]], start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    environment = database()
    one = start_server(environment=environment)
    one.client("s3").create_bucket(Bucket="jobs")
    name = new_name("shared")
    sagemaker = one.client("sagemaker")
    sagemaker.create_training_job(**training_request(name, register(one, tmp_path, PROGRAM), "s3://jobs/shared"))
    training_ended(sagemaker, name)
    two = start_server(environment=environment)
    two.client("sagemaker").delete_training_job(TrainingJobName=name)
    assert refusal(sagemaker.describe_training_job, TrainingJobName=name)[0] == "ValidationException"
    group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
    (stream,) = one.client("logs").describe_log_streams(**group, logStreamNamePrefix=f"{name}/")["logStreams"]
    assert stream["logStreamName"].startswith(f"{name}/algo-1-")
    for server in (one, two):
        assert pegbox(server, "doctor") == "Nothing is wrong.\n"


def test_of_many_who_delete_a_job_one_does(
    database: Callable[[], dict[str, str]], start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    environment = database()
    servers = [start_server(environment=environment) for _ in range(2)]
    clients = [server.client("sagemaker") for server in servers for _ in range(3)]
    clients[0].list_trial_components()  # from now on they are made of jobs by others, too
    servers[0].client("s3").create_bucket(Bucket="jobs")
    program, names = register(servers[0], tmp_path, PROGRAM), [new_name("wanted") for _ in range(4)]
    for name in names:
        clients[0].create_training_job(**training_request(name, program, "s3://jobs/wanted"))
    arns = [training_ended(clients[0], name)["TrainingJobArn"] for name in names]
    together = threading.Barrier(len(clients), timeout=40)

    def delete(client: Any) -> list[str]:
        answers = []
        for name, arn in zip(names, arns, strict=True):
            together.wait()
            with suppress(ClientError):
                client.add_tags(ResourceArn=arn, Tags=[{"Key": "late", "Value": "1"}])
            try:
                client.delete_training_job(TrainingJobName=name)
                answers.append("deleted")
            except ClientError as error:
                answers.append(error.response["Error"]["Code"])
            found(client, "TrainingJob", "TrainingJobName", name)
        return answers

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(delete, clients))
    for each in zip(*answers, strict=True):
        assert sorted(each) == ["ResourceNotFound"] * (len(clients) - 1) + ["deleted"]
    for name in names:
        assert clients[0].describe_trial_component(TrialComponentName=component_of(name))["Source"]
        assert not found(clients[0], "TrainingJob", "TrainingJobName", name)
    for server in servers:
        assert pegbox(server, "doctor") == "Nothing is wrong.\n"
        assert "level=error" not in server.log.read_text()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_leaves_it_whole_or_not_at_all(
    database: Callable[[], dict[str, str]], start_server: Callable[..., RunningServer], tmp_path: Path, when: str
) -> None:
    switch = Switch(tmp_path / "points")
    server = start_server(environment={**database(), **switch.environment})
    server.client("s3").create_bucket(Bucket="jobs")
    sagemaker, name = server.client("sagemaker"), new_name("crash")
    sagemaker.create_training_job(**training_request(name, register(server, tmp_path, PROGRAM), "s3://jobs/crash"))
    training_ended(sagemaker, name)
    assert found(sagemaker, "TrainingJob", "TrainingJobName", name)
    switch.place(f"{when} database commit in delete_training_job")
    with pytest.raises(BotoCoreError):
        sagemaker.delete_training_job(TrainingJobName=name)
    assert switch.taken_file.exists()
    server.process.wait()
    server.start()
    sagemaker = server.client("sagemaker")
    assert len(found(sagemaker, "TrainingJob", "TrainingJobName", name)) == (when == "before")
    if when == "before":
        assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Completed"
        sagemaker.delete_training_job(TrainingJobName=name)
    assert refusal(sagemaker.delete_training_job, TrainingJobName=name)[0] == "ResourceNotFound"
    assert sagemaker.describe_trial_component(TrialComponentName=component_of(name))["Source"]
    assert pegbox(server, "doctor") == "Nothing is wrong.\n"


def test_a_backup_has_what_is_left_of_it(
    database: Callable[[], dict[str, str]], start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server(environment=database())
    server.client("s3").create_bucket(Bucket="jobs")
    sagemaker, name = server.client("sagemaker"), new_name("saved")
    sagemaker.create_training_job(**training_request(name, register(server, tmp_path, PROGRAM), "s3://jobs/saved"))
    training_ended(sagemaker, name)
    sagemaker.delete_training_job(TrainingJobName=name)
    pegbox(server, "backup", str(tmp_path / "backup"))
    url = database()["PEGBOX_DATABASE_URL"]
    home = tmp_path / "restored"
    assert run("restore", tmp_path / "backup", "--home", home, "--database-url", url).code == 0
    copy = RunningServer(home)
    try:
        group = {"logGroupName": "/aws/sagemaker/TrainingJobs"}
        (stream,) = copy.client("logs").describe_log_streams(**group)["logStreams"]
        events = copy.client("logs").get_log_events(**group, logStreamName=stream["logStreamName"])["events"]
        assert [event["message"] for event in events] == ["loss=3;", "loss=1;", "loss=2;"]
        assert copy.client("sagemaker").describe_trial_component(TrialComponentName=component_of(name))["Source"]
        assert pegbox(copy, "doctor") == "Nothing is wrong.\n"
    finally:
        copy.kill()


def test_a_tuning_job_goes_on_without_a_job_that_was_deleted(
    database: Callable[[], dict[str, str]], start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server(environment=database())
    server.client("s3").create_bucket(Bucket="jobs")
    sagemaker, name = server.client("sagemaker"), new_name("goes-on")
    request = tuning_request(name, register(server, tmp_path, TUNED), f"s3://jobs/{name}", jobs=8, at_once=1)
    sagemaker.create_hyper_parameter_tuning_job(**request)

    def ended() -> list[str]:
        return [job["TrainingJobName"] for job in children(sagemaker, name, StatusEquals="Completed")]

    first = wait_for("a training job", ended)[0]
    sagemaker.delete_training_job(TrainingJobName=first)
    server.kill()  # the next one reads anew what there is
    server.start()
    fresh = server.client("sagemaker")
    final = tuning_ended(fresh, name)
    assert final["TrainingJobStatusCounters"]["Completed"] == 8
    names = [job["TrainingJobName"] for job in children(fresh, name)]
    assert (len(names), first in names) == (7, False)
    assert len({each.rsplit("-", 2)[1] for each in [first, *names]}) == 8  # no number twice
