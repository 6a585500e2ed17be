"""The server that a command asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegbox.cli.output import tell

if TYPE_CHECKING:
    from pathlib import Path

    from pegbox.client.connection import Connection


def connected(home: Path | None, *, fresh: bool = False) -> Connection:
    """The server that is meant; `fresh`: the home may be a new one."""
    from pegbox.client.connection import connect

    return connect(home, tell, fresh=fresh)


def sagemaker_of(home: Path | None) -> Any:
    """A client of the server that is meant."""
    return connected(home).client("sagemaker")
