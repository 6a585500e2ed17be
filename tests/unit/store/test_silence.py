"""A PostgreSQL that says nothing is given up; a statement that is known to take long is waited for."""

from __future__ import annotations

import time
import uuid

import pytest
from sqlalchemy import text

from pegbox.store import connections
from pegbox.store.base import Unavailable
from pegbox.store.sql import SqlStore
from postgres import Cluster

SLEEP = text("SELECT pg_sleep(2.5)")


def test_a_statement_that_gets_no_answer(postgres: Cluster) -> None:
    url = f"{postgres.database(f'silence_{uuid.uuid4().hex[:8]}')}&connect_timeout=2"
    store = SqlStore(url, hasty=True)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no answer for 2 seconds"), store.transaction() as tx:
        tx.connection.execute(SLEEP)
    assert time.monotonic() - began < 2.5
    with store.transaction() as tx:
        with connections.unhurried(tx.connection):
            tx.connection.execute(SLEEP)
        assert tx.connection.execute(text("SELECT 1")).scalar_one() == 1
    store.close()
    patient = SqlStore(url, migrate=False)
    with patient.transaction() as tx:
        tx.connection.execute(SLEEP)
    patient.close()
