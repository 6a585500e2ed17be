"""What the commands for people print."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pegbox.maintenance.progress import Progress

GAP = "  "
LEFT = 130  #: exit code of a command that was left with Ctrl-C


def tell(message: str) -> None:
    """Something that is no result."""
    typer.echo(f"pegbox: {message}", err=True)


def refuse(message: str) -> typer.Exit:
    """Say why nothing can be done; raise what comes back."""
    tell(message)
    return typer.Exit(1)


def lines(console: Console, found: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in found:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def document(answer: Any) -> None:
    """Print an answer of boto3 as JSON: times as texts, nothing about the transport."""
    typer.echo(json.dumps(_plain(answer), indent=2))


def table(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], least: int = 1) -> None:
    """Print rows under a head.  On a terminal the columns that do not fit are left out, but for the `least` first."""
    from rich.cells import cell_len, set_cell_size

    widths = [max(cell_len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    shown = len(head)
    if console.is_terminal:
        while shown > least and sum(widths[:shown]) + len(GAP) * (shown - 1) > console.width:
            shown -= 1
    for number, row in enumerate([head, *rows]):
        cells = [set_cell_size(cell, width) for cell, width in zip(row[:shown], widths[:shown], strict=True)]
        fitting: dict[str, Any] = (
            {"no_wrap": True, "overflow": "ellipsis"} if console.is_terminal else {"soft_wrap": True}
        )
        style = None if number else "bold"
        console.print(GAP.join(cells).rstrip(), style=style, markup=False, highlight=False, **fitting)
    if shown < len(head):
        tell(f"the terminal has no room for {', '.join(head[shown:])}: see --json, or pegbox export")


def number(value: float | None) -> str:
    """A value with six digits; nothing for none."""
    return "" if value is None else f"{value:.6g}"


def progress() -> Progress:
    """How far something is: on a terminal in one line, which is left at the end; elsewhere seldom."""
    from pegbox.maintenance.progress import Progress

    if sys.stderr.isatty():
        return Progress(
            lambda text: typer.echo(f"\r\033[K{text}", nl=False, err=True), leave=lambda: typer.echo(err=True)
        )
    return Progress(lambda text: typer.echo(text, err=True), pause=10.0)


def _plain(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _plain(value) for name, value in answer.items() if name != "ResponseMetadata"}
    if isinstance(answer, list):
        return [_plain(value) for value in answer]
    return answer.isoformat() if hasattr(answer, "isoformat") else answer
