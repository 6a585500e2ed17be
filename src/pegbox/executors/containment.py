"""What containment of programs this machine allows, and whether it is used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pegbox

MODES = ("auto", "off", "require")
PATIENCE = 60.0  #: seconds for the probe

#: what can be missing -> what that means
MEANING = {
    "files": "programs see the files and processes of the server's user; /opt/ml may be missing",
    "network": "jobs with EnableNetworkIsolation fail",
    "memory": "the limit of memory is looked after once a second, not held by the kernel",
    "processes": "the limit of processes is looked after once a second, not held by the kernel",
}
WALLS = ("files", "network")  #: without these programs are not contained, and `require` does not start


class Containment:
    """The mode, and what a probe finds when it is first asked for."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
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
                self._found = probe()
            return self._found


def probe() -> Mapping[str, str]:
    """Kind of containment -> why it is not possible here, "" when it is.  Tries it, in a process of its own."""
    path = str(Path(pegbox.__file__).resolve().parent.parent)
    command = [sys.executable, "-P", "-m", "pegbox.runner.probe"]
    environment = {"PYTHONPATH": path, "PATH": os.environ.get("PATH", "")}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=True)
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return dict.fromkeys(MEANING, f"the probe failed: {error}")
    return found
