"""How the planner has databases go about a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pegbox.domain.query import Between, Has
from pegbox.store import planner
from pegbox.store.filters import Numbers, Sql
from pegbox.store.queries import Place, Search
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.store.walk import TOP, Walk


@pytest.fixture(scope="module")
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


@pytest.mark.parametrize("part", ["num", "txt"])
@pytest.mark.parametrize("is_down", [False, True])
def test_a_piece_of_an_order_is_all_that_is_read_of_its_index(store: SqlStore, part: str, is_down: bool) -> None:
    search = Search(
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
    value: Any = 3.0 if part == "num" else "adam"
    asked: list[Sql] = []

    def noted(statement: Sql) -> Any:
        asked.append(statement)
        if "OFFSET" not in statement.text:
            return []
        return [(7, value)] if statement.given[-1] else [(5, 0.0 if part == "num" else "")]

    with store.reading() as tx:
        numbers = Numbers({"CreationTime": 1, "Metrics.loss": 2, "Metrics.auc": 3}, {})
        walk = Walk(noted, search, numbers, search.wanted)
        end = Place(part, value, 7 if is_down else TOP)
        assert walk.piece(part, None, 1000, 11) == ([], end, False)
        run = planner._Run(tx.connection, search, numbers, search.wanted, {"CreationTime": 5, "Metrics.loss": 5})
        if tx.connection.dialect.name == "postgresql":
            tx.connection.exec_driver_sql(planner._ROW_BY_ROW)
            plan = str(run._rows(Sql(f"EXPLAIN {asked[-1].text}", asked[-1].given)))
            bound = f"({part} {'>=' if is_down else '<'} "
        else:
            plan = str(run._rows(Sql(f"EXPLAIN QUERY PLAN {asked[-1].text}", asked[-1].given)))
            bound = f"{part}{'>' if is_down else '<'}?"
    assert bound in plan.split("Filter")[0], plan
