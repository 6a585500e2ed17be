"""Columns in memory follow what is written, and tell the same as the indexes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pegbox.maintenance import transfer
from pegbox.maintenance.progress import Progress
from pegbox.maintenance.transfer import Place
from pegbox.operations import search
from pegbox.operations.indexing import catch_up
from pegbox.operations.tags import add_tags
from pegbox.store import column_source, columns, index, planner
from pegbox.store.base import Unavailable
from pegbox.store.column import Column, read
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in

ACCOUNT = "123456789012"
ALWAYS, NEVER = 1 << 60, 0


@pytest.fixture(scope="module")
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


@pytest.fixture
def place(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(planner, "FEW", 1)
    monkeypatch.setattr(planner, "PIECE", 1)
    monkeypatch.setattr(columns, "_of_engines", type(columns._of_engines)())  # as in a process that was just started
    return Place(store, ACCOUNT, f"region-{uuid.uuid4().hex[:8]}")


def answer(patched: pytest.MonkeyPatch, when: int) -> None:
    """Have columns answer what they can, or nothing."""
    patched.setattr(columns, "COMPUTED", when)
    patched.setattr(columns, "READ", when)


def load(place: Place, first: int, last: int) -> None:
    jobs = (
        {
            "TrainingJobName": f"job-{number}",
            "TrainingJobStatus": "Completed",
            "HyperParameters": {"eta": str(number), "kind": f"k{number % 3}"},
            "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
            "ModelArtifacts": {"S3ModelArtifacts": "s3://models/model.tar.gz"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "CreationTime": 1_700_000_000.0 + number // 4,
            "FinalMetricDataList": [
                {"MetricName": name, "Value": value, "Timestamp": 1.7e9}
                for name, value in (("auc", number % 7 / 7), ("half", float(number % 2)))
            ],
            "Tags": [{"Key": "half", "Value": "lower" if number % 2 == 0 else "upper"}],
        }
        for number in range(first, last)
    )
    transfer.load(place, "jobs", (json.dumps(each).encode() for each in jobs), Progress(print))


def condition(name: str, operator: str, value: str) -> dict[str, str]:
    return {"Name": name, "Operator": operator, "Value": value}


RARE = [
    [condition("Tags.half", "Equals", "lower"), condition("Metrics.half", "Equals", "1")],
    [condition("Tags.half", "Equals", "lower"), condition("HyperParameters.kind", "NotEquals", "k1")],
    [condition("Tags.half", "In", "upper,other"), condition("HyperParameters.eta", "LessThan", "30")],
    [condition("TrainingJobName", "Contains", "JOB-1"), condition("Metrics.auc", "GreaterThan", "0.5")],
]
ORDERS = [
    {},
    {"SortBy": "Metrics.auc", "SortOrder": "Ascending"},
    {"SortBy": "Metrics.auc"},
    {"SortBy": "Tags.stage"},
    {"SortBy": "HyperParameters.kind", "SortOrder": "Ascending"},
    {"SortBy": "CreationTime"},
]


def answers(place: Place) -> list[Any]:
    """Two pages of every search."""
    call, found = call_in(place.store, ACCOUNT, place.region), []
    for filters in RARE:
        for order in ORDERS:
            wanted = {"Resource": "TrainingJob", "SearchExpression": {"Filters": filters}, "MaxResults": 3, **order}
            page = search.search(wanted, call)  # type: ignore[arg-type]
            found.append([each["TrainingJob"]["TrainingJobName"] for each in page["Results"]])
            if "NextToken" in page:
                later = search.search({**wanted, "NextToken": page["NextToken"]}, call)  # type: ignore[typeddict-item]
                found.append([each["TrainingJob"]["TrainingJobName"] for each in later["Results"]])
    return found


def compare(place: Place, monkeypatch: pytest.MonkeyPatch) -> int:
    """Compare both ways; returns how many searches columns have answered."""
    asked: list[bool] = []
    find = columns.Columns.find

    def noted(self: columns.Columns, *given: Any) -> Any:
        found = find(self, *given)
        asked.append(found is not None)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(columns.Columns, "find", noted)
        answer(patched, ALWAYS)
        by_columns = answers(place)
    with monkeypatch.context() as patched:
        answer(patched, NEVER)
        assert answers(place) == by_columns
    return sum(asked)


def test_they_follow_what_is_written(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    load(place, 0, 60)
    assert compare(place, monkeypatch) > len(RARE)
    call = call_in(place.store, ACCOUNT, place.region)
    arn = f"arn:aws:sagemaker:{place.region}:{ACCOUNT}:training-job/job-"
    for number, tag in ((3, "half=lower"), (4, "half=upper"), (8, "stage=b"), (9, "stage=a")):
        key, _, value = tag.partition("=")
        add_tags({"ResourceArn": f"{arn}{number}", "Tags": [{"Key": key, "Value": value}]}, call)
    assert compare(place, monkeypatch) > len(RARE)
    with place.store.transaction() as tx:
        tx.delete(tx.get(place.account, place.region, Kind.TRAINING_JOB, "job-10").id)
    load(place, 60, 75)
    assert compare(place, monkeypatch) > len(RARE)
    with place.store.transaction() as tx:
        index.drop(tx.connection)
    assert catch_up(place.store, Kind.TRAINING_JOB, 60)
    assert compare(place, monkeypatch) > len(RARE)


def test_they_read_all_anew_after_too_many_changes(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MOST_CHANGED", 2)
    monkeypatch.setattr("pegbox.store.column.MOST_TEXTS", 3)
    load(place, 0, 40)
    compare(place, monkeypatch)
    load(place, 40, 50)
    assert compare(place, monkeypatch)


def test_they_take_no_more_memory_than_they_may(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    load(place, 0, 40)
    monkeypatch.setattr(planner, "CELL", 0)
    monkeypatch.setattr(columns, "MEMORY", 2000)
    assert compare(place, monkeypatch)
    (known,) = columns._of_engines.values()
    assert sum(table.size() for table in known._tables.values()) <= 2000


def test_what_a_later_transaction_has_seen_is_not_shown_to_an_earlier_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(place, 0, 40)
    answer(monkeypatch, ALWAYS)
    before = answers(place)
    with place.store.reading() as earlier:
        earlier.has_unindexed(Kind.TRAINING_JOB)  # its moment is now
        load(place, 40, 60)
        assert answers(place) != before
        (known,) = columns._of_engines.values()
        most = earlier.connection.exec_driver_sql("SELECT max(seq) FROM property_change").scalar()
        assert all(table.seen > (most or 0) for table in known._tables.values())
        assert (
            known.find(
                column_source.Source(lambda text, given: [(0, most or 0)]),
                columns.Wanted(
                    scope=(ACCOUNT, place.region, Kind.TRAINING_JOB),
                    anchor=1,
                    sort=None,
                    names={},
                    node=planner.EVERYTHING,
                    parts=("none",),
                    descending=True,
                    after=None,
                    limit=1,
                ),
            )
            is None
        )


def test_columns_that_were_followed_halfway_are_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pegbox.store.column.MOST_TEXTS", 45)
    load(place, 0, 40)
    assert compare(place, monkeypatch)
    load(place, 40, 50)  # more texts than a column may have: everything is read anew

    def silent(*_: Any) -> Any:
        raise Unavailable("the database does not answer")

    with monkeypatch.context() as patched:
        answer(patched, ALWAYS)
        for kind in (column_source._Sqlite, column_source._Postgresql):
            patched.setattr(kind, "numbers", silent)
        with pytest.raises(Unavailable):
            answers(place)
    assert compare(place, monkeypatch)


class Given(column_source.Source):
    """Some texts, of resources from 0 on, and one more that has none."""

    def __init__(self, *texts: str) -> None:
        super().__init__(lambda text, given: [])
        self._texts = texts

    def numbers(self, name: int) -> tuple[Any, Any]:
        return np.zeros(0, np.int64), np.zeros(0)

    def texts(self, name: int) -> tuple[Any, Any, list[str]]:
        different = sorted(set(self._texts))
        return np.arange(len(self._texts)), np.array([different.index(text) for text in self._texts]), different

    def column(self) -> Column:
        return read(self, np.arange(len(self._texts) + 1), 1)


def test_long_texts_count_as_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pegbox.store.column.MOST_TEXTS", 3)
    column = Given(*(f"{number:0250}" for number in range(1000))).column()
    assert column.size() > 1000 * 250
    before = column.size()
    assert column.containing("0999").sum() == 1
    assert column.size() > before + 1000 * 250


@pytest.mark.parametrize("most", [1, 100])
def test_texts_inside_texts(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pegbox.store.column.MOST_TEXTS", most)
    texts = ["", "a", "ab", "Abab", "b", "bA", "ab", "ÄB", "aab"]
    column = Given(*texts).column()
    for sought in ("a", "ab", "abab", "ba", "c", "ä", "Ä", "aba", "ababa", "x" * 99):
        assert column.containing(sought).tolist() == [
            *(sought.encode() in text.encode().lower() for text in texts),
            False,
        ]


def test_they_are_read_when_looks_have_cost_as_much(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    load(place, 0, 60)
    monkeypatch.setattr(columns, "READ", 1)
    monkeypatch.setattr(columns, "COMPUTED", 60)
    wanted = columns.Wanted(
        scope=(ACCOUNT, place.region, Kind.TRAINING_JOB),
        anchor=1,
        sort=None,
        names={"a": 2, "b": 3},
        node=planner.EVERYTHING,
        parts=("none",),
        descending=True,
        after=None,
        limit=1,
    )
    known = columns.Columns()
    assert not known.worth(wanted, 3, 60)  # less than to compute with them
    assert [known.worth(wanted, 70, 60) for _ in range(3)] == [False, False, True]
    assert known.worth(wanted._replace(names={"a": 2}), 4, 60)
    assert not known.worth(wanted._replace(names={"c": 4}), 4, 60)
