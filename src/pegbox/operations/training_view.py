"""A training job as clients see it: its document, and what the engine knows of it."""

from __future__ import annotations

from typing import Any

from pegbox.domain.metrics import final_values
from pegbox.domain.searches import DEFINITION_NAME
from pegbox.domain.training import Outcome, TrainingJob
from pegbox.store.resources import Resource


def description(row: Resource) -> dict[str, Any]:
    """DescribeTrainingJob's answer."""
    job = TrainingJob.parse(row.state)
    definitions = row.document["AlgorithmSpecification"].get("MetricDefinitions") or []
    return {
        **row.document,
        **_summary(row, job),
        "SecondaryStatusTransitions": job.transitions,
        "TrainingStartTime": job.started,
        "FinalMetricDataList": final_values(definitions, job.latest or {}) or None,
        "FailureReason": job.failure if job.outcome else None,
        **_seconds(job),
    }


def summary(row: Resource) -> dict[str, Any]:
    """One entry of ListTrainingJobs."""
    return _summary(row, TrainingJob.parse(row.state))


def tuning_summary(row: Resource, tuning_job: str, goal: str) -> dict[str, Any]:
    """HyperParameterTrainingJobSummary, of a tuning job's child."""
    job = TrainingJob.parse(row.state)
    value = job.objective_value()
    final = {"Type": goal, "MetricName": job.objective, "Value": value}
    return {
        **_summary(row, job),
        "TrainingJobDefinitionName": job.definition or DEFINITION_NAME,
        "TuningJobName": tuning_job,
        "TrainingStartTime": job.started,
        "TunedHyperParameters": job.tuned,
        "FailureReason": job.failure if job.outcome else None,
        "FinalHyperParameterTuningJobObjectiveMetric": None if value is None else final,
        "ObjectiveStatus": _objective_status(job),
    }


def _summary(row: Resource, job: TrainingJob) -> dict[str, Any]:
    return {
        "TrainingJobName": row.name,
        "TrainingJobArn": row.arn,
        "TrainingJobStatus": job.status,
        "SecondaryStatus": job.secondary,
        "CreationTime": row.created_at,
        "LastModifiedTime": row.modified_at,
        "TrainingEndTime": (job.ended or job.finished) if job.outcome else None,
    }


def _seconds(job: TrainingJob) -> dict[str, int]:
    if job.started is None or job.outcome is None:
        return {}
    seconds = max(1, round((job.ended or job.finished or job.started) - job.started))
    return {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}


def _objective_status(job: TrainingJob) -> str:
    if job.outcome is None:
        return "Pending"
    known = job.outcome in (Outcome.COMPLETED, Outcome.STOPPED) and job.objective_value() is not None
    return "Succeeded" if known else "Failed"
