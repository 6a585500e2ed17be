"""Places at which a process can be made to end or to pause, so that tests can put a crash wherever something is kept.

Off, and then one comparison, unless PEGBOX_CRASHPOINTS names a directory when the process starts:

    passes   a line `thread when point` for each pass of a place: what there is to crash at (appended)
    plan     `signal number when point`: the process that is the `number`-th time there sends itself KILL or STOP.
             Passes are counted in each process from the moment at which the plan was put there.  After ` or ` there may
             be another place: work that is done on one of several ways
    taken    the plan once it has been carried out, after a line with pid, thread and working directory of the process

Where several callers share a place, the point's name ends with the functions of the engine or operation at work.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import FrameType

VARIABLE = "PEGBOX_CRASHPOINTS"
PASSES, PLAN, TAKEN = "passes", "plan", "taken"
BEFORE, AFTER = "before", "after"
EITHER = " or "  #: between places of a plan

_NAMING = ("pegbox.engine.", "pegbox.operations.", "pegbox.wire.rest_s3")
_LOOP = "pegbox.engine.loop"
_AROUND = ("pegbox.engine.steps", "pegbox.engine.crew")  # everything that the engine does


class _Points:
    """The switch, when it is on."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._passes: Counter[tuple[str, int, str]] = Counter()

    def reach(self, when: str, point: str) -> None:
        point = f"{point}{_caller()}"
        with self._lock:
            with open(self._directory / PASSES, "a") as file:
                file.write(f"{_thread()} {when} {point}\n")
            self._follow(f"{when} {point}")

    def _follow(self, here: str) -> None:
        plan = self._directory / PLAN
        with suppress(FileNotFoundError):
            number, _, place = plan.read_text().strip().partition(" ")[2].partition(" ")
            if here not in place.split(EITHER):
                return
            counted = (here, plan.stat().st_ino, str(os.getpid()))
            self._passes[counted] += 1
            if self._passes[counted] == int(number):
                self._take(plan)

    def _take(self, plan: Path) -> None:
        mine = self._directory / f"{TAKEN}.{os.getpid()}"
        plan.rename(mine)  # raises when another process was quicker
        text = mine.read_text().strip()
        mine.write_text(f"{os.getpid()} {_thread()} {os.getcwd()}\n{text}\n")
        mine.rename(self._directory / TAKEN)
        number = signal.SIGSTOP if text.startswith("STOP") else signal.SIGKILL
        signal.pthread_kill(threading.get_ident(), number)  # this thread goes no step further


def _thread() -> str:
    return f"{os.getpid()}/{threading.get_native_id()}"


def _caller() -> str:
    """The functions of the engine or operation that is at work, outermost first."""
    names: list[str] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        name = frame.f_code.co_name
        is_named = module.startswith(_NAMING) and not name.startswith("<")  # a comprehension is no frame from 3.12 on
        if is_named and module not in _AROUND and not (names and module == _LOOP):
            names.insert(0, name)
        frame = frame.f_back
    return f" in {'/'.join(names).removeprefix('run/')}" if names else ""


def reach(when: str, point: str) -> None:
    """The process is at a place: `when` is BEFORE or AFTER that which `point` names takes effect."""
    if _points is not None:
        _points.reach(when, point)


_points = _Points(Path(os.environ[VARIABLE])) if os.environ.get(VARIABLE) else None
