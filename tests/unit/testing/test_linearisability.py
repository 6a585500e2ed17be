"""The checker finds what is wrong with a history, and nothing where nothing is."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from histories.bucket_model import Bucket, BucketModel, multipart_etag
from histories.job_model import TRAINING, TUNING, JobModel
from pegbox.testing.linearisability import UNANSWERED, Call, Model, check

OPEN = BucketModel(Bucket(there=True))
READS = ("get", "head", "list", "list parts", "describe", "head bucket")


def call(operation: str, began: float, ended: float, answer: Any, **arguments: Any) -> Call:
    return Call(
        client=0,
        operation=operation,
        arguments=arguments,
        answer=answer,
        began=began,
        ended=ended,
        reads=operation in READS,
    )


def put(key: str, etag: str, began: float, ended: float, answer: Any = "put", **conditions: Any) -> Call:
    return call("put", began, ended, answer, key=key, etag=etag, **conditions)


def get(key: str, began: float, ended: float, answer: str) -> Call:
    return call("get", began, ended, answer, key=key)


def job(operation: str, began: float, ended: float, answer: Any, name: str = "a") -> Call:
    return call(operation, began, ended, answer, **({} if operation == "list" else {"name": name}))


A, B = "a" * 32, "b" * 32
ONE = multipart_etag([A])

#: histories of a bucket that is there
BAD_OBJECTS = {
    "lost update": [
        put("k", "0", 0, 1),
        put("k", "1", 2, 5, if_match="0"),
        put("k", "2", 2, 5, if_match="0"),
    ],
    "stale read after a completed write": [put("k", "1", 0, 1), put("k", "2", 2, 3), get("k", 4, 5, "1")],
    "missing after a completed write": [put("k", "1", 0, 1), get("k", 2, 3, "NoSuchKey")],
    "both created": [put("k", "1", 0, 9, if_none_match="*"), put("k", "2", 0, 9, if_none_match="*")],
    "neither created": [
        put("k", "1", 0, 9, "PreconditionFailed", if_none_match="*"),
        put("k", "2", 0, 9, "PreconditionFailed", if_none_match="*"),
    ],
    "resurrection after delete": [
        put("k", "1", 0, 1),
        call("delete", 2, 3, "deleted", key="k"),
        get("k", 4, 5, "1"),
    ],
    "a read that goes back": [
        put("k", "1", 0, 1),
        put("k", "2", 2, 9),
        get("k", 3, 4, "2"),
        get("k", 5, 6, "1"),
    ],
    "readers that disagree": [
        put("k", "1", 0, 9),
        put("k", "2", 0, 9),
        get("k", 10, 11, "1"),
        get("k", 10, 11, "2"),
    ],
    "a value that nobody wrote": [put("k", "1", 0, 1), get("k", 0, 1, "2")],
    "a list without a written object": [put("k", "1", 0, 1), call("list", 2, 3, ())],
    "a list that is no moment": [
        put("k", "1", 0, 1),
        put("l", "1", 2, 3),
        put("k", "2", 4, 5),
        put("l", "2", 6, 7),
        call("list", 2, 8, (("k", "1"), ("l", "2"))),
    ],
    "a full bucket removed": [put("k", "1", 0, 1), call("delete bucket", 2, 3, "deleted")],
    "a copy of what was not there yet": [
        put("k", "1", 0, 1),
        call("copy from", 2, 3, "2", copy="c", key="k"),
        call("copy to", 2, 3, "2", copy="c", key="l"),
        put("k", "2", 4, 5),
    ],
    "a copy that nobody sees": [
        put("k", "1", 0, 1),
        call("copy from", 2, 3, "1", copy="c", key="k"),
        call("copy to", 2, 3, "1", copy="c", key="l"),
        get("l", 4, 5, "NoSuchKey"),
    ],
    "completed and aborted": [
        call("create upload", 0, 1, "created", upload="u", key="k"),
        call("upload part", 2, 3, "uploaded", upload="u", key="k", number=1, etag=A),
        call("complete", 4, 9, ONE, upload="u", key="k", parts=((1, A),)),
        call("abort", 4, 9, "aborted", upload="u", key="k"),
    ],
    "completed with a part that was replaced": [
        call("create upload", 0, 1, "created", upload="u", key="k"),
        call("upload part", 2, 3, "uploaded", upload="u", key="k", number=1, etag=A),
        call("upload part", 4, 5, "uploaded", upload="u", key="k", number=1, etag=B),
        call("complete", 6, 7, ONE, upload="u", key="k", parts=((1, A),)),
    ],
    "a part that an abort did not take": [
        call("create upload", 0, 1, "created", upload="u", key="k"),
        call("abort", 2, 3, "aborted", upload="u", key="k"),
        call("upload part", 4, 5, "uploaded", upload="u", key="k", number=1, etag=A),
    ],
    "an unanswered write that is seen, then not": [
        put("k", "1", 0, 1),
        put("k", "2", 2, 20, UNANSWERED),
        get("k", 3, 4, "2"),
        get("k", 5, 6, "1"),
    ],
    "an unanswered write that happens after its time": [
        put("k", "1", 0, 1),
        put("k", "2", 2, 3, UNANSWERED),
        get("k", 4, 5, "1"),
        get("k", 6, 7, "2"),
    ],
}

GOOD_OBJECTS = {
    "nothing": [],
    "a read beside a write sees either": [
        put("k", "1", 0, 1),
        put("k", "2", 2, 9),
        get("k", 3, 4, "1"),
        get("k", 5, 6, "2"),
    ],
    "one of two wins": [
        put("k", "1", 0, 9, if_none_match="*"),
        put("k", "2", 0, 9, "PreconditionFailed", if_none_match="*"),
        get("k", 10, 11, "1"),
    ],
    "an unanswered write that happened": [put("k", "1", 0, 1), put("k", "2", 2, 9, UNANSWERED), get("k", 3, 4, "2")],
    "an unanswered write that did not": [put("k", "1", 0, 1), put("k", "2", 2, 9, UNANSWERED), get("k", 12, 13, "1")],
    "an unanswered write that happens late": [
        put("k", "2", 0, float("inf"), UNANSWERED),
        get("k", 1, 2, "NoSuchKey"),
        get("k", 3, 4, "2"),
    ],
    "a copy beside a write of its source": [
        put("k", "1", 0, 1),
        call("copy from", 2, 9, "1", copy="c", key="k"),
        call("copy to", 2, 9, "1", copy="c", key="l"),
        put("k", "2", 3, 4),
        get("l", 5, 6, "NoSuchKey"),
        get("l", 10, 11, "1"),
    ],
    "the same Complete twice": [
        call("create upload", 0, 1, "created", upload="u", key="k"),
        call("upload part", 2, 3, "uploaded", upload="u", key="k", number=1, etag=A),
        call("complete", 4, 9, ONE, upload="u", key="k", parts=((1, A),)),
        call("complete", 4, 9, ONE, upload="u", key="k", parts=((1, A),)),
    ],
}

BAD_JOBS = {
    "both created": [job("create", 0, 9, "created"), job("create", 0, 9, "created", "A")],
    "neither created": [job("create", 0, 9, "in use"), job("create", 0, 9, "in use", "A")],
    "missing after create": [job("create", 0, 1, "created"), job("describe", 2, 3, "missing")],
    "there before create": [job("describe", 0, 1, ("a", "InProgress")), job("create", 2, 3, "created")],
    "back from the end": [
        job("create", 0, 1, "created"),
        job("describe", 2, 3, ("a", "Completed")),
        job("describe", 4, 5, ("a", "InProgress")),
    ],
    "another end": [
        job("create", 0, 1, "created"),
        job("describe", 2, 3, ("a", "Completed")),
        job("list", 4, 5, (("a", "Failed"),)),
    ],
    "a stop that is forgotten": [
        job("create", 0, 1, "created"),
        job("stop", 2, 3, "stopping"),
        job("describe", 4, 5, ("a", "InProgress")),
    ],
    "a stop after the end": [
        job("create", 0, 1, "created"),
        job("describe", 2, 3, ("a", "Failed")),
        job("stop", 4, 5, "stopping"),
    ],
    "stopped and completed": [
        job("create", 0, 1, "created"),
        job("stop", 2, 3, "stopping"),
        job("describe", 4, 5, ("a", "Completed")),
    ],
    "stopped by nobody": [job("create", 0, 1, "created"), job("describe", 2, 3, ("a", "Stopped"))],
    "a stop of what is not there yet": [job("stop", 0, 1, "stopping"), job("create", 2, 3, "created")],
    "listed twice": [job("create", 0, 1, "created"), job("list", 2, 3, (("a", "InProgress"),) * 2)],
    "not listed": [job("create", 0, 1, "created"), job("list", 2, 3, ())],
    "another's name": [
        job("create", 0, 1, "created", "A"),
        job("create", 2, 3, "in use", "a"),
        job("describe", 4, 5, ("a", "InProgress"), "a"),
    ],
    "a list that is no moment": [
        job("create", 0, 1, "created"),
        job("create", 2, 3, "created", "b"),
        job("stop", 4, 5, "stopping", "a"),
        job("stop", 6, 7, "stopping", "b"),
        job("list", 2, 8, (("a", "InProgress"), ("b", "Stopping"))),
    ],
}

GOOD_JOBS = {
    "the other case is the same": [
        job("create", 0, 1, "created", "A"),
        job("create", 2, 3, "in use", "a"),
        job("describe", 4, 5, ("A", "InProgress"), "a"),
    ],
    "it ends by itself": [
        job("create", 0, 1, "created"),
        job("stop", 2, 3, ("refused", "Completed")),
        job("list", 4, 5, (("a", "Completed"),)),
    ],
    "a stop beside the end": [
        job("create", 0, 1, "created"),
        job("stop", 2, 9, "stopping"),
        job("describe", 3, 4, ("a", "InProgress")),
        job("describe", 10, 11, ("a", "Stopped")),
    ],
    "an unanswered create": [
        job("create", 0, 5, UNANSWERED),
        job("describe", 1, 2, "missing"),
        job("describe", 6, 7, ("a", "Failed")),
    ],
    "an unanswered stop": [
        job("create", 0, 1, "created"),
        job("stop", 2, 5, UNANSWERED),
        job("describe", 3, 4, ("a", "InProgress")),
        job("describe", 6, 7, ("a", "Stopped")),
    ],
}

TRAINING_JOBS, TUNING_JOBS = JobModel(TRAINING, False), JobModel(TUNING, True)


def cases(model: Model[Any], histories: dict[str, list[Call]]) -> list[Any]:
    return [pytest.param(model, history, id=name) for name, history in histories.items()]


@pytest.mark.parametrize(
    ("model", "history"),
    [*cases(OPEN, BAD_OBJECTS), *cases(TRAINING_JOBS, BAD_JOBS), *cases(TUNING_JOBS, BAD_JOBS)],
)
def test_what_no_order_explains_is_found(model: Model[Any], history: list[Call]) -> None:
    found = check(model, history)
    assert found is not None
    assert found.call in history
    assert "no order of the calls explains" in str(found)


@pytest.mark.parametrize(
    ("model", "history"),
    [*cases(OPEN, GOOD_OBJECTS), *cases(TRAINING_JOBS, GOOD_JOBS), *cases(TUNING_JOBS, GOOD_JOBS)],
)
def test_what_an_order_explains_is_accepted(model: Model[Any], history: list[Call]) -> None:
    assert check(model, history) is None


def test_only_a_tuning_job_may_be_stopped_again() -> None:
    again = [job("create", 0, 1, "created"), job("stop", 2, 3, "stopping"), job("stop", 4, 5, "stopping")]
    refused = [*again[:2], job("stop", 4, 5, ("refused", "Stopping"))]
    assert [check(model, again) is None for model in (TRAINING_JOBS, TUNING_JOBS)] == [False, True]
    assert [check(model, refused) is None for model in (TRAINING_JOBS, TUNING_JOBS)] == [True, False]


def by_definition(history: list[Call]) -> bool:
    """Whether any order of the calls keeps to time and to the model: all of them are tried."""
    for order in itertools.permutations(history):
        late = [one.ended < two.began for two, one in itertools.combinations(order, 2)]
        states = {OPEN.initial}
        for each in order:
            states = {after for state in states for after in OPEN.step(state, each)}
        if states and not any(late):
            return True
    return False


@settings(max_examples=200, deadline=None, derandomize=True)
@given(some.integers(min_value=0))
def test_it_says_what_the_definition_says(seed: int) -> None:
    luck = random.Random(seed)
    history = []
    for number in range(luck.randint(1, 6)):
        began = luck.uniform(0, 3)
        times = began, began + luck.uniform(0, 2)
        written = luck.choice("12")
        history.append(
            luck.choice(
                [
                    put("k", written, *times),
                    put("k", str(number), *times, if_match=written),
                    put("k", written, *times, "PreconditionFailed", if_none_match="*"),
                    get("k", *times, luck.choice(["1", "2", str(number), "NoSuchKey"])),
                    call("delete", *times, "deleted", key="k"),
                ]
            )
        )
    assert (check(OPEN, history) is None) == by_definition(history)
