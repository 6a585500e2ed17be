"""What the probe finds: what a machine never allows, and what it only does not allow at the moment."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pegbox.engine.obstacles import obstacle
from pegbox.executors.base import NotNow
from places import possible

__all__ = ["possible"]

pytestmark = pytest.mark.usefixtures("possible")

IN_NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c"]


def run(*lines: str) -> str:
    """What a program prints that may change its view of the machine."""
    command = [*IN_NAMESPACES, "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_probe_needs_no_room_on_a_disk() -> None:
    found = json.loads(
        run(
            "import os, sys",
            "from pegbox.runner import syscalls",
            "syscalls.private_mounts()",
            "syscalls.make_read_only('/')",
            "os.execv(sys.executable, [sys.executable, '-m', 'pegbox.runner.probe'])",
        )
    )
    assert (found["files"], found["network"]) == ("", "")


USED_UP = """
import pathlib, subprocess, tempfile, time
from pegbox.executors.base import NotNow
from pegbox.executors.containment import Containment
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.attempts import Watch, an_attempt, log_of

pathlib.Path("/proc/sys/user/max_pid_namespaces").write_text("1")
holder = subprocess.Popen(["unshare", "--pid", "--fork", "sleep", "99"], stdout=subprocess.PIPE)
while not pathlib.Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text():
    time.sleep(0.005)
containment = Containment("auto", pause=0.0)
executor = SubprocessExecutor(zygote=False, containment=containment)
with tempfile.TemporaryDirectory() as name:
    attempt = an_attempt(pathlib.Path(name, "attempt"), "import os; print(len(os.listdir('/proc')) and os.getpid())")
    for _ in range(2):
        try:
            executor.start(attempt)
        except NotNow as error:
            print(error)
    stopped = an_attempt(pathlib.Path(name, "stopped"), "print('ran')")
    stopped.directory.mkdir()
    executor.stop(stopped.directory)
    executor.start(stopped)
    print(Watch(executor, stopped.directory).until_over().exit.cause, log_of(stopped.directory))
    subprocess.run(["kill", "-9", pathlib.Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().strip()])
    holder.wait()
    while True:  # the kernel gives a namespace back a moment after its end
        try:
            executor.start(attempt)
            break
        except NotNow:
            time.sleep(0.005)
    Watch(executor, attempt.directory).until_over()
    print(int(log_of(attempt.directory)) < 10)
executor.close()
"""


def test_what_is_used_up_for_a_moment_lowers_no_wall() -> None:
    """Nothing is run, unless it is to end at once; and later it is run in a cell."""
    *refused, stopped, contained = run(USED_UP).splitlines()
    why = "it cannot be told whether this machine contains programs: files: No space left on device"
    assert refused == [why, why]
    assert stopped == "Cause.STOPPED b''"
    assert contained == "True"


def test_a_job_whose_walls_cannot_be_built_now_waits() -> None:
    assert obstacle(NotNow("the machine has no room")) == "the machine has no room"
