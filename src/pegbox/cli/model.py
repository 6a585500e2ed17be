"""pegbox model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pegbox.cli.asking import connected
from pegbox.cli.options import Home
from pegbox.cli.output import refuse, tell
from pegbox.counts import counted


def model(
    name: Annotated[str, typer.Argument(help="A training job, or a tuning job, the best of whose jobs is meant.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A folder that is new or empty.", show_default="the training job's name"),
    ] = None,
    home: Home = None,
) -> None:
    """Fetch and unpack what a training job has saved in SM_MODEL_DIR."""
    from pegbox.client import models
    from pegbox.client.finding import find

    connection = connected(home)
    sagemaker = connection.client("sagemaker")
    job = find(sagemaker, name)
    if job.is_tuning:
        best = job.answer.get("BestTrainingJob")
        if best is None:
            raise refuse(f"no training job of {name} has a result: name one of its jobs")
        job = find(sagemaker, best["TrainingJobName"])
    if job.answer["TrainingJobStatus"] not in ("Completed", "Stopped"):
        raise refuse(f"{job.name} has no model: it is {job.answer['TrainingJobStatus']}")
    into = output or Path(job.name)
    try:
        count = models.fetch(connection, job.answer["ModelArtifacts"]["S3ModelArtifacts"], into)
    except models.NoModel as error:
        raise refuse(f"{job.name}: {error}") from None
    tell(f"the model of {job.name}, {counted(count, 'file')}, is in {into}")
