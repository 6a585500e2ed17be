"""The properties beside the rows: whose may be old, and that they go with their resource."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pegbox.domain.properties import Property
from pegbox.domain.query import Between, Containing, Has, Text
from pegbox.store import examine
from pegbox.store.filters import scans
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.store_suite import ACCOUNT, REGION, a_job

JOBS, TUNING = Kind.TRAINING_JOB, Kind.TUNING_JOB


def insert(store: SqlStore, name: str, **changes: Any) -> Resource:
    with store.transaction() as tx:
        return tx.insert(a_job(name, **changes))


def index(store: SqlStore, *properties: Property, kind: Kind = JOBS) -> list[str]:
    """Give all that may be old these properties; returns their names."""
    with store.transaction() as tx:
        rows = tx.unindexed(kind, 100)
        tx.index([(row, properties) for row in rows])
        return [row.name for row in rows]


def names(store: SqlStore, kind: Kind = JOBS) -> dict[str, int]:
    with store.reading() as tx:
        return dict(tx.property_names(ACCOUNT, REGION, kind))


def count(store: SqlStore) -> int:
    with store.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM property")).scalar_one())


def test_whatever_is_written_has_to_be_indexed_anew(store: SqlStore) -> None:
    row = insert(store, "a")
    assert index(store) == ["a"]
    assert index(store) == []
    with store.transaction() as tx:
        row = tx.save(replace(row, status="Stopping"))
    assert index(store) == ["a"]
    with store.transaction() as tx:
        row = tx.rewrite(replace(row, document={"Tags": []}))
    assert index(store) == ["a"]
    (examined,) = examine.rows(store.engine)
    assert examine.amend(store.engine, examined, status="Stopped")
    assert index(store) == ["a"]
    with store.reading() as tx:
        assert not tx.has_unindexed(JOBS)


def test_the_newest_come_first(store: SqlStore) -> None:
    for name in ("a", "b", "c"):
        insert(store, name)
    assert index(store) == ["c", "b", "a"]


def test_a_row_that_was_changed_meanwhile_comes_again(store: SqlStore) -> None:
    row = insert(store, "a")
    with store.transaction() as tx:
        (seen,) = tx.unindexed(JOBS, 1)
        tx.save(replace(row, status="Stopping"))
        tx.index([(seen, [Property("x", 0, 1.0, None)])])
    assert names(store) == {"x": 1}
    assert index(store, Property("x", 0, 2.0, None)) == ["a"]


def test_names_are_counted_by_resource(store: SqlStore) -> None:
    insert(store, "a")
    insert(store, "b")
    index(store, Property("x", 0, 1.0, None), Property("x", 1, 2.0, None), Property("y", 0, None, "z"))
    assert names(store) == {"x": 2, "y": 2}
    assert count(store) == 6
    with store.transaction() as tx:
        tx.rewrite(tx.get(ACCOUNT, REGION, JOBS, "a"))
    index(store, Property("x", 0, 1.0, None))
    assert names(store) == {"x": 2, "y": 1}
    assert count(store) == 4


def test_properties_go_with_their_resource(store: SqlStore) -> None:
    rows = [insert(store, name) for name in ("a", "b", "c")]
    index(store, Property("x", 0, 1.0, None), Property("x", 1, 1.0, None))
    with store.transaction() as tx:
        tx.delete(rows[0].id)
    assert (names(store), count(store)) == ({"x": 2}, 4)
    examined = next(each for each in examine.rows(store.engine) if each.name == "b")
    assert examine.take_out(store.engine, examined, lambda columns: None)
    assert (names(store), count(store)) == ({"x": 1}, 2)


def test_a_training_job_has_its_tuning_job_indexed_again(store: SqlStore) -> None:
    parent = insert(store, "parent", kind=TUNING)
    child = insert(store, "child", parent_id=parent.id, number=1)
    index(store)
    assert index(store, kind=TUNING) == ["parent"]
    with store.transaction() as tx:
        tx.save(replace(child, status="Completed"))
    with store.reading() as tx:
        assert not tx.has_unindexed(TUNING)
    assert index(store) == ["child"]
    assert index(store, kind=TUNING) == ["parent"]


def test_what_cannot_be_read_is_not_in_the_way(store: SqlStore) -> None:
    insert(store, "a")
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE resource SET state = '{'"))
    assert index(store) == []
    with store.reading() as tx:
        assert not tx.has_unindexed(JOBS)


@pytest.mark.parametrize("test", [Text("adam"), Containing("dam", numbers=False), Between(low=0.0, high=1.0)])
def test_sqlite_reads_a_condition_from_its_index_alone(tmp_path: Path, test: Text | Containing | Between) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    for scan in scans(Has("HyperParameters.optimizer", test), 7):
        count = f"EXPLAIN QUERY PLAN SELECT count(*) FROM property d INDEXED BY {scan.index} WHERE {scan.where.text}"
        with store.engine.connect() as connection:
            plan = connection.exec_driver_sql(count, scan.where.given).all()
        assert f"USING COVERING INDEX {scan.index}" in str(plan) or scan.index == "property_long", plan
    store.close()
