"""How the planner has databases go about a search."""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from pegbox.domain.query import Between, Has
from pegbox.maintenance import transfer
from pegbox.maintenance.progress import Progress
from pegbox.operations import search as operation
from pegbox.store import columns, planner
from pegbox.store.filters import Numbers, Sql
from pegbox.store.queries import Place, Search
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.store.walk import TOP, Walk
from pegbox.testing.calls import call_in


@pytest.fixture(scope="module")
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


NUMBERS = Numbers({"CreationTime": 1, "Metrics.loss": 2, "Metrics.auc": 3}, {})


def searching(is_down: bool) -> Search:
    return Search(
        account="000000000000",
        region="here",
        kind=Kind.TRAINING_JOB,
        wanted=Has("Metrics.auc", Between(0.0, 1.0)),
        sort_by="Metrics.loss",
        descending=is_down,
        anchor="CreationTime",
        lists=frozenset(),
        limit=10,
    )


def explained(store: SqlStore, statement: Sql) -> str:
    """How the database goes about it, as the planner has told it to."""
    with store.reading() as tx:
        search, counts = searching(True), {"CreationTime": 5, "Metrics.loss": 5}
        run = planner._Run(tx.connection, search, NUMBERS, search.wanted, counts)
        if tx.connection.dialect.name == "sqlite":
            return str(run._rows(Sql(f"EXPLAIN QUERY PLAN {statement.text}", statement.given)))
        tx.connection.exec_driver_sql(planner._ROW_BY_ROW)
        return str(run._rows(Sql(f"EXPLAIN {statement.text}", statement.given)))


@pytest.mark.parametrize("part", ["num", "txt"])
@pytest.mark.parametrize("is_down", [False, True])
def test_a_piece_of_an_order_is_all_that_is_read_of_its_index(store: SqlStore, part: str, is_down: bool) -> None:
    value: Any = 3.0 if part == "num" else "adam"
    asked: list[Sql] = []

    def noted(statement: Sql) -> Any:
        asked.append(statement)
        if "OFFSET" not in statement.text:
            return []
        return [(7, value)] if statement.given[-1] else [(5, 0.0 if part == "num" else "")]

    search = searching(is_down)
    end = Place(part, value, 7 if is_down else TOP)
    assert Walk(noted, search, NUMBERS, search.wanted).piece(part, None, 1000, 11) == ([], end, False)
    plan = explained(store, asked[-1])
    if store.engine.dialect.name == "sqlite":
        bound = f"{part}{'>' if is_down else '<'}?"
    else:
        bound = f"({part} {'>=' if is_down else '<'} "
    assert bound in plan.split("Filter")[0], plan


@pytest.mark.parametrize("part", ["num", "txt"])
@pytest.mark.parametrize("place", [None, 900, TOP])
def test_very_many_of_one_value_are_not_sorted(store: SqlStore, part: str, place: int | None) -> None:
    value: Any = 3.0 if part == "num" else "adam"
    asked: list[Sql] = []

    def noted(statement: Sql) -> Any:
        asked.append(statement)
        return [(7, value)] if "OFFSET" in statement.text else []

    search = searching(False)
    begin = None if place is None else Place(part, value, place)
    walk = Walk(noted, search, NUMBERS, search.wanted)
    assert walk.piece(part, begin, 1000, 11) == ([], Place(part, value, 7), False)
    for statement in asked:
        plan = explained(store, statement)
        assert "TEMP B-TREE" not in plan and "Sort" not in plan, plan


ACCOUNT = "000000000000"


@pytest.fixture
def region(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where there are 24 jobs, of which every second one has a low loss; orders are walked in the smallest pieces."""
    monkeypatch.setattr(planner, "FEW", 1)
    monkeypatch.setattr(planner, "PIECE", 1)
    monkeypatch.setattr(planner, "GROWTH", 1)
    monkeypatch.setattr(columns, "COMPUTED", 0)  # columns in memory answer nothing
    name = f"region-{uuid.uuid4().hex[:8]}"
    records = (
        {
            "TrainingJobName": f"job-{number}",
            "TrainingJobStatus": "Completed",
            "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
            "ModelArtifacts": {"S3ModelArtifacts": "s3://models/model.tar.gz"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "CreationTime": 1.7e9 + number,
            "FinalMetricDataList": [{"MetricName": "loss", "Value": float(number % 2), "Timestamp": 1.7e9}],
        }
        for number in range(24)
    )
    transfer.load(
        transfer.Place(store, ACCOUNT, name), "jobs", (json.dumps(each).encode() for each in records), Progress(print)
    )
    return name


def page(store: SqlStore, region: str, most: int, **more: Any) -> dict[str, Any]:
    """Of the jobs with a low loss."""
    low = {"Name": "Metrics.loss", "Operator": "LessThan", "Value": "0.5"}
    request: Any = {
        "Resource": "TrainingJob",
        "SearchExpression": {"Filters": [low]},
        "SortBy": "CreationTime",
        "MaxResults": most,
        **more,
    }
    return dict(operation.search(request, call_in(store, ACCOUNT, region)))


def named(answer: dict[str, Any]) -> list[str]:
    return [each["TrainingJob"]["TrainingJobName"] for each in answer["Results"]]


def test_a_page_is_as_long_however_slow_the_machine_is(
    store: SqlStore, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0.0, 100.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    assert named(page(store, region, 3)) == ["job-22", "job-20", "job-18"]


def test_a_page_is_given_out_as_it_is_after_a_long_walk(
    store: SqlStore, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "MOST_WALKED", 4)
    answer = page(store, region, 3)
    assert named(answer) == ["job-22", "job-20"]
    assert named(page(store, region, 3, NextToken=answer["NextToken"])) == ["job-18", "job-16", "job-14"]
