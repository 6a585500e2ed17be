"""Tuned hyperparameters are read once, and are those of the database."""

from __future__ import annotations

from pathlib import Path

from pegbox.domain import training
from pegbox.engine.tuned import TunedValues
from pegbox.store.base import Kind, Resource
from pegbox.store.sql import SqlStore


def insert(store: SqlStore, parent: int, number: int) -> int:
    job = training.created(1.0, tuned={"x": str(number)}, objective="loss")
    row = Resource(
        account="123456789012",
        region="us-east-1",
        kind=Kind.TRAINING_JOB,
        name=f"search-{parent}-{number}",
        parent_id=parent,
        number=number,
        status=job.status,
        created_at=1.0,
        modified_at=1.0,
        state=job.dump(),
    )
    with store.transaction() as tx:
        return tx.insert(row).id


def test_values_come_from_the_database_and_are_kept(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    first, second = insert(store, 1, 1), insert(store, 1, 2)
    values = TunedValues()
    assert values.of(store, 1, [first]) == {first: {"x": "1"}}
    assert values.of(store, 1, [first, second]) == {first: {"x": "1"}, second: {"x": "2"}}
    store.close()
    assert values.of(store, 1, [first, second])[second] == {"x": "2"}  # not read again


def test_what_was_launched_is_known_without_reading(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    values = TunedValues()
    assert values.of(store, 1, []) == {}
    values.add(1, {7: {"x": "0.5"}})
    assert values.of(store, 1, [7]) == {7: {"x": "0.5"}}
    store.close()


def test_the_jobs_that_asked_longest_ago_are_forgotten(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    values = TunedValues(most=3)
    children = {parent: [insert(store, parent, number) for number in (1, 2)] for parent in (1, 2)}
    for parent, ids in children.items():
        values.of(store, parent, ids)
    store.engine.dispose()
    (tmp_path / "pegbox.db").rename(tmp_path / "away.db")
    assert len(values.of(store, 2, children[2])) == 2  # still known
    (tmp_path / "away.db").rename(tmp_path / "pegbox.db")
    assert values.of(store, 1, children[1])[children[1][0]] == {"x": "1"}  # read again
    store.close()
