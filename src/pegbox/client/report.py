"""Jobs in a few lines: how they went, what was best, where everything lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pegbox.client import following, hidden, models
from pegbox.client.answers import failed, objective
from pegbox.client.asked import asked
from pegbox.client.finding import Found
from pegbox.client.lines import Lines, moment, one_line, own, several, since, told
from pegbox.counts import counted
from pegbox.domain.metrics import OBJECTIVE_ALIAS
from pegbox.naming import name_of

if TYPE_CHECKING:
    from pegbox.client.connection import Connection


def outcome(tuning: Mapping[str, Any]) -> str:
    """`name Completed: 20 training jobs, 2 failed`."""
    counters = tuning["TrainingJobStatusCounters"]
    rest = (("running", counters["InProgress"]), ("failed", failed(tuning)), ("stopped", counters["Stopped"]))
    total = sum(counters.values())
    parts = [counted(total, "training job"), *(f"{count} {what}" for what, count in rest if count)]
    reason = one_line(tuning.get("FailureReason"))
    name, status = tuning["HyperParameterTuningJobName"], tuning["HyperParameterTuningJobStatus"]
    return f"{name} {status}: {', '.join(parts)}{f'. {reason}' if reason else ''}"


def best(tuning: Mapping[str, Any]) -> Lines:
    """The best training job with its hyperparameters, and a better one of the parents; nothing if there is none."""
    found, overall = tuning.get("BestTrainingJob"), tuning.get("OverallBestTrainingJob")
    if found is not None:
        yield told("best", _result(tuning, found))
        yield from several("", found["TunedHyperParameters"])
    if overall is not None and (found is None or overall["TrainingJobName"] != found["TrainingJobName"]):
        yield told("overall", f"{_result(tuning, overall)}, of {overall.get('TuningJobName', 'a parent')}")
        yield from several("", overall["TunedHyperParameters"])


def _result(tuning: Mapping[str, Any], job: Mapping[str, Any]) -> str:
    """Its name, the value of its objective, and its definition where there are several."""
    metric = job["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"]
    name = job.get("TrainingJobDefinitionName") if tuning.get("TrainingJobDefinitions") else None
    return f"{job['TrainingJobName']}  {metric} = {objective(job):.6g}{f', of definition {name}' if name else ''}"


def failure(connection: Connection, tuning: Mapping[str, Any], again: str) -> Lines:
    """Why the first of its training jobs failed that did; nothing if none has."""
    sagemaker = connection.client("sagemaker")
    jobs = following.training_jobs(sagemaker, tuning["HyperParameterTuningJobName"]) if failed(tuning) else []
    name = next((job["TrainingJobName"] for job in jobs if job["TrainingJobStatus"] == "Failed"), None)
    if name is not None:
        job = sagemaker.describe_training_job(TrainingJobName=name)
        yield told("failed", f"{name}: {one_line(job.get('FailureReason'))}")
        yield from hidden.reasons(connection, job)
        yield told("", f"pegbox logs {name}{again}")


def places(connection: Connection, tuning: Mapping[str, Any], again: str) -> Lines:
    """Where to find the model and the training jobs of a tuning job; `again`: options for commands."""
    name, found = tuning["HyperParameterTuningJobName"], tuning.get("BestTrainingJob")
    if found is not None:
        job = connection.client("sagemaker").describe_training_job(TrainingJobName=found["TrainingJobName"])
        uri = job["ModelArtifacts"]["S3ModelArtifacts"]
        found_there = models.shown(connection, uri)
        yield told("model", found_there)
        if found_there == uri:
            yield told("", f"pegbox model {name}{again}")
        yield told("log", f"pegbox logs {found['TrainingJobName']}{again}")
    yield told("all", f"pegbox jobs {name}{again}")


def tuning_job(answer: Mapping[str, Any]) -> Lines:
    """What `pegbox describe` says about a tuning job."""
    yield outcome(answer)
    yield told("created", moment(answer["CreationTime"]))
    yield told("took", since(answer["CreationTime"], answer.get("HyperParameterTuningEndTime")))
    yield from asked(answer)
    yield from best(answer)


def training_job(connection: Connection, answer: Mapping[str, Any]) -> Lines:
    """What `pegbox describe` says about a training job."""
    last = answer["SecondaryStatusTransitions"][-1] if answer.get("SecondaryStatusTransitions") else {}
    message = last.get("StatusMessage", answer["SecondaryStatus"])
    yield f"{answer['TrainingJobName']} {answer['TrainingJobStatus']}: {message}"
    if reason := answer.get("FailureReason"):
        yield from (told("" if place else "failure", line) for place, line in enumerate(reason.splitlines()))
        yield from hidden.reasons(connection, answer)
    if "TuningJobArn" in answer:
        yield told("of", name_of(answer["TuningJobArn"]))
    yield told("created", moment(answer["CreationTime"]))
    if "TrainingStartTime" in answer:
        yield told("trained", since(answer["TrainingStartTime"], answer.get("TrainingEndTime")))
    yield told("image", answer["AlgorithmSpecification"].get("TrainingImage", ""))
    yield from several("parameters", own(answer.get("HyperParameters") or {}))
    yield from several("metrics", {name: f"{value:.6g}" for name, value in metrics(answer).items()})
    if answer["TrainingJobStatus"] in ("Completed", "Stopped"):
        yield told("model", models.shown(connection, answer["ModelArtifacts"]["S3ModelArtifacts"]))


def metrics(answer: Mapping[str, Any]) -> dict[str, float]:
    """The final value of each metric of a training job, without the second name of the objective."""
    found = {metric["MetricName"]: float(metric["Value"]) for metric in answer.get("FinalMetricDataList") or []}
    return {name: value for name, value in found.items() if name != OBJECTIVE_ALIAS}


def described(connection: Connection, found: Found) -> Lines:
    """What `pegbox describe` says."""
    return tuning_job(found.answer) if found.is_tuning else training_job(connection, found.answer)
