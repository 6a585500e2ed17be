"""What runs below this process, and the ends of it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Set
from pathlib import Path


def signal_groups(groups: Set[int], number: int) -> None:
    """Send a signal to process groups."""
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def own_groups(groups: Set[int]) -> set[int]:
    """Those of these process groups that a descendant of this process is in and that may be signalled.

    The number of a group whose leader was reaped is free as soon as its last member ends: then it may be another's.
    """
    return {group for group in groups & set(_descendants(os.getpid()).values()) if _may_signal(group)}


def _may_signal(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_descendants(keep: int) -> bool:
    """Send KILL to all descendants of this process but `keep`.  Returns whether there were any."""
    found = _descendants(os.getpid()).keys() - {keep}
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def _descendants(root: int) -> dict[int, int]:
    """pid -> process group of every process below `root`."""
    children: dict[int, list[tuple[int, int]]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if entry.isdigit() and (place := _place(entry)) is not None:
            parent, group = place
            children.setdefault(parent, []).append((int(entry), group))
    found: dict[int, int] = {}
    waiting = [root]
    while waiting:
        new = {pid: group for pid, group in children.get(waiting.pop(), ()) if pid not in found}
        found |= new
        waiting += new
    return found


def _place(pid: str) -> tuple[int, int] | None:
    """Parent and process group, fields 4 and 5 of /proc/<pid>/stat (proc(5))."""
    try:
        fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
        return int(fields[1]), int(fields[2])
    except (OSError, IndexError):
        return None
