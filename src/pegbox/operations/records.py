"""The records that Search answers with: what Describe tells, with tags, without what changes by itself."""

from __future__ import annotations

from typing import Any

from pegbox.operations import training_view, tuning_view
from pegbox.store.base import Kind, Resource, Transaction


def record(row: Resource, tx: Transaction, now: float) -> dict[str, Any]:
    """The member of a SearchRecord."""
    if row.kind is Kind.TRAINING_JOB:
        return training_view.description(row)
    return tuning_view.description(row, tx, now)


def searchable(row: Resource, tx: Transaction) -> dict[str, Any]:
    """What of a record can be searched: its run time grows as long as a tuning job lasts, and is told at its end."""
    found = record(row, tx, row.modified_at)
    return found if row.ended_at is not None else {**found, "ConsumedResources": None}
