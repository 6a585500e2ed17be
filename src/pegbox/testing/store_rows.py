"""Rows for the tests of stores."""

from __future__ import annotations

from typing import Any

from pegbox.store.base import Store
from pegbox.store.resources import Kind, Resource

ACCOUNT, REGION, HOST = "123456789012", "eu-north-1", "here"


def a_job(name: str, **changes: Any) -> Resource:
    """A training job that waits for a slot."""
    given: dict[str, Any] = {
        "account": ACCOUNT,
        "region": REGION,
        "kind": Kind.TRAINING_JOB,
        "name": name,
        "status": "InProgress",
        "created_at": 1000.25,
        "modified_at": 1000.25,
        "document": {"Name": name, "Ö": [1, None]},
        "state": {"phase": "Waiting"},
        "due_at": 0.0,
    }
    return Resource(**{**given, **changes})


def insert(store: Store, row: Resource) -> Resource:
    """Insert in a transaction of its own."""
    with store.transaction() as tx:
        return tx.insert(row)


def held(store: Store, name: str, host: str) -> Resource:
    """Insert a job that holds a slot of a host and that nobody works on."""
    row = insert(store, a_job(name))
    for taken in store.claim("any", host, 60, 10):
        store.release(taken, 0)
    return row
