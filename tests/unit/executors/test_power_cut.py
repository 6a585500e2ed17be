"""What a power cut leaves of an attempt: records without bytes, and outputs that were never written."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.executors import directory as files
from pegbox.executors.base import Attempt, Observation, Phase
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.attempts import Watch, an_attempt, values, wait_for

PROGRAM = "print('loss=1;'); print('loss=2;')"
EARLIER = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def executor() -> Iterator[SubprocessExecutor]:
    executor = SubprocessExecutor(zygote=False, containment="off")
    yield executor
    executor.close()


def ended(executor: SubprocessExecutor, directory: Path) -> Attempt:
    """An attempt whose processes have ended, and are gone."""
    attempt = an_attempt(directory, PROGRAM)
    executor.start(attempt)
    assert Watch(executor, directory).until_over().phase is Phase.EXITED
    wait_for(lambda: files.lock_holder(directory) is None)
    return attempt


def reboot(directory: Path) -> None:
    """Have the records name an earlier boot."""
    for path in directory.glob("*.json"):
        path.write_text(re.sub(r'"boot_id": "[^"]*"', f'"boot_id": "{EARLIER}"', path.read_text()))


def look(executor: SubprocessExecutor, directory: Path) -> tuple[Phase, bool]:
    seen = executor.observe(directory, 0)
    return seen.phase, seen.rebooted


def test_an_end_is_believed_in_the_boot_in_which_it_came(executor: SubprocessExecutor, tmp_path: Path) -> None:
    ended(executor, tmp_path / "attempt")
    assert look(executor, tmp_path / "attempt") == (Phase.EXITED, False)


def test_outputs_that_were_not_on_disk_when_the_machine_went_down_are_lost(
    executor: SubprocessExecutor, tmp_path: Path
) -> None:
    ended(executor, tmp_path / "attempt")
    reboot(tmp_path / "attempt")
    seen: Observation = executor.observe(tmp_path / "attempt", 0)
    assert (seen.phase, seen.rebooted, seen.exit) == (Phase.LOST, True, None)
    assert values(seen.points) == [1.0, 2.0]


def test_an_end_that_says_nothing_of_its_boot_came_in_that_of_its_runner(
    executor: SubprocessExecutor, tmp_path: Path
) -> None:
    """As one of a runner that an earlier version has started."""
    ended(executor, tmp_path / "attempt")
    reboot(tmp_path / "attempt")
    record = json.loads((tmp_path / "attempt" / "exit.json").read_text())
    del record["boot_id"], record["on_disk"]
    (tmp_path / "attempt" / "exit.json").write_text(json.dumps(record))
    assert look(executor, tmp_path / "attempt") == (Phase.LOST, True)


@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["long", "short"])
def test_a_long_training_leaves_its_outputs_on_disk(
    executor: SubprocessExecutor, tmp_path: Path, seconds: float
) -> None:
    directory = tmp_path / "attempt"
    directory.mkdir()
    attempt = an_attempt(directory, PROGRAM)
    files.write_attempt(attempt, inherited={}, wake=None, isolate=False, contain=False, hidden=[])
    source = f"import pathlib, sys; from pegbox.runner import supervise; supervise.LONG = {seconds}; "
    source += "supervise.run(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", source, str(directory)], check=True, timeout=60)
    assert json.loads((directory / "exit.json").read_text())["on_disk"] is (seconds == 0.0)
    reboot(directory)
    assert look(executor, directory) == ((Phase.EXITED, False) if seconds == 0.0 else (Phase.LOST, True))


@pytest.mark.parametrize("spoilt", ["spawn.json", "runner.json", "exit.json", "attempt.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 64], ids=["empty", "zeros"])
def test_a_record_without_its_bytes_is_lost_with_the_attempt(
    executor: SubprocessExecutor, tmp_path: Path, spoilt: str, content: bytes
) -> None:
    directory = tmp_path / "attempt"
    attempt = ended(executor, directory)
    reboot(directory)
    (directory / spoilt).write_bytes(content)
    assert look(executor, directory) == (Phase.LOST, True)
    executor.start(attempt)
    assert look(executor, directory) == (Phase.LOST, True)


def test_a_start_of_which_nothing_is_left_but_a_name_is_lost(executor: SubprocessExecutor, tmp_path: Path) -> None:
    (tmp_path / "spawn.json").touch()
    (tmp_path / "attempt.json").touch()
    assert look(executor, tmp_path) == (Phase.LOST, True)


def test_points_are_read_up_to_where_they_are_spoilt(executor: SubprocessExecutor, tmp_path: Path) -> None:
    directory = tmp_path / "attempt"
    ended(executor, directory)
    reboot(directory)
    lines = (directory / "points").read_bytes().splitlines(keepends=True)
    (directory / "points").write_bytes(lines[0] + b"\0" * 20 + b"\n")
    seen = executor.observe(directory, 0)
    assert (seen.phase, values(seen.points), seen.cursor) == (Phase.LOST, [1.0], len(lines[0]))
