"""Tables as commands give them out: on the screen, or as a file for programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegbox.cli.output import number, refuse, table, tell

if TYPE_CHECKING:
    from pegbox.client.rows import Column


class Form(StrEnum):
    """How a table is given out."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class Printed(StrEnum):
    """How a table is given out on the screen."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Shown = Annotated[Printed, typer.Option("--format", help="table, csv or json.")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="The file to write.", show_default="standard output")
]
Formatted = Annotated[
    Form | None,
    typer.Option(
        "--format", help="table, csv, json or parquet.", show_default="as the name of the file ends, else table"
    ),
]


def chosen(form: Form | None, output: Path | None, *, otherwise: Form = Form.TABLE) -> Form:
    """The form that is meant; before anything is asked, so that a wrong one is told at once."""
    found = form or _by_name(output, otherwise)
    if output is None and found is Form.PARQUET and sys.stdout.isatty():
        raise refuse("Parquet is not for terminals: give --output FILE")
    return found


def write(columns: Sequence[Column], form: Form, output: Path | None, what: str) -> None:
    """Give out a table; `what` its rows are."""
    from pegbox.client.export import FORMATS

    if form is Form.TABLE and output is None:
        show(columns)
        return
    written = FORMATS["csv" if form is Form.TABLE else form.value](columns)
    if output is None:
        typer.get_binary_stream("stdout").write(written)
        return
    try:
        output.write_bytes(written)
    except OSError as error:
        raise refuse(f"{output}: {error.strerror}") from None
    tell(f"{len(columns[0].values)} {what} are in {output}")


def show(columns: Sequence[Column], least: int = 2) -> None:
    """Print a table for people."""
    from rich.console import Console

    cells = [[shown(column.kind, value) for value in column.values] for column in columns]
    table(Console(), [column.name for column in columns], list(zip(*cells, strict=True)), least=least)


def shown(kind: str, value: Any) -> str:
    """A value for people: times as they are here, numbers with six digits."""
    from pegbox.client.lines import moment, one_line

    if value is None:
        return ""
    if kind == "time":
        return moment(value)
    if kind == "truth":
        return str(value).lower()
    return number(value) if kind == "number" else one_line(str(value))


def _by_name(output: Path | None, otherwise: Form) -> Form:
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    if not ending:
        return otherwise
    if ending not in ("csv", "json", "parquet"):
        raise refuse(f"{output}: .{ending} is none of the formats csv, json, parquet: --format says which is meant")
    return Form(ending)
