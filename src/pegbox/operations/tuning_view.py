"""A tuning job as clients see it: its document, and what is computed from its training jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.completion import Improvement
from pegbox.domain.parents import is_identical, remembered
from pegbox.domain.searches import searches_of
from pegbox.domain.tuning import TuningJob
from pegbox.operations.training_view import tuning_summary
from pegbox.store.base import Transaction
from pegbox.store.resources import Resource, Tally


def goal_of(row: Resource) -> str:
    """Maximize or Minimize."""
    return "Maximize" if searches_of(row.document)[0].maximize else "Minimize"


def description(row: Resource, tx: Transaction, now: float) -> dict[str, Any]:
    """DescribeHyperParameterTuningJob's answer."""
    job = TuningJob.parse(row.status, row.state)
    goal = goal_of(row)
    best = tx.best(row.id, goal == "Maximize")
    return {
        **row.document,
        **_common(row, tx.tally([row.id])[row.id]),
        "BestTrainingJob": None if best is None else tuning_summary(best, row.name, goal),
        "OverallBestTrainingJob": _overall_best(row, best, tx, goal),
        "FailureReason": {"Completed": job.ending, "Failed": job.failure}.get(row.status),
        "TuningJobCompletionDetails": {
            "NumberOfTrainingJobsObjectiveNotImproving": _not_improving(tx.results(row.id), goal),
            "ConvergenceDetectedTime": job.converged,
        },
        "ConsumedResources": {"RuntimeInSeconds": max(0, round((row.ended_at or now) - row.created_at))},
    }


def _overall_best(row: Resource, best: Resource | None, tx: Transaction, goal: str) -> dict[str, Any] | None:
    """The best training job of this tuning job and its parents, if data and algorithm are the same."""
    if not is_identical(row.document):
        return None
    found = [] if best is None else [(best, row.name)]
    for parent in remembered(row.document):
        theirs = tx.best(parent.id, goal == "Maximize")
        found += [] if theirs is None else [(theirs, parent.name)]
    if not found:
        return None
    sign = -1.0 if goal == "Maximize" else 1.0
    overall, tuning_job = min(found, key=lambda each: (sign * (each[0].objective or 0.0), each[0].id))
    return tuning_summary(overall, tuning_job, goal)


def _not_improving(results: Sequence[float], goal: str) -> int:
    improvement = Improvement(goal == "Maximize")
    for value in results:
        improvement.add(value)
    return improvement.not_improving


def summary(row: Resource, tallies: Mapping[int, Sequence[Tally]]) -> dict[str, Any]:
    """One entry of ListHyperParameterTuningJobs."""
    config = row.document["HyperParameterTuningJobConfig"]
    return {
        **_common(row, tallies[row.id]),
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
    }


def _common(row: Resource, tallies: Sequence[Tally]) -> dict[str, Any]:
    return {
        "HyperParameterTuningJobName": row.name,
        "HyperParameterTuningJobArn": row.arn,
        "HyperParameterTuningJobStatus": row.status,
        "CreationTime": row.created_at,
        "LastModifiedTime": row.modified_at,
        "HyperParameterTuningEndTime": row.ended_at,
        "TrainingJobStatusCounters": _status_counters(tallies),
        "ObjectiveStatusCounters": _objective_counters(tallies),
    }


def _status_counters(tallies: Sequence[Tally]) -> dict[str, int]:
    counters = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
    for tally in tallies:
        counters[tally.outcome or "InProgress"] += tally.count
    return counters


def _objective_counters(tallies: Sequence[Tally]) -> dict[str, int]:
    counters = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
    for tally in tallies:
        bucket = "Pending" if tally.outcome is None else "Succeeded" if tally.has_objective else "Failed"
        counters[bucket] += tally.count
    return counters
