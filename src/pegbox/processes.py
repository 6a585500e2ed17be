"""Processes by names that hold for ever: a pid is used again, a pid of a start time and a boot is not."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pegbox import small_files

_GONE = (b"Z", b"X", b"x")  # process states that run nothing any more (proc(5))


@cache
def boot_id() -> str | None:
    """The name of this run of this machine's kernel (random(4)); None where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def identity(pid: int) -> dict[str, Any]:
    """pid, start_time (clock ticks after boot, None for one that has ended) and boot_id: one process for ever."""
    return {"pid": pid, "start_time": _start_time(pid), "boot_id": boot_id()}


def is_alive(record: Mapping[str, Any]) -> bool:
    """Whether the process that `identity` named still runs; another one with its pid does not count.

    One that had ended before it could be named has no start time, and is not alive whoever else has none.
    """
    now = identity(record["pid"])
    if now["boot_id"] is None:  # no /proc to tell two processes apart
        return record["boot_id"] is None and _is_pid(record["pid"])
    return now["start_time"] is not None and all(record[key] == now[key] for key in ("boot_id", "start_time"))


def _is_pid(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_time(pid: int) -> int | None:
    """Clock ticks after boot, field 22 of /proc/<pid>/stat (proc(5)); None for a process that is gone or a zombie."""
    try:
        fields = small_files.whole(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in _GONE else int(fields[19])
