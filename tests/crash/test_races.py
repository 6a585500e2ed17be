"""What many clients do at once: quotas hold, counters add up, nothing goes back, pages lose and repeat nothing."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest
from botocore.exceptions import ClientError

from histories.job_clients import OUTPUT
from histories.recording import CONFIG, Client, Door, together
from jobs import new_name, pegbox
from pegbox.testing.requests import training_request, tuning_request
from postgres import Cluster
from running import RunningServer, wait_for

TERMINAL = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Seen:
    """An answer, and when it was asked for and given."""

    began: float
    ended: float
    answer: dict[str, Any]


def looked(look: Callable[..., dict[str, Any]], **request: Any) -> Seen:
    began = time.monotonic()
    answer = look(**request)
    return Seen(began, time.monotonic(), answer)


def in_turn(seen: list[Seen]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Every two answers of which one was given before the other was asked for."""
    ordered = sorted(seen, key=lambda each: each.ended)
    return [(one.answer, two.answer) for one, two in combinations(ordered, 2) if one.ended < two.began]


def test_exactly_as_many_tuning_jobs_are_accepted_as_the_quota_says(
    start_server: Callable[..., RunningServer], postgres: Cluster
) -> None:
    """On PostgreSQL, where writers do not wait for each other."""
    database = postgres.database(f"quota_{uuid.uuid4().hex[:8]}")
    server = start_server(environment={"PEGBOX_DATABASE_URL": database, "PEGBOX_SLOTS": "1"})
    pegbox(server, "image", "add", "longer-than-this-test", "--command", "sleep 30")
    sagemaker = server.client("sagemaker", config=CONFIG)

    def create(number: int) -> str:
        request = tuning_request(f"job-{number}", "longer-than-this-test", OUTPUT, jobs=1, at_once=1)
        try:
            sagemaker.create_hyper_parameter_tuning_job(**request)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "accepted"

    with ThreadPoolExecutor(8) as people:
        told = list(people.map(create, range(112)))
    server.kill()
    assert Counter(told) == {"accepted": 100, "ResourceLimitExceeded": 12}


def test_the_counters_of_a_search_add_up_and_never_go_back(doors: list[Door]) -> None:
    request = tuning_request(new_name("counted"), "quick", OUTPUT, jobs=8, at_once=3)
    name = request["HyperParameterTuningJobName"]
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"][0]["Regex"] = r"(\S+)"
    doors[0].client("sagemaker").create_hyper_parameter_tuning_job(**request)
    described: list[Seen] = []

    def watch(client: Client) -> None:
        sagemaker = doors[client.number % 2].client("sagemaker")
        for _ in range(4000):
            seen = looked(sagemaker.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)
            described.append(seen)
            (summary,) = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)[
                "HyperParameterTuningJobSummaries"
            ]
            check_counters(summary)
            if seen.answer["HyperParameterTuningJobStatus"] in TERMINAL:
                return
        raise TimeoutError(name)

    together(4, name, watch)
    for seen in described:
        check_counters(seen.answer)
    for before, after in in_turn(described):
        first, second = before["TrainingJobStatusCounters"], after["TrainingJobStatusCounters"]
        assert sum(first.values()) <= sum(second.values()) <= 8
        assert all(first[name] <= second[name] for name in first if name != "InProgress")
        assert before["LastModifiedTime"] <= after["LastModifiedTime"]
        if before["HyperParameterTuningJobStatus"] in TERMINAL:
            assert {**before, "ResponseMetadata": None} == {**after, "ResponseMetadata": None}
        assert ("BestTrainingJob" in after) or ("BestTrainingJob" not in before)


def check_counters(answer: dict[str, Any]) -> None:
    """What must be true of every single answer."""
    statuses, objectives = answer["TrainingJobStatusCounters"], answer["ObjectiveStatusCounters"]
    assert sum(statuses.values()) == sum(objectives.values()) <= 8
    assert statuses["InProgress"] == objectives["Pending"] <= 3
    if answer["HyperParameterTuningJobStatus"] in TERMINAL:
        assert (statuses["InProgress"], sum(statuses.values())) == (0, 8)


def test_the_steps_of_a_job_are_only_added_to(doors: list[Door]) -> None:
    names = [new_name("steps") for _ in range(4)]
    for name, image in zip(names, ("quick", "slow", "slow", "unknown"), strict=True):
        doors[0].client("sagemaker").create_training_job(**training_request(name, image, OUTPUT))
    described: dict[str, list[Seen]] = {name: [] for name in names}

    def watch(client: Client) -> None:
        sagemaker = doors[client.number % 2].client("sagemaker")
        left = list(names)
        while left:
            name = client.luck.choice(left)
            seen = looked(sagemaker.describe_training_job, TrainingJobName=name)
            described[name].append(seen)
            if seen.answer["TrainingJobStatus"] in TERMINAL:
                left.remove(name)
            elif client.luck.random() < 0.02:
                with suppress(ClientError):  # somebody else has stopped it, or it has ended
                    sagemaker.stop_training_job(TrainingJobName=name)

    together(4, "/".join(names), watch)
    for seen in described.values():
        for before, after in in_turn(seen):
            first, second = (
                [(step["Status"], step["StartTime"]) for step in answer["SecondaryStatusTransitions"]]
                for answer in (before, after)
            )
            assert second[: len(first)] == first
            assert second[-1][0] == after["SecondaryStatus"]


def test_pages_lose_and_repeat_nothing_while_clients_create(doors: list[Door]) -> None:
    region = new_name("pages")
    clients = [door.server.client("sagemaker", region_name=region, config=CONFIG) for door in doors]
    created: list[tuple[float, str]] = []
    writing = threading.Event()
    writing.set()

    def write(client: Client) -> None:
        for _ in range(12):
            name = new_name()
            clients[client.number % 2].create_training_job(**training_request(name, "unknown", OUTPUT))
            created.append((time.monotonic(), name))

    def page(client: Client) -> None:
        once_more = True
        while once_more:
            once_more = writing.is_set()
            began = time.monotonic()
            pages = (
                clients[client.number % 2]
                .get_paginator("list_training_jobs")
                .paginate(
                    SortBy=client.luck.choice(["Name", "CreationTime"]),
                    SortOrder=client.luck.choice(["Ascending", "Descending"]),
                    MaxResults=5,
                )
            )
            found = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]
            assert len(found) == len(set(found))
            assert {name for done, name in created if done < began} <= set(found)

    with ThreadPoolExecutor(1) as pager:
        paged = pager.submit(together, 2, region, page)
        together(3, region, write)
        writing.clear()
        paged.result()
    assert len(created) == 36


@pytest.mark.parametrize("doors", ["postgresql"], indirect=True)
def test_a_removed_key_is_refused_by_every_server_and_stays_refused(doors: list[Door]) -> None:
    printed = pegbox(doors[0].server, "keys", "add")
    identity, secret = (line.partition("=")[2] for line in printed.split("\n")[:2])
    clients = [door.server.client("sts", aws_access_key_id=identity, aws_secret_access_key=secret) for door in doors]
    for sts in clients:  # at once, on both
        sts.get_caller_identity()
    pegbox(doors[0].server, "keys", "remove", identity)

    def refused(sts: Any) -> bool:
        try:
            sts.get_caller_identity()
        except ClientError:
            return True
        return False

    for sts in clients:
        wait_for("a refusal", lambda sts=sts: refused(sts), seconds=10)
    assert [refused(sts) for sts in clients for _ in range(10)] == [True] * 20
