"""Experiments, trials and trial components as clients see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pegbox.domain.made_of_job import MAPS, REMOVED, SOURCE_TYPE, made_of, merged
from pegbox.naming import arn
from pegbox.operations import training_view
from pegbox.store.base import NotFound, Transaction
from pegbox.store.resources import Kind, Resource
from pegbox.store.tracking import Part, Summary

NOBODY: Mapping[str, Any] = {}  #: a UserContext: there are keys here, and no users
EMPTY: Mapping[str, Any] = {name: {} for name in MAPS}  #: the SDK takes them for granted
MOST_PARTS = 1000  #: components that the record of a trial tells


def experiment(row: Resource) -> dict[str, Any]:
    """DescribeExperiment's answer, with tags; also an ExperimentSummary."""
    return {
        "ExperimentName": row.name,
        "ExperimentArn": row.arn,
        **_common(row),
        "ExperimentSource": row.document.get("Source"),
    }


def trial(row: Resource) -> dict[str, Any]:
    """DescribeTrial's answer, with tags; also a TrialSummary."""
    return {
        "TrialName": row.name,
        "TrialArn": row.arn,
        **_common(row),
        "TrialSource": row.document.get("Source"),
    }


def trial_record(row: Resource, tx: Transaction) -> dict[str, Any]:
    """A trial as Search tells it: with its components."""
    parts = tx.tracking.parts(row.id, MOST_PARTS)
    return {**trial(row), "TrialComponentSummaries": [_part(part, row) for part in parts]}


def component(row: Resource, tx: Transaction) -> dict[str, Any]:
    """DescribeTrialComponent's answer, with tags."""
    job = job_of(row, tx)
    return {**_component(row, job, _told(job)), "Metrics": list(_metrics(row, job, tx))}


def component_summary(row: Resource, tx: Transaction) -> dict[str, Any]:
    """A TrialComponentSummary."""
    job = job_of(row, tx)
    found = _component(row, job, _told(job))
    return {**found, "TrialComponentSource": found.get("Source")}


def component_record(row: Resource, tx: Transaction) -> dict[str, Any]:
    """A component as Search tells it: with the trials it is in, and the job that it was made of."""
    job = job_of(row, tx)
    parents = [{"TrialName": each.trial, "ExperimentName": each.experiment} for each in tx.tracking.parents(row.id)]
    told = _told(job)
    is_there = job is not None and job.kind is Kind.TRAINING_JOB
    return {
        **_component(row, job, told),
        "Metrics": list(_metrics(row, job, tx)),
        "Parents": parents,
        "SourceDetail": None
        if told is None or not is_there
        else {"SourceArn": told["TrainingJobArn"], "TrainingJob": told},
    }


def job_of(row: Resource, tx: Transaction) -> Resource | None:
    """The training job that a component was made of, deleted or not, if it is there and can be read."""
    try:
        return None if row.parent_id is None else tx.by_id(row.parent_id)
    except (NotFound, ValueError):
        return None


def _told(job: Resource | None) -> dict[str, Any] | None:
    return None if job is None else training_view.description(job)


def _component(row: Resource, job: Resource | None, told: Mapping[str, Any] | None) -> dict[str, Any]:
    common = {**EMPTY, **_common(row)}
    if job is not None and told is not None:
        made = made_of(told)
        common = merged({**common, "LastModifiedTime": max(row.modified_at, job.modified_at), **made}, row.document)
    common.pop(REMOVED, None)
    return {"TrialComponentName": row.name, "TrialComponentArn": row.arn, **common}


def _common(row: Resource) -> dict[str, Any]:
    return {
        "DisplayName": row.name,
        **row.document,
        "CreationTime": row.created_at,
        "CreatedBy": NOBODY,
        "LastModifiedTime": row.modified_at,
        "LastModifiedBy": NOBODY,
    }


def _part(part: Part, trial: Resource) -> dict[str, Any]:
    def named(kind: Kind, name: str) -> str:
        return arn(kind, name, account=trial.account, region=trial.region)

    source = None
    if part.job is not None:
        source = {"SourceArn": named(Kind.TRAINING_JOB, part.job), "SourceType": SOURCE_TYPE}
    return {
        "TrialComponentName": part.name,
        "TrialComponentArn": named(Kind.TRIAL_COMPONENT, part.name),
        "TrialComponentSource": source,
        "CreationTime": part.created_at,
        "CreatedBy": NOBODY,
    }


def _metrics(row: Resource, job: Resource | None, tx: Transaction) -> Iterator[dict[str, Any]]:
    """Those that the job emitted, then those that were put to the component."""
    if job is not None:
        yield from _summaries(job.arn, tx.tracking.emitted(job.id))
    yield from _summaries(row.arn, tx.tracking.summaries(row.id))


def _summaries(source: str, summaries: Sequence[Summary]) -> Iterator[dict[str, Any]]:
    for each in summaries:
        yield {
            "MetricName": each.name,
            "SourceArn": source,
            "TimeStamp": each.last_at,
            "Max": each.high,
            "Min": each.low,
            "Last": each.last,
            "Count": each.count,
            "Avg": each.average,
            "StdDev": each.deviation,
        }
