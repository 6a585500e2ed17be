"""Options that several commands share."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pegbox.settings import is_account

Home = Annotated[
    Path | None,
    typer.Option(help="Directory with all state.", show_default="PEGBOX_HOME, or the user's data directory"),
]


def an_account(given: str | None) -> str | None:
    """The account that an option names.  Raises BadParameter."""
    if given is not None and not is_account(given):
        raise typer.BadParameter(f"{given!r} is not twelve digits")
    return given


Account = Annotated[
    str | None,
    typer.Option(help="Account of twelve digits.", show_default="the setting account_id", callback=an_account),
]

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def given(home: Path | None) -> str:
    """What a command that is proposed needs to find the same server."""
    return "" if home is None else f" --home {shlex.quote(str(home))}"
