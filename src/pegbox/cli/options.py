"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Home = Annotated[
    Path | None,
    typer.Option(help="Directory with all state.", show_default="PEGBOX_HOME, or the user's data directory"),
]
