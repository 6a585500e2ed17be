"""Whose leases are of the dead: told by locks, which the kernel frees however a process ends."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pegbox.engine import owners
from pegbox.engine.owners import Owner

HOLDS = (
    "import os, pathlib, sys\n"
    "from pegbox.engine.owners import Owner\n"
    "owner = Owner('here', pathlib.Path(sys.argv[1]), os.getpid())\n"
    "owner.hold()\n"
    "print(owner.name, flush=True)\n"
    "sys.stdin.read()\n"
)


def test_an_owner_is_alive_until_its_process_ends(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        name = process.stdout.readline().strip()
        assert not owners.is_dead(name, "here", tmp_path)
        assert owners.living(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert owners.is_dead(name, "here", tmp_path)
    assert not owners.is_dead(name, "there", tmp_path)
    assert not owners.living(tmp_path)


def test_an_earlier_process_with_our_pid_is_dead(tmp_path: Path) -> None:
    ours, earlier = (Owner("here", tmp_path, os.getpid()) for _ in range(2))
    ours.hold()
    assert not owners.is_dead(ours.name, "here", tmp_path)
    assert owners.is_dead(earlier.name, "here", tmp_path)
    ours.let_go()
    assert list((tmp_path / "run").iterdir()) == []


def test_locks_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    living = Owner("here", tmp_path, os.getpid())
    living.hold()
    owners.lock_file(tmp_path, "0123abcd").touch()
    owners.tidy(tmp_path)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [owners.lock_file(tmp_path, living.unique).name]
    living.let_go()


def test_a_lock_of_the_dead_cannot_be_taken_when_it_loses_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a server that starts in that moment would hold a lock that nobody finds."""
    owners.lock_file(tmp_path, "0123abcd").parent.mkdir()
    owners.lock_file(tmp_path, "0123abcd").touch()
    unlink, takeable = Path.unlink, []

    def look_and_unlink(path: Path, missing_ok: bool = False) -> None:
        with open(path) as other:
            try:
                fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
                takeable.append(path)
            except BlockingIOError:
                unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", look_and_unlink)
    owners.tidy(tmp_path)
    assert takeable == []
    assert list((tmp_path / "run").iterdir()) == []


def test_two_who_look_at_once_take_each_other_for_no_owner(tmp_path: Path) -> None:
    dead = Owner("here", tmp_path, os.getpid())
    file = owners.lock_file(tmp_path, dead.unique)
    file.parent.mkdir()
    file.touch()
    with open(file) as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # somebody else who looks
        assert owners.is_dead(dead.name, "here", tmp_path)
        owners.tidy(tmp_path)
        assert file.exists()
    owners.tidy(tmp_path)
    assert not file.exists()


def test_nonsense_is_not_dead(tmp_path: Path) -> None:
    assert not owners.is_dead("nonsense", "here", tmp_path)
    assert not owners.is_dead("a/b/../../x", "here", tmp_path)
