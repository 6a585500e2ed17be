"""Control groups: the kernel's own limits for an instance, where this user may make groups (cgroups(7)).

Version 2: beside the group that we are in, or below the root; the controllers must be, or may be, passed on there.
Version 1: below the group that we are in, one for each controller.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pegbox.runner.limits import Limits

CONTROLLERS = ("memory", "pids", "cpu")
PERIOD = 100_000  #: microseconds, of the CPU quota

_OPTIONAL = ("memory.memsw.limit_in_bytes", "memory.swap.max", "memory.oom.group")  #: swap may not be accounted


Parents = Mapping[str, tuple[Path, bool]]  #: what `hierarchies` finds


@dataclass(frozen=True, slots=True)
class Group:
    """The groups of one instance; by controller, what it limits."""

    places: Mapping[str, Path]

    @classmethod
    def make(cls, name: str, limits: Limits, parents: Parents | None = None) -> Group:
        """As many of the limits as this machine lets us set."""
        wanted = _by_controller(limits)
        found: dict[str, Path] = {}
        for controller, (parent, is_v2) in (hierarchies() if parents is None else parents).items():
            value = wanted[controller]
            if value is not None and _set(parent / name, _values(controller, value, is_v2)):
                found[controller] = parent / name
            elif parent / name not in found.values():
                with contextlib.suppress(OSError):  # it was not made, or limits nothing
                    (parent / name).rmdir()
        return cls(found)

    def join(self) -> None:
        """Put the calling process into the groups; its children begin there."""
        for place in self._distinct():
            (place / "cgroup.procs").write_text("0")

    def killed_for_memory(self) -> bool:
        """Whether the kernel killed a process of the group because there was no more memory for it."""
        return any(self._count("memory", file, "oom_kill") for file in ("memory.events", "memory.oom_control"))

    def refused_a_process(self) -> bool:
        """Whether a process or thread could not be started."""
        return bool(self._count("pids", "pids.events", "max"))

    def remove(self, patience: float = 0.0) -> None:
        """Give the groups back, once all that was in them has gone; tries for `patience` seconds."""
        end = time.monotonic() + patience
        for place in self._distinct():
            while place.exists():
                try:
                    place.rmdir()
                except OSError:
                    if time.monotonic() >= end:
                        break
                    time.sleep(0.005)

    def _distinct(self) -> Iterator[Path]:
        yield from dict.fromkeys(self.places.values())

    def _count(self, controller: str, file: str, key: str) -> int:
        if controller not in self.places:
            return 0
        try:
            lines = (self.places[controller] / file).read_text().splitlines()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in lines if line.split()[0] == key), 0)


def places(name: str, limits: Limits, parents: Parents) -> list[Path]:
    """Where Group.make makes groups, and where nothing is when it cannot."""
    wanted = _by_controller(limits)
    return [parent / name for controller, (parent, _) in parents.items() if wanted[controller] is not None]


def _by_controller(limits: Limits) -> dict[str, int | None]:
    return {"memory": limits.memory, "pids": limits.processes, "cpu": limits.cpus}


def hierarchies(process: Path = Path("/proc/self")) -> dict[str, tuple[Path, bool]]:
    """Controller -> the directory in which we may make groups for it, and whether it is of version 2.

    `process`: where proc(5) tells of ours.
    """
    found: dict[str, tuple[Path, bool]] = {}
    try:
        own = dict(_own(process / "cgroup"))
        mounts = [line.split() for line in (process / "mounts").read_text().splitlines()]
    except OSError:
        return found
    for _, directory, kind, options, *_ in mounts:
        if kind == "cgroup2":
            # Above ourselves, or the kernel would not let us move a process there ("Delegation Containment").
            parent = Path(directory, os.path.dirname(own.get("", "/")).lstrip("/"))
            found |= {controller: (parent, True) for controller in _passed_on(parent)}
        elif kind == "cgroup":
            for controller in set(options.split(",")) & set(CONTROLLERS) - found.keys():
                parent = _below(directory, own.get(controller, "/"))
                if os.access(parent, os.W_OK):
                    found[controller] = (parent, False)
    return found


def _own(table: Path) -> Iterator[tuple[str, str]]:
    """(controller, our group); "" is version 2."""
    for line in table.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        yield from ((controller, path) for controller in controllers.split(","))


def _below(directory: str, path: str) -> Path:
    place = Path(directory, path.lstrip("/"))
    return place if place.is_dir() else Path(directory)  # in a container the path may be that of its host


def _passed_on(parent: Path) -> set[str]:
    """Controllers of version 2 that groups below `parent` have; none if we may not make any or not move there."""
    if not os.access(parent, os.W_OK) or not os.access(parent / "cgroup.procs", os.W_OK):
        return set()
    passed_on = parent / "cgroup.subtree_control"
    try:
        if not _may_have_groups(parent):
            return set()
        there = set((parent / "cgroup.controllers").read_text().split())
        for controller in sorted((there & set(CONTROLLERS)) - set(passed_on.read_text().split())):
            with contextlib.suppress(OSError):
                passed_on.write_text(f"+{controller}")
        return set(passed_on.read_text().split()) & set(CONTROLLERS)
    except OSError:
        return set()


def _may_have_groups(parent: Path) -> bool:
    """Whether groups below `parent` may have processes.

    Controllers of threads, cpu and pids, can be passed on by a group that has processes itself, as the root of a
    container does.  But then it becomes "domain threaded" and no process can be moved below it ("No Internal Process
    Constraint", "Threads").  The root of all, which has no type, may have both.
    """
    kind = parent / "cgroup.type"
    if not kind.exists():
        return True
    return kind.read_text().strip() == "domain" and not (parent / "cgroup.procs").read_text().strip()


def _values(controller: str, value: int, is_v2: bool) -> dict[str, object]:
    """Files of a group and what is written into them."""
    if controller == "memory" and is_v2:
        return {"memory.max": value, "memory.swap.max": 0, "memory.oom.group": 1}
    if controller == "memory":
        return {"memory.limit_in_bytes": value, "memory.memsw.limit_in_bytes": value}
    if controller == "pids":
        return {"pids.max": value}
    if is_v2:
        return {"cpu.max": f"{value * PERIOD} {PERIOD}"}
    return {"cpu.cfs_period_us": PERIOD, "cpu.cfs_quota_us": value * PERIOD}


def _set(place: Path, values: Mapping[str, object]) -> bool:
    try:
        place.mkdir(exist_ok=True)
    except OSError:
        return False
    for name, value in values.items():
        try:
            (place / name).write_text(str(value))
        except OSError:
            if name not in _OPTIONAL:
                return False
    return True
