"""Backups and restores of PostgreSQL whose other side takes its time: idle transactions are ended otherwise."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from pegbox.store import dump, schema, sql
from pegbox.store.sql import SqlStore
from pegbox.store.upgrade import HEAD

LIMIT = 0.5  #: seconds after which idle transactions are ended here


@pytest.fixture
def store(postgres: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqlStore]:
    url = postgres.database(f"slow_{uuid.uuid4().hex[:8]}")
    store = SqlStore(url)
    with store.reading():  # what SQLAlchemy asks of the first connection may take longer on a busy machine
        pass
    store.engine.dispose()
    monkeypatch.setattr(sql, "IDLE_SECONDS", LIMIT)
    yield store
    store.close()


def test_a_snapshot_waits_for_a_slow_destination(store: SqlStore) -> None:
    with dump.snapshot(store.engine) as found:
        time.sleep(2 * LIMIT)  # as long as a disk may take
        assert [list(found.rows(table)) for table in found.tables] == [[]] * len(found.tables)


def test_a_load_waits_for_a_slow_source(store: SqlStore) -> None:
    def rows() -> Iterator[dump.Row]:
        time.sleep(2 * LIMIT)
        for number in range(2):
            yield {"id": f"host-{number}", "seen_at": 1.0}

    dump.load(store.engine, HEAD, {schema.host.name: rows}, replace=True)
    with dump.snapshot(store.engine) as found:
        assert found.count(schema.host.name) == 2
