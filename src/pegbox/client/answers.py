"""What the API's answers about tuning jobs and their training jobs tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Job = Mapping[str, Any]  #: a HyperParameterTrainingJobSummary

ENDED = ("Completed", "Failed", "Stopped")  #: of training jobs
GROWING = ("InProgress", "Stopping")  #: of tuning jobs


def objective(job: Job) -> float | None:
    """The final objective value of a training job."""
    final = job.get("FinalHyperParameterTuningJobObjectiveMetric")
    return None if final is None else float(final["Value"])


def lacks_value(job: Job) -> bool:
    """Whether it has completed without an objective value; one that was stopped may have had no time to print it."""
    return job["TrainingJobStatus"] == "Completed" and objective(job) is None


def aim(tuning: Mapping[str, Any]) -> Mapping[str, str]:
    """Type and MetricName of the objective; of the first one if each definition has its own."""
    found = tuning["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    return found or next(iter(definitions(tuning)), {}).get("TuningObjective") or {}


def definitions(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Its training job definitions, whichever form it has."""
    single = answer.get("TrainingJobDefinition")
    return answer.get("TrainingJobDefinitions") or ([single] if single else [])


def failed(tuning: Mapping[str, Any]) -> int:
    """How many of its training jobs failed."""
    counters = tuning["TrainingJobStatusCounters"]
    return int(counters["NonRetryableError"] + counters["RetryableError"])
