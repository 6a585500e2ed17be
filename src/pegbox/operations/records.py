"""The records that Search answers with: what Describe tells, with tags, without what changes by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pegbox.operations import endpoint_view, experiments_view, model_view, training_view, tuning_view
from pegbox.store.base import Kind, Resource, Transaction

Described = Callable[[Resource, Transaction, float], dict[str, Any]]  #: a row, and the time now

_DESCRIBED: Mapping[Kind, Described] = {
    Kind.TRAINING_JOB: lambda row, tx, now: training_view.description(row),
    Kind.TUNING_JOB: tuning_view.description,
    Kind.ENDPOINT: lambda row, tx, now: endpoint_view.description(row),
    Kind.MODEL: lambda row, tx, now: model_view.record(row, tx),
    Kind.EXPERIMENT: lambda row, tx, now: experiments_view.experiment(row),
}


def record(row: Resource, tx: Transaction, now: float) -> dict[str, Any]:
    """The member of a SearchRecord."""
    return _DESCRIBED[row.kind](row, tx, now)


def searchable(row: Resource, tx: Transaction) -> dict[str, Any]:
    """What of a record can be searched: its run time grows as long as a tuning job lasts, and is told at its end."""
    found = record(row, tx, row.modified_at)
    return found if row.ended_at is not None else {**found, "ConsumedResources": None}
