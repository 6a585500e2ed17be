"""Connections to SQLite between transactions."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from pegbox.store import connections
from pegbox.store.sql import SqlStore


class Refusal(Exception):
    """What a caller may raise in the middle of a transaction."""


@pytest.mark.parametrize("transaction", [connections.reading, connections.writing])
@pytest.mark.parametrize("error", [None, Refusal])
def test_a_connection_that_cannot_end_its_transaction_is_not_used_again(
    tmp_path: Path, transaction: Callable[[Engine], AbstractContextManager[Connection]], error: type[Exception] | None
) -> None:
    """Neither COMMIT nor ROLLBACK gets through to a driver's connection that is gone."""
    store = SqlStore(f"sqlite:///{tmp_path / 'own.db'}")
    for _ in range(3):
        with suppress(sqlite3.ProgrammingError, Refusal), transaction(store.engine) as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.close()
            if error is not None:
                raise error
        with transaction(store.engine) as connection:
            assert connection.exec_driver_sql("select 1").scalar_one() == 1
    store.close()
