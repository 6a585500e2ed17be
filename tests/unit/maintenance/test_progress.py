"""What is said of work that takes long."""

from __future__ import annotations

from itertools import count

import pytest

from pegbox.maintenance.progress import Progress


def test_the_line_is_left_once_something_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever comes next, a result or a fault, begins a line of its own."""
    clock = count(step=3)
    with (
        pytest.raises(ZeroDivisionError),
        Progress(lambda text: print(text, end=""), monotonic=lambda: next(clock), leave=print) as told,
    ):
        told.begin("files", 2)
        told.step(size=5_000_000)
        raise ZeroDivisionError
    assert capsys.readouterr().out == "files: 1 of 2, 5 MB\n"


def test_where_nothing_was_said_no_line_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(print, monotonic=lambda: 0.0, leave=print) as told:
        told.begin("files", 2)
        told.step()
    assert capsys.readouterr().out == ""
