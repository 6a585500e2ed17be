"""What an attempt at a training job is told, and what its end means."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pegbox.domain import training
from pegbox.domain.training import MOST_REASON, StopReason, TrainingJob
from pegbox.engine import limits
from pegbox.engine.programs import Plan
from pegbox.executors.base import Attempt, Cause, Exit, Observation, Phase
from pegbox.settings import Settings
from pegbox.store.resources import MetricPoint, Resource

CLIENT_CODES = (126, 127)  #: exit codes for a program that cannot be executed


def attempt_of(resource: Resource, job: TrainingJob, todo: Plan, directory: Path, settings: Settings) -> Attempt:
    """The present attempt at a job; its time is what earlier ones have left."""
    document = resource.document
    resources = document["ResourceConfig"]
    return Attempt(
        id=f"{resource.id}-{job.attempt}",
        directory=directory,
        job_name=resource.name,
        job_arn=resource.arn,
        region=resource.region,
        created=resource.created_at,
        program=todo.program,
        hyperparameters=document.get("HyperParameters") or {},
        environment=document.get("Environment") or {},
        channels=_input_data_config(document),
        metrics=document["AlgorithmSpecification"].get("MetricDefinitions") or [],
        instance_count=resources["InstanceCount"],
        instance_type=resources["InstanceType"],
        checkpoint_path=(document.get("CheckpointConfig") or {}).get("LocalPath"),
        max_runtime=max(1.0, document["StoppingCondition"]["MaxRuntimeInSeconds"] - job.used),
        grace=settings.stop_grace,
        limits=limits.of(document, settings.limited),
        hidden=(job.home,) if job.home else (),  # which may be another server's
        network_isolation=bool(document.get("EnableNetworkIsolation")),
        most_log=settings.most_log,
        most_points=settings.metric_points,
    )


def may_run(seen: Observation, directory: Path) -> bool:
    """Whether a process of the attempt is there, or about to be."""
    return seen.phase is Phase.RUNNING or (seen.phase is Phase.STARTING and (directory / "spawn.json").exists())


def _input_data_config(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """inputdataconfig.json.  (Guide, "How Amazon SageMaker Provides Training Information".)"""
    mode = document["AlgorithmSpecification"]["TrainingInputMode"]
    return {
        channel["ChannelName"]: {
            **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
            "TrainingInputMode": channel.get("InputMode") or mode,
            "S3DistributionType": channel["DataSource"]["S3DataSource"]["S3DataDistributionType"],
            "RecordWrapperType": channel["RecordWrapperType"],
        }
        for channel in document.get("InputDataConfig") or []
    }


def imported(job: TrainingJob, seen: Observation) -> TrainingJob:
    """The job with the new points and the start of training."""
    if not seen.points and seen.cursor == job.cursor and (job.started or not seen.started):
        return job
    latest = dict(job.latest or {})
    for point in seen.points:
        known = latest.get(point.metric)
        if known is None or point.at >= known[1]:
            latest[point.metric] = (point.value, point.at)
    return replace(job, latest=latest, cursor=seen.cursor, started=job.started or seen.started)


def kept_points(job: TrainingJob, seen: Observation) -> list[MetricPoint]:
    """The new points that are stored; of a metric with very many, of the others only the last value is known."""
    return [
        MetricPoint(
            attempt=job.attempt,
            offset=point.offset,
            host=point.host,
            metric=point.metric,
            value=point.value,
            at=point.at,
        )
        for point in seen.points
        if point.is_kept
    ]


def is_unasked(job: TrainingJob, ended: Exit | None) -> bool:
    """Whether it was stopped, and not because of anything that is known of this job: its work was cut off."""
    return ended is not None and ended.cause is Cause.STOPPED and job.stop is None and job.failure is None


def packed(job: TrainingJob, ended: Exit, now: float) -> TrainingJob:
    """The job whose processes have ended, with what that means for it; its outputs are to be stored."""
    times: dict[str, Any] = {"started": job.started or ended.started, "ended": ended.ended}
    if ended.cause is Cause.MAX_RUNTIME and job.stop is None:
        job = training.ask_to_stop(job, StopReason.MAX_RUNTIME, now)
    if job.failure is not None:
        return replace(job, phase=training.Phase.PACKING, **times)
    if job.stop is None and any(ended.codes.values()):
        return replace(job, failure=failure_reason(ended), phase=training.Phase.PACKING, **times)
    return training.enter(job, "Uploading", training.Phase.PACKING, now, **times)


def failure_reason(ended: Exit) -> str:
    """`AlgorithmError: <what the program said>, exit code: N`; as containers do, N is 128 and more for a signal."""
    code = next(code for code in ended.codes.values() if code)
    if code in CLIENT_CODES and ended.failure.startswith("ClientError"):
        return ended.failure
    said = ended.failure or (f"ended by signal {_signal_name(-code)}" if code < 0 else "the program said nothing")
    said = "".join(sign if sign.isprintable() or sign in "\n\t" else " " for sign in said)
    head, tail = "AlgorithmError: ", f", exit code: {code if code > 0 else 128 - code}"
    return f"{head}{said[: MOST_REASON - len(head) - len(tail)]}{tail}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
