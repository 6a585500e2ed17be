"""The files of an attempt's directory, as the runner reads and writes them (formats: the package's docstring)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import zlib
from pathlib import Path
from typing import Any

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.small_files import sync_folder

ATTEMPT, SPAWN, LOCK, STOP = "attempt.json", "spawn.json", "lock", "stop"
RUNNER, POINTS, EXIT, DIARY = "runner.json", "points", "exit.json", "runner.log"
RESERVE = "reserve"
ROOM_FOR_THE_END, ROOM_FOR_EXIT = 1 << 18, 1 << 14  #: bytes of the reserve


def read(path: Path) -> dict[str, Any] | None:
    """The JSON object in `path`, or None when there is no such file."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return record


def write(path: Path, record: dict[str, Any], *, durable: bool = False) -> None:
    """Replace `path` at once and whole; `durable` also survives a loss of power."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with open(new, "w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    reach(BEFORE, path.name)
    os.rename(new, path)
    reach(AFTER, path.name)
    if durable:
        sync_folder(path.parent)


def reserve(directory: Path) -> None:
    """Take the room that the end of the log and exit.json will need, before the program can fill the disk."""
    with open(directory / RESERVE, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, ROOM_FOR_THE_END)


def give_room(directory: Path) -> None:
    """Give back all of the reserve but what exit.json needs."""
    with contextlib.suppress(OSError):
        os.truncate(directory / RESERVE, ROOM_FOR_EXIT)


def group_prefix(directory: Path) -> str:
    """How the names of an attempt's control groups begin."""
    return f"pegbox-{zlib.crc32(str(directory).encode()):08x}-"


def lock(directory: Path) -> int | None:
    """Take the attempt for this process, or return None when another runner has it.

    A record lock, not flock(2): it is not inherited by forked trainers, others can test it without taking it, and
    the kernel tells them the holder's pid.  Keep the descriptor open: closing any descriptor of the file frees it.
    """
    fd = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(fd)
        return None
    reach(AFTER, "runner lock")
    return fd
