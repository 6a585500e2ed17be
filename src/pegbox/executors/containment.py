"""What containment of programs this machine allows, and whether it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

import pegbox
from pegbox.executors.base import NotNow

PATIENCE = 60.0  #: seconds for the probe
PAUSE = 5.0  #: seconds until the machine is asked again what it could not tell
LOOK_SECONDS = 3.0  #: between two looks whether it can be told

#: what can be missing -> what that means
MEANING = {
    "files": "programs see the files and processes of the server's user; /opt/ml may be missing",
    "network": "jobs with EnableNetworkIsolation fail",
    "memory": "the limit of memory is looked after once a second, not held by the kernel",
    "processes": "the limit of processes is looked after once a second, not held by the kernel",
}
WALLS = ("files", "network")  #: without these programs are not contained, and `require` does not start


log = structlog.get_logger()


class Containment:
    """The mode, and what a probe finds when it is first asked for.

    What it finds holds for good.  While it cannot tell, NotNow is raised: to take that for a no would lower the walls.
    """

    def __init__(self, mode: str, pause: float = PAUSE) -> None:
        self.mode = mode
        self._pause = pause
        self._silent_until, self._reason = float("-inf"), ""  # monotonic
        self._lock = threading.Lock()
        self._found: Mapping[str, str] | None = None

    def is_wanted(self) -> bool:
        """Whether programs are to be contained: with `require` also where it cannot be done; then they are refused."""
        return self.mode == "require" or (self.mode == "auto" and not self.missing().get("files"))

    def missing(self) -> Mapping[str, str]:
        """Of the walls: which this machine has not -> why."""
        return {kind: reason for kind, reason in self.found().items() if reason and kind in WALLS}

    def found(self) -> Mapping[str, str]:
        """Everything in MEANING -> why this machine has it not, "" when it has."""
        with self._lock:
            if self._found is None:
                self._found = self._ask()
            return self._found

    def _ask(self) -> Mapping[str, str]:
        if time.monotonic() < self._silent_until:
            raise NotNow(self._reason)
        try:
            return probe()
        except NotNow as error:
            self._reason = str(error)
            self._silent_until = time.monotonic() + self._pause
            raise


def probe() -> Mapping[str, str]:
    """Kind of containment -> why it is not possible here, "" when it is.  Tries it, in a process of its own.

    Raises NotNow when there is no answer.
    """
    path = str(Path(pegbox.__file__).resolve().parent.parent)
    command = [sys.executable, "-P", "-m", "pegbox.runner.probe"]
    environment = {"PYTHONPATH": path, "PATH": os.environ.get("PATH", "")}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, text=True)
        if done.returncode == 0:
            found: dict[str, str] = json.loads(done.stdout)
            return found
        why = done.stderr.strip().rpartition("\n")[2] or f"the probe ended with {done.returncode}"
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        why = f"the probe failed: {error}"
    raise NotNow(f"it cannot be told whether this machine contains programs: {why}")


def tell_what_is_missing(containment: Containment, stopped: threading.Event) -> None:
    """Say in the log what is missing, once that is known."""
    told = ""
    while True:
        try:
            return _tell(containment)
        except NotNow as error:
            if told != (told := str(error)):
                log.warning("programs wait", why=told)
        if stopped.wait(LOOK_SECONDS):
            return


def _tell(containment: Containment) -> None:
    if containment.mode == "off":
        log.warning("training programs are not contained: the setting containment is off", so=MEANING["files"])
        return
    for kind, reason in containment.found().items():
        if reason and kind in WALLS:
            log.warning("this machine does not contain training programs", what=kind, why=reason, so=MEANING[kind])
        elif reason:
            log.info("a limit is not held by the kernel", what=kind, why=reason, so=MEANING[kind])
