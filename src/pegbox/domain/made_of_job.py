"""The trial component that a training job makes by itself: everything in it is read off the job.

What a user changes of it is kept apart, and laid over it whenever it is read; so it follows the job all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pegbox.domain.properties import number_of
from pegbox.naming import COMPONENT_OF_JOB

SOURCE_TYPE = "SageMakerTrainingJob"
TUNING_SOURCE_TYPE = "SageMakerHyperParameterTuningJob"
REMOVED = "Removed"  #: in a component's document: what a user has removed, member -> keys
MAPS = ("Parameters", "InputArtifacts", "OutputArtifacts")

LONGEST_MESSAGE = 1024
_MEDIA_TYPE = re.compile(r"[-\w]{1,31}/[-\w+]{1,32}")


def component_name(job: str) -> str:
    """Of the component of a training job."""
    return job + COMPONENT_OF_JOB


def job_name(component: str) -> str | None:
    """The inverse; None for a name that is not of this form."""
    name = component[: -len(component_name(""))]
    return name if name and component_name(name).lower() == component.lower() else None


def experiment_name(tuning_job: str) -> str:
    """Of the experiment of a tuning job."""
    return f"{tuning_job}-aws-tuning-job"


def trial_name(job: str, tuning_job: str | None = None, number: int | None = None) -> str:
    """Of the trial that is made for a training job: by its number, if a tuning job has launched it."""
    return f"{job}-aws-trial" if tuning_job is None else f"{tuning_job}-{number or 0:03d}-aws-trial"


def may_be_made(name: str) -> bool:
    """Whether an experiment or a trial of this name may be one that a job makes."""
    return name.lower().endswith((experiment_name(""), trial_name("")))


def made_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """A trial component as DescribeTrialComponent tells it, of what DescribeTrainingJob tells."""
    config = job.get("ExperimentConfig") or {}
    source = {"SourceArn": job["TrainingJobArn"], "SourceType": SOURCE_TYPE}
    made = {
        "DisplayName": config.get("TrialComponentDisplayName"),
        "RunName": config.get("RunName"),
        "Source": source,
        "Sources": [source],
        "Status": {"PrimaryStatus": job["TrainingJobStatus"], "Message": _message(job)},
        "StartTime": job.get("TrainingStartTime"),
        "EndTime": job.get("TrainingEndTime"),
        "Parameters": dict(_parameters(job)),
        "InputArtifacts": dict(_inputs(job)),
        "OutputArtifacts": dict(_outputs(job)),
    }
    return {name: value for name, value in made.items() if value is not None}


def merged(made: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """With a user's changes."""
    found = {**made, **changes}
    removed = changes.get(REMOVED) or {}
    for name in MAPS:
        both = {**(made.get(name) or {}), **(changes.get(name) or {})}
        gone = removed.get(name) or ()
        found[name] = {key: value for key, value in both.items() if key not in gone}
    return found


def parameter(text: str) -> dict[str, Any]:
    """A hyperparameter's value as one of a component: a number if it reads as one."""
    number = number_of(text)
    return {"StringValue": text} if number is None else {"NumberValue": number}


def _message(job: Mapping[str, Any]) -> str:
    reason = job.get("FailureReason") or ""
    secondary = job["SecondaryStatus"]
    return f"Status: {job['TrainingJobStatus']}, secondary status: {secondary}, failure reason: {reason}."[
        :LONGEST_MESSAGE
    ]


def _parameters(job: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in (job.get("HyperParameters") or {}).items():
        yield name, parameter(text)
    if image := job["AlgorithmSpecification"].get("TrainingImage"):  # elsewhere algorithms have names, too
        yield "SageMaker.ImageUri", {"StringValue": image}
    resources = job.get("ResourceConfig") or {}
    for name in ("InstanceCount", "InstanceType", "VolumeSizeInGB"):
        value = resources.get(name)
        if value is not None:
            yield f"SageMaker.{name}", {"StringValue": value} if isinstance(value, str) else {"NumberValue": value}


def _inputs(job: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in job.get("InputDataConfig") or ():
        uri = (channel["DataSource"].get("S3DataSource") or {}).get("S3Uri")
        if uri is not None:
            kind = channel.get("ContentType") or ""
            media = {"MediaType": kind} if _MEDIA_TYPE.fullmatch(kind) else {}
            yield channel["ChannelName"], {**media, "Value": uri}


def _outputs(job: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "SageMaker.ModelArtifact", {"Value": job["ModelArtifacts"]["S3ModelArtifacts"]}
    if hook := job.get("DebugHookConfig"):
        yield "SageMaker.DebugHookOutput", {"Value": hook["S3OutputPath"]}
