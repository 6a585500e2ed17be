"""What a name on the command line means: a tuning job or a training job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.client import following

MISSING = ("ResourceNotFound", "ValidationException")


class NoSuchJob(Exception):
    """The name is that of no job; the message says how to find those there are."""


@dataclass(frozen=True, slots=True)
class Found:
    """A job as its Describe operation shows it."""

    answer: Mapping[str, Any]
    is_tuning: bool

    @property
    def name(self) -> str:
        """As it was given when the job was created."""
        return str(self.answer["HyperParameterTuningJobName" if self.is_tuning else "TrainingJobName"])


def find(sagemaker: Any, name: str) -> Found:
    """A tuning job, else a training job.  Raises NoSuchJob."""
    for is_tuning, look in ((True, _tuning_job), (False, _training_job)):
        answer = look(sagemaker, name)
        if answer is not None:
            return Found(answer, is_tuning)
    raise NoSuchJob(f"there is no tuning job and no training job {name}: pegbox jobs lists those there are")


def tuning_job(sagemaker: Any, name: str) -> Mapping[str, Any]:
    """A tuning job.  Raises NoSuchJob."""
    found = _tuning_job(sagemaker, name)
    if found is None:
        raise NoSuchJob(f"there is no tuning job {name}: pegbox jobs lists those there are")
    return found


def _tuning_job(sagemaker: Any, name: str) -> Mapping[str, Any] | None:
    try:
        return following.describe(sagemaker, name)
    except sagemaker.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        return None


def _training_job(sagemaker: Any, name: str) -> Mapping[str, Any] | None:
    try:
        found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        return found
    except sagemaker.exceptions.ClientError as error:
        if not _is_missing(error):
            raise
        return None


def tags(sagemaker: Any, arn: str) -> Sequence[Mapping[str, str]]:
    """The tags of anything."""
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    return [tag for page in pages for tag in page["Tags"]]


def _is_missing(error: Any) -> bool:
    """A name that is too long, or has signs that no name has, is that of no job, too."""
    return error.response["Error"]["Code"] in MISSING
