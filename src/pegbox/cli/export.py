"""pegbox export."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pegbox.cli.asking import sagemaker_of
from pegbox.cli.options import Home
from pegbox.cli.tables import Form, Output, chosen, write


class Format(StrEnum):
    """What pandas has a reader for."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def export(
    name: Annotated[str, typer.Argument(help="A tuning job.")],
    form: Annotated[
        Format | None,
        typer.Option("--format", help="csv, json or parquet.", show_default="as the name of the file ends, else csv"),
    ] = None,
    output: Output = None,
    home: Home = None,
) -> None:
    """Write a table with a row for each training job: status, times, objective, hyperparameters, final metrics."""
    from pegbox.client.finding import tuning_job
    from pegbox.client.rows import columns

    wanted = chosen(None if form is None else Form(form.value), output, otherwise=Form.CSV)
    sagemaker = sagemaker_of(home)
    write(columns(sagemaker, tuning_job(sagemaker, name)), wanted, output, "training jobs")
