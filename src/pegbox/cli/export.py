"""pegbox export."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pegbox.cli.options import Home
from pegbox.cli.output import refuse, tell


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
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="standard output")
    ] = None,
    home: Home = None,
) -> None:
    """Write a table with a row for each training job: status, times, objective, hyperparameters, final metrics."""
    from pegbox.client.connection import connect
    from pegbox.client.export import FORMATS
    from pegbox.client.finding import tuning_job
    from pegbox.client.rows import columns

    chosen = form or _by_name(output)
    if output is None and chosen is Format.PARQUET and sys.stdout.isatty():
        raise refuse("Parquet is not for terminals: give --output FILE")
    sagemaker = connect(home, tell).client("sagemaker")
    table = columns(sagemaker, tuning_job(sagemaker, name))
    written = FORMATS[chosen.value](table)
    if output is None:
        typer.get_binary_stream("stdout").write(written)
        return
    try:
        output.write_bytes(written)
    except OSError as error:
        raise refuse(f"{output}: {error.strerror}") from None
    tell(f"{len(table[0].values)} training jobs are in {output}")


def _by_name(output: Path | None) -> Format:
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    if ending and ending not in [form.value for form in Format]:
        raise refuse(f"{output}: .{ending} is none of the formats csv, json, parquet: --format says which is meant")
    return Format(ending) if ending else Format.CSV
