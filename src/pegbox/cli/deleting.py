"""pegbox delete."""

from __future__ import annotations

from typing import Annotated

import typer

from pegbox.cli.options import Home
from pegbox.cli.output import tell
from pegbox.counts import counted


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
    from pegbox.client import following
    from pegbox.client.finding import find

    sagemaker = sagemaker_of(home)
    for name in names:
        found = find(sagemaker, name)
        if not found.is_tuning:
            sagemaker.delete_training_job(TrainingJobName=found.name)
            tell(f"{found.name} is deleted")
            continue
        own = list(following.training_jobs(sagemaker, found.name)) if training_jobs else []
        for job in own:
            sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
        sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=found.name)
        tell(f"{found.name} is deleted" + (f", with {counted(len(own), 'training job')}" if own else ""))
