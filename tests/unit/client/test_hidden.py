"""Files that are there, but that a program does not see."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegbox.client.hidden import hint


@pytest.mark.parametrize(
    ("said", "bind"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: '../data/x.csv', exit code: 1", "../data"),
        ("cat: ../data/x.csv: No such file or directory", "../data"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '../y.csv'", "../y.csv"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '{data}/x.csv'", "{data}"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '../data'", "../data"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '../data/none.csv'", None),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'inside.csv'", None),
        ("no such thing", None),
    ],
)
def test_what_is_there_is_told_with_the_bind_that_shows_it(tmp_path: Path, said: str, bind: str | None) -> None:
    for name in ("work", "data"):
        (tmp_path / name).mkdir()
    for name in ("data/x.csv", "y.csv", "work/inside.csv"):
        (tmp_path / name).touch()
    found = hint(f"AlgorithmError: {said}".format(data=tmp_path / "data"), tmp_path / "work")
    if bind is None:
        assert found is None
    else:
        assert found is not None and f"add bind: [{bind.format(data=tmp_path / 'data')}:ro]" in found
