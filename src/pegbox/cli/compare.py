"""pegbox compare."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegbox.cli.asking import sagemaker_of
from pegbox.cli.options import Home
from pegbox.cli.output import document, refuse, table, tell
from pegbox.cli.tables import Form, Printed, Shown, shown, write
from pegbox.counts import counted, either

if TYPE_CHECKING:
    from pegbox.client.comparing import Row


def compare(
    jobs: Annotated[list[str], typer.Argument(help="Training jobs; a tuning job stands for its best one.")],
    every: Annotated[
        bool, typer.Option("--all", help="Also what is the same, and what differs between any two jobs.")
    ] = False,
    form: Shown = Printed.TABLE,
    home: Home = None,
) -> None:
    """Put training jobs side by side: what of them differs.

    Hyperparameters come first, then inputs, image, metrics, times, and the rest.
    """
    from pegbox.client import comparing

    if len(jobs) < 2:
        raise typer.BadParameter("one job alone cannot be compared: give at least two")
    sagemaker = sagemaker_of(home)
    try:
        records = comparing.jobs(sagemaker, jobs)
    except comparing.NoResult as error:
        raise refuse(str(error)) from None
    names = [record["TrainingJobName"] for record in records]
    rows = comparing.compared(records)
    differing = [row for row in rows if row.differs and (every or not row.is_aside)]
    same = [row for row in rows if not row.differs]
    if form is Printed.JSON:
        parts = {"differ": differing, "same": same} if every else {"differ": differing}
        document({part: {row.name: _by_job(names, row) for row in found} for part, found in parts.items()})
        return
    _write(names, [*differing, *(same if every else ())], form)
    if not every:
        tell(
            f"{counted(len(same), 'property', 'properties')} {either(len(same), 'is', 'are')} the same: --all shows all"
        )


def _by_job(names: Sequence[str], row: Row) -> dict[str, Any]:
    return dict(zip(names, row.values, strict=True))


def _write(names: Sequence[str], rows: Sequence[Row], form: Printed) -> None:
    from rich.console import Console

    from pegbox.client.rows import Column

    if form is Printed.CSV:
        columns = [Column("property", "text", [row.name for row in rows])]
        columns += [
            Column(name, "text", [_exact(row.values[place]) for row in rows]) for place, name in enumerate(names)
        ]
        write(columns, Form.CSV, None, "properties")
        return
    cells = [(row.name, *(shown(_kind(value), value) for value in row.values)) for row in rows]
    table(Console(), ("", *names), cells, least=3)


def _exact(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    return "time" if isinstance(value, datetime) else "number" if isinstance(value, float) else "text"
