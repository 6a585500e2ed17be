"""Whose process groups a runner may touch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.executors.base import Phase
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.runner import descendants
from pegbox.testing.attempts import Watch, an_attempt, log_of, wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(99)"]

ASK = "import sys; from pegbox.runner import descendants; print(descendants.own_groups({int(sys.argv[1])}))"


@pytest.fixture
def group() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, process_group=0) as leader:
        yield leader
        leader.kill()


def test_the_group_of_a_child_is_ours(group: subprocess.Popen[bytes]) -> None:
    assert descendants.own_groups({group.pid}) == {group.pid}


def test_a_group_in_which_no_descendant_is_belongs_to_somebody_else(group: subprocess.Popen[bytes]) -> None:
    """As when a trainer was reaped long ago and its number was given to another program."""
    asked = subprocess.run([sys.executable, "-c", ASK, str(group.pid)], capture_output=True, text=True, check=True)
    assert asked.stdout == "set()\n"


def test_a_group_that_is_gone_is_nobodys(group: subprocess.Popen[bytes]) -> None:
    group.kill()
    group.wait()
    assert descendants.own_groups({group.pid}) == set()


# algo-1 ends at once and leaves a process in its group; algo-2 goes on.
LEAVES_ONE = """
import os, signal, subprocess, sys, time
if os.environ["SM_CURRENT_HOST"] == "algo-1":
    left = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('told', flush=True), sys.exit()))"
    subprocess.Popen([sys.executable, "-c", left + "; print('loss=1;', flush=True); time.sleep(99)"])
else:
    time.sleep(99)
"""


def test_what_an_ended_trainer_left_in_its_group_is_told_to_end(tmp_path: Path) -> None:
    executor = SubprocessExecutor(zygote=False, containment="off")  # in a cell it would be gone at once
    directory = tmp_path / "attempt"
    executor.start(an_attempt(directory, LEAVES_ONE, instance_count=2))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    trainer = json.loads((directory / "runner.json").read_text())["hosts"]["algo-1"]
    wait_for(lambda: not Path(f"/proc/{trainer}").exists())
    executor.stop(directory)
    seen = watch.until_over()
    executor.close()
    assert seen.phase is Phase.EXITED
    assert b"told" in log_of(directory)
