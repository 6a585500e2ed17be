"""Options that several commands share."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option(help="Directory with all state.", show_default="PEGBOX_HOME, or the user's data directory"),
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def given(home: Path | None) -> str:
    """What a command that is proposed needs to find the same server."""
    return "" if home is None else f" --home {shlex.quote(str(home))}"
