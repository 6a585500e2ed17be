"""pegbox delete."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegbox.cli.options import Home
from pegbox.cli.output import refuse, tell
from pegbox.counts import counted

if TYPE_CHECKING:
    from pegbox.client.finding import Found


def delete(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Tuning jobs or training jobs that have ended.")
    ],
    training_jobs: Annotated[
        bool, typer.Option("--training-jobs", help="Delete the training jobs of a tuning job as well.")
    ] = False,
    home: Home = None,
) -> None:
    """Forget jobs that have ended.  Models, outputs, logs and what pegbox audit knows stay.

    The training jobs of a tuning job stay as well, unless --training-jobs is given.
    """
    from pegbox.cli.asking import sagemaker_of
    from pegbox.client.finding import find

    sagemaker = sagemaker_of(home)
    for name in names:
        found = find(sagemaker, name)
        if not found.is_tuning:
            sagemaker.delete_training_job(TrainingJobName=found.name)
            tell(f"{found.name} is deleted")
            continue
        gone = _with_training_jobs(sagemaker, found) if training_jobs else 0
        sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=found.name)
        tell(f"{found.name} is deleted" + (f", with {counted(gone, 'training job')}" if gone else ""))


def _with_training_jobs(sagemaker: Any, found: Found) -> int:
    """Delete all training jobs of a tuning job that has ended; returns how many.

    First of all it is looked whether it has: otherwise those would be gone that have ended before it.
    """
    from pegbox.client import following
    from pegbox.client.answers import ENDED

    status = found.answer["HyperParameterTuningJobStatus"]
    if status not in ENDED:
        raise refuse(f"{found.name} is {status}, and nothing of it was deleted: pegbox stop {found.name} ends it")
    own = [job["TrainingJobName"] for job in following.training_jobs(sagemaker, found.name)]
    for name in own:
        with suppress(sagemaker.exceptions.ResourceNotFound):  # somebody else has deleted it meanwhile
            sagemaker.delete_training_job(TrainingJobName=name)
    return len(own)
