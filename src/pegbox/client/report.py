"""Jobs in a few lines: how they went, what was best, where everything lies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pegbox.client import following, models
from pegbox.client.finding import Found
from pegbox.client.view import aim, objective
from pegbox.domain.metrics import OBJECTIVE_ALIAS, OBJECTIVE_PARAMETER

if TYPE_CHECKING:
    from pegbox.client.connection import Connection

Lines = Iterator[str]
MARGIN = 12  #: columns of the words before values


def outcome(tuning: Mapping[str, Any]) -> str:
    """`name Completed: 20 training jobs, 2 failed`."""
    counters = tuning["TrainingJobStatusCounters"]
    counted = (("running", counters["InProgress"]), ("failed", _failed(tuning)), ("stopped", counters["Stopped"]))
    total = sum(counters.values())
    parts = [f"{total} training job{'s' * (total != 1)}", *(f"{count} {what}" for what, count in counted if count)]
    reason = _one_line(tuning.get("FailureReason"))
    name, status = tuning["HyperParameterTuningJobName"], tuning["HyperParameterTuningJobStatus"]
    return f"{name} {status}: {', '.join(parts)}{f'. {reason}' if reason else ''}"


def best(tuning: Mapping[str, Any]) -> Lines:
    """The best training job with its hyperparameters; nothing if there is none."""
    found = tuning.get("BestTrainingJob")
    if found is not None:
        metric = found["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"]
        yield told("best", f"{found['TrainingJobName']}  {metric} = {objective(found):.6g}")
        yield from _several("", found["TunedHyperParameters"])


def failure(sagemaker: Any, tuning: Mapping[str, Any], again: str) -> Lines:
    """Why the first of its training jobs failed that did; nothing if none has."""
    jobs = following.training_jobs(sagemaker, tuning["HyperParameterTuningJobName"]) if _failed(tuning) else []
    failed = next((job for job in jobs if job["TrainingJobStatus"] == "Failed"), None)
    if failed is not None:
        yield told("failed", f"{failed['TrainingJobName']}: {_one_line(failed.get('FailureReason'))}")
        yield told("", f"pegbox logs {failed['TrainingJobName']}{again}")


def _failed(tuning: Mapping[str, Any]) -> int:
    counters = tuning["TrainingJobStatusCounters"]
    return int(counters["NonRetryableError"] + counters["RetryableError"])


def places(connection: Connection, tuning: Mapping[str, Any], again: str) -> Lines:
    """Where to find the model and the training jobs of a tuning job; `again`: options for commands."""
    name, found = tuning["HyperParameterTuningJobName"], tuning.get("BestTrainingJob")
    if found is not None:
        job = connection.client("sagemaker").describe_training_job(TrainingJobName=found["TrainingJobName"])
        yield told("model", models.shown(connection, job["ModelArtifacts"]["S3ModelArtifacts"]))
        yield told("log", f"pegbox logs {found['TrainingJobName']}{again}")
    yield told("all", f"pegbox jobs {name}{again}")


def tuning_job(answer: Mapping[str, Any]) -> Lines:
    """What `pegbox describe` says about a tuning job."""
    config, definition = answer["HyperParameterTuningJobConfig"], answer.get("TrainingJobDefinition") or {}
    goal, limits = aim(answer), config["ResourceLimits"]
    yield outcome(answer)
    yield told("created", moment(answer["CreationTime"]))
    yield told("took", since(answer["CreationTime"], answer.get("HyperParameterTuningEndTime")))
    yield told("strategy", config["Strategy"])
    if goal:
        yield told(goal["Type"].lower(), goal["MetricName"])
    yield told("budget", f"{_most(limits)} training jobs, {limits['MaxParallelTrainingJobs']} at once")
    yield from _several("parameters", {**dict(_ranges(config)), **_static(definition)})
    if definition:
        yield told("image", definition["AlgorithmSpecification"].get("TrainingImage", ""))
        yield told("output", definition["OutputDataConfig"]["S3OutputPath"])
    yield from best(answer)


def training_job(connection: Connection, answer: Mapping[str, Any]) -> Lines:
    """What `pegbox describe` says about a training job."""
    last = answer["SecondaryStatusTransitions"][-1] if answer.get("SecondaryStatusTransitions") else {}
    message = last.get("StatusMessage", answer["SecondaryStatus"])
    yield f"{answer['TrainingJobName']} {answer['TrainingJobStatus']}: {message}"
    if reason := answer.get("FailureReason"):
        yield from (told("" if place else "failure", line) for place, line in enumerate(reason.splitlines()))
    if "TuningJobArn" in answer:
        yield told("of", answer["TuningJobArn"].rpartition("/")[2])
    yield told("created", moment(answer["CreationTime"]))
    if "TrainingStartTime" in answer:
        yield told("trained", since(answer["TrainingStartTime"], answer.get("TrainingEndTime")))
    yield told("image", answer["AlgorithmSpecification"].get("TrainingImage", ""))
    yield from _several("parameters", own(answer.get("HyperParameters") or {}))
    yield from _several("metrics", {name: f"{value:.6g}" for name, value in metrics(answer).items()})
    if answer["TrainingJobStatus"] in ("Completed", "Stopped"):
        yield told("model", models.shown(connection, answer["ModelArtifacts"]["S3ModelArtifacts"]))


def own(hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """Hyperparameters without that of the service."""
    return {name: value for name, value in hyperparameters.items() if name != OBJECTIVE_PARAMETER}


def metrics(answer: Mapping[str, Any]) -> dict[str, float]:
    """The final value of each metric of a training job, without the second name of the objective."""
    found = {metric["MetricName"]: float(metric["Value"]) for metric in answer.get("FinalMetricDataList") or []}
    return {name: value for name, value in found.items() if name != OBJECTIVE_ALIAS}


def described(connection: Connection, found: Found) -> Lines:
    """What `pegbox describe` says."""
    return tuning_job(found.answer) if found.is_tuning else training_job(connection, found.answer)


def since(begin: datetime, end: datetime | None) -> str:
    """How long something took, or has taken so far."""
    return duration(max((end or datetime.now(UTC)) - begin, timedelta()))


def duration(length: timedelta) -> str:
    """`4s`, `3m 05s`, `2h 03m`, `5d 04h`."""
    seconds = round(length.total_seconds())
    for limit, large, small, words in ((3600, 60, 1, "ms"), (86400, 3600, 60, "hm"), (None, 86400, 3600, "dh")):
        if seconds < 60:
            return f"{seconds}s"
        if limit is None or seconds < limit:
            return f"{seconds // large}{words[0]} {seconds % large // small:02}{words[1]}"
    raise AssertionError("the last has no limit")


def told(word: str, value: str) -> str:
    """A value after the word for it."""
    return f"{word:<{MARGIN}}{value}".rstrip()


def _several(word: str, values: Mapping[str, str]) -> Lines:
    """Names with values, aligned."""
    width = max(map(len, values), default=0)
    for place, (name, value) in enumerate(sorted(values.items())):
        yield told("" if place else word, f"{name:<{width}}  {value}")


def _ranges(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    ranges = config.get("ParameterRanges") or {}
    for kind, words in (("IntegerParameterRanges", "whole numbers "), ("ContinuousParameterRanges", "")):
        for each in ranges.get(kind) or []:
            scale = each.get("ScalingType", "Auto")
            shown = "" if scale == "Auto" else f", {scale.lower()}"
            yield each["Name"], f"{words}{each['MinValue']} to {each['MaxValue']}{shown}"
    for each in ranges.get("CategoricalParameterRanges") or []:
        yield each["Name"], "one of " + ", ".join(each["Values"])


def _static(definition: Mapping[str, Any]) -> dict[str, str]:
    static = own(definition.get("StaticHyperParameters") or {})
    return {name: f"always {value}" for name, value in static.items()}


def _most(limits: Mapping[str, Any]) -> str:
    return str(limits.get("MaxNumberOfTrainingJobs", "all"))


def moment(at: datetime) -> str:
    """A time where the reader is."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
