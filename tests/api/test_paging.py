"""Pages without loss or repetition, also while jobs arrive; tokens that belong to their query."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from jobs import new_name, refusal, refusal_of
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer


@pytest.fixture(scope="module")
def crowd(server: RunningServer) -> Callable[[int], list[str]]:
    """Training jobs in a region of their own; they fail at once, which is all the same here."""
    sagemaker = server.client("sagemaker", region_name="ap-south-1")

    def create(count: int) -> list[str]:
        names = [new_name("Paged") for _ in range(count)]
        for name in names:
            sagemaker.create_training_job(**training_request(name, "any", "s3://none/out"))
        return names

    return create


@pytest.fixture(scope="module")
def asia(server: RunningServer) -> Any:
    return server.client("sagemaker", region_name="ap-south-1")


ORDERS = [
    {},
    {"SortBy": "Name"},
    {"SortBy": "Name", "SortOrder": "Descending"},
    {"SortBy": "CreationTime", "SortOrder": "Ascending"},
    {"SortBy": "Status", "SortOrder": "Descending"},
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_pages_lose_and_repeat_nothing_while_jobs_arrive(
    asia: Any, crowd: Callable[[int], list[str]], order: dict[str, str]
) -> None:
    before = crowd(7)
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = asia.list_training_jobs(MaxResults=3, **order, **token)
        seen += [job["TrainingJobName"] for job in answer["TrainingJobSummaries"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
        if len(seen) <= 6:
            crowd(1)
    if order.get("SortBy") != "Status":  # their status changes meanwhile
        assert len(seen) == len(set(seen))
        assert set(before) <= set(seen)
    assert len(seen) >= 7


def test_ten_is_the_usual_page(asia: Any, crowd: Callable[[int], list[str]]) -> None:
    crowd(11)
    answer = asia.list_training_jobs()
    assert len(answer["TrainingJobSummaries"]) == 10
    assert len(answer["NextToken"]) < 8192


def test_a_last_page_that_is_full_has_no_token(asia: Any, crowd: Callable[[int], list[str]]) -> None:
    (name,) = crowd(1)
    answer = asia.list_training_jobs(NameContains=name, MaxResults=1)
    assert len(answer["TrainingJobSummaries"]) == 1
    assert "NextToken" not in answer


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


TOKENS = ["nonsense", "e30=", "bnVsbA==", "W10=", "WzEsMiwzXQ==", "a" * 8192, "ü", encoded("[" * 6000)]


@pytest.mark.parametrize("token", TOKENS, ids=lambda token: token[:12])
def test_a_made_up_token_is_refused(asia: Any, token: str) -> None:
    code, message = refusal(asia.list_training_jobs, NextToken=token)
    assert code == "ValidationException"
    assert "NextToken is not valid" in message


FORGED = {
    "CreationTime": [
        "1.5, 1" + "0" * 30,
        "1.5, -1" + "0" * 30,
        "1.5, true",
        "1.5, 1.5",
        "1" + "0" * 400 + ", 1",
        "Infinity, 1",
        "-Infinity, 1",
        "1e999, 1",
        "NaN, 1",
        "true, 1",
        "null, 1",
        '"a", 1',
    ],
    "Name": ['"\\u0000", 1', '"\\ud800", 1', '"a", 1' + "0" * 30, "1.5, 1"],
}


@pytest.mark.parametrize(("order", "rest"), [(order, rest) for order in FORGED for rest in FORGED[order]])
def test_a_token_that_no_database_would_take_is_refused(
    asia: Any, crowd: Callable[[int], list[str]], order: str, rest: str
) -> None:
    crowd(2)
    token = asia.list_training_jobs(MaxResults=1, SortBy=order)["NextToken"]
    mark = json.loads(base64.urlsafe_b64decode(token))[0]
    code, message = refusal(asia.list_training_jobs, SortBy=order, NextToken=encoded(f"[{json.dumps(mark)}, {rest}]"))
    assert code == "ValidationException"
    assert "NextToken is not valid" in message


def test_a_token_belongs_to_its_query(asia: Any, server: RunningServer, crowd: Callable[[int], list[str]]) -> None:
    crowd(2)
    token = asia.list_training_jobs(MaxResults=1)["NextToken"]
    asia.list_training_jobs(MaxResults=2, NextToken=token)  # another size is the same query
    for change in ({"SortBy": "Name"}, {"StatusEquals": "Failed"}, {"NameContains": "a"}):
        code, _ = refusal(asia.list_training_jobs, NextToken=token, **change)
        assert code == "ValidationException"
    code, _ = refusal(server.client("sagemaker", region_name="us-west-2").list_training_jobs, NextToken=token)
    assert code == "ValidationException"
    code, _ = refusal(asia.list_hyper_parameter_tuning_jobs, NextToken=token)
    assert code == "ValidationException"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"MaxResults": 0}, "greater than or equal to 1"),
        ({"MaxResults": 101}, "less than or equal to 100"),
        ({"NameContains": "a" * 64}, "less than or equal to 63"),
        ({"NameContains": "%"}, "regular expression pattern"),
        ({"SortBy": "Mood"}, "enum value set"),
        ({"StatusEquals": "Sleeping"}, "enum value set"),
    ],
)
def test_a_wrong_query_is_refused(asia: Any, query: dict[str, Any], expected: str) -> None:
    code, message = refusal_of(asia, "ListTrainingJobs", query)
    assert code == "ValidationException" and expected in message


def test_searches_page_too(asia: Any) -> None:
    names = [new_name("Search") for _ in range(5)]
    for name in names:
        asia.create_hyper_parameter_tuning_job(**tuning_request(name, "any", "s3://none/out", jobs=1, at_once=1))
    for query in ({}, {"SortBy": "CreationTime"}, {"SortOrder": "Descending"}):
        pages = asia.get_paginator("list_hyper_parameter_tuning_jobs").paginate(
            PaginationConfig={"PageSize": 2}, NameContains="search-", **query
        )
        found = [
            job["HyperParameterTuningJobName"] for page in pages for job in page["HyperParameterTuningJobSummaries"]
        ]
        assert sorted(found) == sorted(names)
