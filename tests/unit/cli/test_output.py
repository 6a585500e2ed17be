"""Tables of the commands for people."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from pegbox.cli.output import table

HEAD = ("NAME", "STATUS", "lr", "optimizer")
ROWS = [("train-1-001", "Completed", "0.01", "sgd"), ("train-1-002", "Failed", "", "[bold]")]


def shown(*, terminal: bool, width: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None)
    table(console, HEAD, ROWS, least=1)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_columns_that_do_not_fit_on_a_terminal_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(terminal=True, width=80) == [
        "NAME         STATUS     lr    optimizer",
        "train-1-001  Completed  0.01  sgd",
        "train-1-002  Failed           [bold]",
    ]
    assert capsys.readouterr().err == ""
    assert shown(terminal=True, width=30)[1] == "train-1-001  Completed  0.01"
    assert "has no room for optimizer" in capsys.readouterr().err
    assert shown(terminal=True, width=5)[1] == "trai…"


def test_all_columns_go_into_a_pipe() -> None:
    assert shown(terminal=False, width=5)[1] == "train-1-001  Completed  0.01  sgd"
