"""What a runner that was killed leaves: no process, however it hides, and no control group."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from pegbox.crashpoints import PLAN, VARIABLE
from pegbox.executors.base import Limits, Phase, Program
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.runner import cgroups
from pegbox.runner.records import group_prefix
from pegbox.testing.attempts import Watch, an_attempt, mark_of, processes_of, wait_for

#: Leaves a process of another session, with or without an environment, that only its last argument can be known by.
LEAVE = "setsid {with_what} sh -c 'sleep 99; :' {mark} >/dev/null 2>&1 & echo 'loss=1;'; sleep 99"


def groups_of(directory: Path) -> list[Path]:
    parents = {parent for parent, _ in cgroups.hierarchies().values()}
    return [group for parent in parents for group in parent.glob(f"{group_prefix(directory)}*")]


def arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


@pytest.mark.parametrize("way", ["environment", "groups"])
def test_without_a_cell_a_lost_runner_leaves_no_process(tmp_path: Path, way: str) -> None:
    """Each of the two ways to find them is enough where it applies."""
    limits, with_what = (Limits(), "") if way == "environment" else (Limits(processes=100), "env -i")
    if way == "groups" and "pids" not in cgroups.hierarchies():
        pytest.skip("this user may not make control groups")
    directory = tmp_path / "attempt"
    executor = SubprocessExecutor(zygote=False, containment="off")
    script = LEAVE.format(with_what=with_what, mark=mark_of(directory))
    executor.start(an_attempt(directory, program=Program(argv=("/bin/sh", "-c", script)), limits=limits))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    wait_for(lambda: any(mark_of(directory) in arguments(pid) for pid in processes_of(directory)))
    os.kill(json.loads((directory / "runner.json").read_text())["pid"], signal.SIGKILL)
    assert watch.until_over().phase is Phase.LOST
    wait_for(lambda: not processes_of(directory))
    executor.close()
    assert not groups_of(directory)


def test_a_runner_that_dies_while_it_starts_leaves_no_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not cgroups.hierarchies():
        pytest.skip("this user may not make control groups")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / PLAN).write_text("KILL 1 after trainer fork\n")
    directory = tmp_path / "attempt"
    executor = SubprocessExecutor(zygote=False)
    executor.start(an_attempt(directory, "import time; time.sleep(99)", limits=Limits(processes=100, memory=1 << 28)))
    assert Watch(executor, directory).until_over().phase is Phase.LOST
    executor.close()
    assert not groups_of(directory)
