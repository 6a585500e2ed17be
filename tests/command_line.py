"""The command line as people use it, in this process where the process is not the point."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from pegbox.cli.faults import told
from pegbox.cli.main import app
from running import clean_environment


@dataclass(frozen=True, slots=True)
class Done:
    """What a command said."""

    code: int
    out: str
    err: str


def run(*arguments: str | Path, **environment: str) -> Done:
    """Run a command; what main() tells in one line is told here as well."""
    without = {name: None for name in os.environ.keys() - clean_environment().keys()}
    result = CliRunner().invoke(app, [str(each) for each in arguments], env={**without, **environment})
    if result.exception is None or isinstance(result.exception, SystemExit):
        return Done(result.exit_code, result.stdout, result.stderr)
    fault = told(result.exception) if isinstance(result.exception, Exception) else None
    if fault is None:
        raise result.exception
    return Done(1, result.stdout, f"{result.stderr}pegbox: {fault}\n")
