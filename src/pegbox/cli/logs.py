"""pegbox logs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pegbox.cli.asking import connected
from pegbox.cli.options import Home
from pegbox.cli.output import LEFT, tell

if TYPE_CHECKING:
    from pegbox.client.reading import Line

PAUSE = 0.5  #: seconds between two looks


def logs(
    name: Annotated[str, typer.Argument(help="A training job, or a tuning job, all of whose jobs are meant.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is printed, until the end.")] = False,
    tail: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="Begin with so many lines of the end.", show_default="all")
    ] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", "-t", help="Say when each line was printed.")] = False,
    home: Home = None,
) -> None:
    """Print what a training job has printed.  Lines are marked if there are several jobs, or instances of a job."""
    from pegbox.client.finding import find
    from pegbox.client.reading import Reader

    connection = connected(home)
    sagemaker = connection.client("sagemaker")
    reader = Reader(sagemaker, connection.client("logs"), find(sagemaker, name), tail)
    printed = False
    try:
        while True:
            for lines in reader.new():
                for line in lines:
                    typer.echo(_shown(line, timestamps))
                    printed = True
            if not follow or reader.is_over():
                break
            time.sleep(PAUSE)
    except KeyboardInterrupt:
        raise typer.Exit(LEFT) from None
    if not printed:
        tell(f"{name} has printed nothing, or what it has is not kept here any more")


def _shown(line: Line, timestamps: bool) -> str:
    moment = datetime.fromtimestamp(line.at / 1000, UTC).astimezone()
    time = f"{moment:%Y-%m-%d %H:%M:%S}.{line.at % 1000:03} " if timestamps else ""
    return f"{time}{line.source + ' | ' if line.source else ''}{line.message}"
