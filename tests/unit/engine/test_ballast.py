"""Room that is given back when the disk is full: it is there, or it is not."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from pegbox.engine.ballast import Ballast

SIZE = 1 << 20


def test_the_room_is_taken_and_given_back(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, SIZE)
    ballast.lay()
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("ballast", SIZE)]
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= SIZE
    ballast.drop()
    assert not list(tmp_path.iterdir())


def test_room_that_is_refused_leaves_nothing_and_is_asked_for_again(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, SIZE)  # files of this process may not grow so large: RLIMIT_FSIZE, setrlimit(2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE // 2, before[1]))
    try:
        ballast.lay()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())
    ballast.lay()
    assert (tmp_path / "ballast").stat().st_size == SIZE


@pytest.mark.parametrize("left", [".ballast", "ballast"])
def test_what_a_server_left_that_died_over_it_is_no_ballast(tmp_path: Path, left: str) -> None:
    (tmp_path / left).touch()
    Ballast(tmp_path, SIZE).lay()
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("ballast", SIZE)]
