"""Environments of peers: a folder each, with the pinned packages of a file in peers/requirements."""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "peers" / "requirements"


def install(environments: Sequence[str], folder: Path) -> None:
    """Make those that are not there yet.  One that cannot be made is told about and left out."""
    for name in environments:
        home = folder / name
        if (home / "bin" / "python").exists():
            print(f"{name}: is there")
            continue
        print(f"{name}: is being installed into {home}", flush=True)
        if not _made(home, REQUIREMENTS / f"{name}.txt"):
            print(f"{name}: cannot be installed with Python {sys.version.split()[0]}, and is left out")


def _made(home: Path, requirements: Path) -> bool:
    """Under another name until all is installed, so that what is there is whole."""
    draft = home.with_name(home.name + ".draft")
    venv.create(draft, clear=True, with_pip=True)
    command = [draft / "bin" / "python", "-m", "pip", "install", "-q", "-r", requirements]
    if subprocess.run(command).returncode:
        return False
    draft.rename(home)
    return True
