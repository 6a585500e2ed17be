"""Keeps an instance within its limits: by control groups where they are to be had, by looking where not."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from pegbox.runner import cgroups, disk, layout, limits, records
from pegbox.runner.cgroups import Group, Parents
from pegbox.runner.job import Job
from pegbox.runner.limits import Limits, in_words

DISK_PAUSE = 1.0  #: seconds between two looks at the disk
SLICE = 0.05  #: seconds of one at a time: trees may have a million files, and logs have to be read meanwhile


@dataclass(slots=True, kw_only=True)
class Meter:
    """One instance's limits and what is known of its use."""

    instance_type: str
    limits: Limits
    group: Group
    directory: str  #: whose size counts
    left_out: tuple[str, ...]  #: folders below it that do not count
    disk_due: float = field(default_factory=lambda: time.monotonic() + DISK_PAUSE)
    looking: Iterator[int] | None = None  #: at the disk
    seen: int = 0  #: bytes, by this look

    def excess(self, pid: int) -> str:
        """What the instance whose first process is `pid` uses too much of, in words; "" for nothing."""
        return self._memory(pid) or self._processes(pid) or self._disk(pid)

    def of_the_ended(self, code: int) -> str:
        """The same, of an instance that has ended with this code."""
        if self.group.killed_for_memory():
            return self._too_much_memory()
        if self.group.refused_a_process():
            return self._too_many()
        if code == -signal.SIGXFSZ:
            return f"the program was killed because it wrote a file of more than VolumeSizeInGB ({self._volume()})"
        return ""

    def explained(self, said: str) -> str:
        """What a program said, with the limit that it met but cannot know."""
        if self.limits.disk is None or "File too large" not in said:  # strerror of EFBIG
            return said
        return f"no file may be larger than VolumeSizeInGB ({self._volume()}): {said}"

    def _memory(self, pid: int) -> str:
        most = self.limits.memory
        if most is None:
            return ""
        if "memory" in self.group.places:
            return self._too_much_memory() if self.group.killed_for_memory() else ""
        return self._too_much_memory() if limits.memory_used(limits.family(pid), most) > most else ""

    def _too_much_memory(self) -> str:
        size = in_words(self.limits.memory or 0)
        return f"the program was killed because it used more memory than {self.instance_type} has ({size})"

    def _processes(self, pid: int) -> str:
        most = self.limits.processes
        if most is None:
            return ""
        if "pids" in self.group.places:
            return self._too_many() if self.group.refused_a_process() else ""
        return self._too_many() if sum(limits.family(pid).values()) >= most else ""

    def _too_many(self) -> str:
        return f"the program was killed because it started more than {self.limits.processes} processes and threads"

    def _volume(self) -> str:
        return in_words(self.limits.disk or 0)

    def _disk(self, pid: int) -> str:
        most, now = self.limits.disk, time.monotonic()
        if most is None or now < self.disk_due:
            return ""
        used = self._look_for(SLICE, pid)
        if used <= most:
            return ""
        return (
            f"no space left: the program was killed because its files take {in_words(used)}, "
            f"and VolumeSizeInGB gives it {self._volume()}"
        )

    def _look_for(self, seconds: float, pid: int) -> int:
        """Go on with the look at the disk, or begin one; bytes that it has seen."""
        end = time.monotonic() + seconds
        if self.looking is None:
            self.looking, self.seen = self._sizes(pid), 0
        for size in self.looking:
            self.seen += size
            if time.monotonic() >= end:
                return self.seen
        self.looking, self.disk_due = None, time.monotonic() + DISK_PAUSE
        return self.seen

    def _sizes(self, pid: int) -> Iterator[int]:
        yield from disk.sizes(self.directory, self.left_out)
        yield from disk.unnamed(self.directory, limits.family(pid))


def group_of(job: Job, host: str, parents: Parents) -> Group:
    """The control groups of an instance, as far as the machine has them for us."""
    return Group.make(_group_name(job, host), job.limits, parents)


def places_of_groups(job: Job, parents: Parents) -> list[str]:
    """Where the groups of all instances will be, as far as they can be made."""
    places = (place for host in job.hosts for place in cgroups.places(_group_name(job, host), job.limits, parents))
    return list(dict.fromkeys(map(str, places)))


def _group_name(job: Job, host: str) -> str:
    return f"{records.group_prefix(job.directory)}{job.id}-{host}"


def of(job: Job, host: str, group: Group) -> Meter:
    """The meter of an instance."""
    ml = layout.home(job, host) / "ml"
    return Meter(
        instance_type=job.instance_type,
        limits=job.limits,
        group=group,
        directory=str(layout.home(job, host)),
        left_out=tuple(str(ml / "input/data" / name) for name in layout.streamed(job)),
    )
