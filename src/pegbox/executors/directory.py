"""The directory of an attempt, as a server reads and writes it (format: docstring of the runner's package)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pegbox import small_files
from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.executors.base import Attempt, Cause, Exit, Limits, Phase, Point, Program
from pegbox.processes import boot_id, is_alive
from pegbox.runner import records

PAGE = 1 << 20  #: bytes of points given at once
GROUP_SECONDS = 2.0  #: how long what was killed may take to go away

_FLOCK = "qqihh" if sys.platform == "darwin" else "hhqqi"


def read(path: Path | str) -> dict[str, Any] | None:
    """The JSON object in `path`, None when it is not there, and an empty one when a power cut has spoilt it.

    Records are replaced whole and not waited for: after a power cut the name may be there, and the bytes not.
    """
    try:
        record = json.loads(small_files.whole(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def is_there(directory: Path, name: str) -> bool:
    """Whether there is such a record."""
    return os.path.exists(f"{directory}/{name}")


def names(directory: Path) -> set[str]:
    """What is in the directory of an attempt, which is made if it is missing."""
    try:
        return set(os.listdir(directory))
    except FileNotFoundError:
        directory.mkdir(parents=True, exist_ok=True)
        return set()


def write(path: Path, record: Mapping[str, Any]) -> None:
    """Replace `path` at once and whole.  Only its owner may read it: a request's environment may hold secrets."""
    folder, name = os.path.split(path)
    new = f"{folder}/.{name}.{os.getpid()}"
    small_files.write(new, json.dumps(record).encode())
    reach(BEFORE, name)
    os.rename(new, path)
    reach(AFTER, name)


def leave_stop(directory: Path) -> None:
    """Ask the runner to end: an empty file, which takes no room on a full disk."""
    reach(BEFORE, records.STOP)
    (directory / records.STOP).touch()
    reach(AFTER, records.STOP)


def write_attempt(attempt: Attempt, **more: Any) -> None:
    """attempt.json: the attempt without its directory, and what the executor adds."""
    record = _members(attempt) | {"program": _members(attempt.program), "limits": _members(attempt.limits)} | more
    del record["directory"]
    write(attempt.directory / "attempt.json", record)


def _members(given: Attempt | Program | Limits) -> dict[str, Any]:
    return {name: getattr(given, name) for name in given.__slots__}


def read_exit(directory: Path) -> Exit | None:
    """The exit record, None while there is none that can be read."""
    record = read(f"{directory}/exit.json")
    return Exit(**record | {"cause": Cause(record["cause"])}) if record else None


def is_doubtful(directory: Path, ended: Exit | None) -> bool:
    """Whether what an attempt has left may not be what it wrote: it was not on disk before the machine went down."""
    if ended is None:
        return True
    return not ended.on_disk and ended.boot_id != boot_id() and was_rebooted(directory)


def lock_holder(directory: Path) -> int | None:
    """The pid of the living runner, asked of the kernel without taking the lock (fcntl(2), F_GETLK)."""
    try:
        fd = os.open(f"{directory}/lock", os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, _flock(fcntl.F_WRLCK))
    finally:
        os.close(fd)
    kind, pid = _unpacked(answer)
    return None if kind == fcntl.F_UNLCK else pid


def signal_runner(directory: Path, number: int) -> bool:
    """Send a signal to the living runner; False when there is none that we can see."""
    holder = lock_holder(directory)
    if not holder or holder < 0:  # in another pid namespace: it looks at the directory every second
        return False
    try:
        os.kill(holder, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _flock(kind: int) -> bytes:
    if sys.platform == "darwin":
        return struct.pack(_FLOCK, 0, 0, 0, kind, os.SEEK_SET)
    return struct.pack(_FLOCK + "4x", kind, os.SEEK_SET, 0, 0, 0)


def _unpacked(answer: bytes) -> tuple[int, int]:
    fields = struct.unpack_from(_FLOCK, answer)
    return (fields[3], fields[2]) if sys.platform == "darwin" else (fields[0], fields[4])


def phase(directory: Path) -> tuple[Phase, dict[str, Any] | None]:
    """Where the attempt stands, and runner.json unless it has ended.

    The order of the looks matters.  A runner takes the lock, writes runner.json, then exit.json, then dies.  What is
    looked at later here happened earlier there, so no state that never was can be put together.  A process that was
    spawned and lost the race for the lock dies only after the winner has it: hence its life before the lock.
    """
    if is_there(directory, "exit.json"):
        return Phase.EXITED, None
    runner = read(f"{directory}/runner.json")
    spawned = read(f"{directory}/spawn.json")
    is_coming = spawned is None or (bool(spawned) and is_alive(spawned))
    is_held = lock_holder(directory) is not None
    if is_there(directory, "exit.json"):
        return Phase.EXITED, None
    if is_held:
        return (Phase.STARTING if runner is None or runner.get("started") is None else Phase.RUNNING), runner
    if runner is not None or not is_coming or not directory.exists():
        return Phase.LOST, runner
    return Phase.STARTING, None


def clear(directory: Path) -> None:
    """Remove what a runner removes at its end, and one that was killed does not."""
    with contextlib.suppress(OSError):
        (directory / records.RESERVE).unlink(missing_ok=True)
        for root in directory.glob("*.root"):  # where a cell was mounted
            root.rmdir()


def was_rebooted(directory: Path) -> bool:
    """Whether the machine has been started again since the attempt's processes were."""
    found = [read(directory / name) for name in (records.EXIT, records.RUNNER, records.SPAWN)]
    if any(record == {} for record in found):
        return True
    return _is_earlier({record.get("boot_id") for record in found if record})


def _is_earlier(boots: set[str | None]) -> bool:
    """Whether a boot that is known is not this one."""
    return bool(boots - {None, boot_id()})


def kill_orphans(directory: Path) -> None:
    """Kill what a lost runner's trainers left: every process that carries the attempt's path in its environment."""
    mark = f"\0PEGBOX_ATTEMPT={directory.resolve()}\0".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in b"\0" + (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def end_groups(directory: Path, runner: Mapping[str, Any] | None) -> None:
    """Kill what is in the control groups of a lost runner, which it cannot hide from, and give them back."""
    prefix, end = records.group_prefix(directory.resolve()), time.monotonic() + GROUP_SECONDS
    left = [place for place in map(Path, (runner or {}).get("groups", ())) if place.name.startswith(prefix)]
    while left := [place for place in left if not _end_group(place)]:
        if time.monotonic() >= end:
            return
        time.sleep(0.005)


def _end_group(place: Path) -> bool:
    """Try to; whether it is gone."""
    try:
        for pid in map(int, (place / "cgroup.procs").read_text().split()):
            if pid > 0:  # 0: of another pid namespace
                os.kill(pid, signal.SIGKILL)
        place.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # what was killed goes on dying
        return False
    return True


def read_points(directory: Path, cursor: int) -> tuple[Sequence[Point], int, bool]:
    """Points from byte `cursor` on: at most PAGE bytes of them, the next cursor, and whether more are there."""
    try:
        fd = os.open(f"{directory}/points", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return (), cursor, False
    try:
        size = os.fstat(fd).st_size - cursor
        data = os.pread(fd, min(size, PAGE), cursor) if size > 0 else b""
    finally:
        os.close(fd)
    is_more = size > PAGE
    data = data[: data.rfind(b"\n") + 1]
    if not data:
        return (), cursor, False
    attempt = read(f"{directory}/attempt.json") or {}
    names = [definition["Name"] for definition in attempt.get("metrics", ())]
    points: list[Point] = []
    for line in data.splitlines(keepends=True):
        try:
            host, metric, value, at, *is_kept = json.loads(line)
            name = names[metric]
        except (ValueError, TypeError, IndexError):  # from here on a power cut has spoilt it
            return points, cursor, False
        points.append(Point(offset=cursor, host=host, metric=name, value=value, at=at, is_kept=is_kept != [False]))
        cursor += len(line)
    return points, cursor, is_more
