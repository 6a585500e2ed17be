"""The records that Search answers with: what Describe tells, with tags, without what changes by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pegbox.operations import endpoint_view, experiments_view, model_view, training_view, tuning_view
from pegbox.operations.catalogs import STATISTICS
from pegbox.store.base import Transaction
from pegbox.store.resources import Kind, Resource

Described = Callable[[Resource, Transaction, float], dict[str, Any]]  #: a row, and the time now

_DESCRIBED: Mapping[Kind, Described] = {
    Kind.TRAINING_JOB: lambda row, tx, now: training_view.description(row),
    Kind.TUNING_JOB: tuning_view.description,
    Kind.ENDPOINT: lambda row, tx, now: endpoint_view.description(row),
    Kind.MODEL: lambda row, tx, now: model_view.record(row, tx),
    Kind.EXPERIMENT: lambda row, tx, now: experiments_view.experiment(row),
    Kind.TRIAL: lambda row, tx, now: experiments_view.trial_record(row, tx),
    Kind.TRIAL_COMPONENT: lambda row, tx, now: experiments_view.component_record(row, tx),
}


def record(row: Resource, tx: Transaction, now: float) -> dict[str, Any]:
    """The member of a SearchRecord."""
    return _DESCRIBED[row.kind](row, tx, now)


def searchable(row: Resource, tx: Transaction) -> dict[str, Any]:
    """What of a record can be searched: its run time grows as long as a tuning job lasts, and is told at its end."""
    if row.kind is Kind.TRIAL:
        return experiments_view.trial(row)
    found = record(row, tx, row.modified_at)
    if row.kind is Kind.TRIAL_COMPONENT:
        return {**found, **_component(found)}
    return found if row.ended_at is not None else {**found, "ConsumedResources": None}


def _component(found: Mapping[str, Any]) -> dict[str, Any]:
    """The maps of structures of a trial component, and its metrics, as maps of their members."""
    parameters = {name: next(iter(value.values())) for name, value in (found.get("Parameters") or {}).items()}
    artifacts = {member: _flat(found.get(member) or {}) for member in ("InputArtifacts", "OutputArtifacts")}
    metrics = {f"{each['MetricName']}.{name}": each[name] for each in found["Metrics"] for name in STATISTICS}
    return {"Parameters": parameters, "Metrics": metrics, **artifacts}


def _flat(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name}.{part}": text for name, value in values.items() for part, text in value.items()}
