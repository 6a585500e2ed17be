from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pegbox.runner import layout, leftovers
from runs import a_job


def prepared(directory: Path, **changes: Any) -> tuple[Any, Path]:
    job = a_job(directory, **changes)
    layout.prepare(job, "algo-1")
    return job, directory / "algo-1"


def left(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*")}


def test_what_the_server_stores_is_left_and_nothing_else(tmp_path: Path) -> None:
    job, home = prepared(tmp_path)
    (home / "home/.cache").mkdir()
    (home / "home/.cache/file").touch()
    (home / "ml/model/weights").touch()
    leftovers.remove(job, "algo-1")
    assert left(home) == {"ml", "ml/model", "ml/model/weights"}


def test_nothing_is_left_of_a_program_that_leaves_nothing(tmp_path: Path) -> None:
    job, home = prepared(tmp_path)
    leftovers.remove(job, "algo-1")
    assert not home.exists()


def test_an_empty_place_for_checkpoints_that_are_looked_after_stays(tmp_path: Path) -> None:
    job, home = prepared(tmp_path, checkpoint_path="/opt/ml/checkpoints")
    leftovers.remove(job, "algo-1")
    assert (home / "ml/checkpoints").is_dir()


def test_large_inputs_are_left_to_the_server(tmp_path: Path) -> None:
    job, home = prepared(tmp_path)
    for number in range(leftovers.MOST):
        (home / f"ml/input/data/{number}").touch()
    leftovers.remove(job, "algo-1")
    assert len(list((home / "ml/input/data").iterdir())) == leftovers.MOST
    assert not (home / "tmp").exists()


@pytest.mark.parametrize("place", ["tmp", "input/kept", "code"])
def test_checkpoints_stay_wherever_they_are(tmp_path: Path, place: str) -> None:
    job, home = prepared(tmp_path, checkpoint_path=f"/opt/ml/{place}")
    (home / "ml" / place / "checkpoint").touch()
    leftovers.remove(job, "algo-1")
    assert (home / "ml" / place / "checkpoint").exists()


def test_a_link_that_a_program_left_is_not_followed(tmp_path: Path) -> None:
    job, home = prepared(tmp_path / "attempt")
    others = tmp_path / "others"
    others.mkdir()
    (others / "file").touch()
    (home / "tmp").rmdir()
    (home / "tmp").symlink_to(others)
    (home / "home/link").symlink_to(others)
    leftovers.remove(job, "algo-1")
    assert (others / "file").exists()
    assert not (home / "home").exists()
