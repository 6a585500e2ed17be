"""Keeps an instance within its limits: by control groups where they are to be had, by looking where not."""

from __future__ import annotations

import signal
import time
import zlib
from dataclasses import dataclass, field

from pegbox.runner import layout, limits
from pegbox.runner.cgroups import Group
from pegbox.runner.job import Job
from pegbox.runner.limits import Limits, in_words

LEAST, MOST = 1.0, 60.0  #: seconds between two looks at the disk
SHARE = 50.0  #: a look may take this part of the time between two: trees may have a million files


@dataclass(slots=True, kw_only=True)
class Meter:
    """One instance's limits and what is known of its use."""

    instance_type: str
    limits: Limits
    group: Group
    directory: str  #: whose size counts
    left_out: tuple[str, ...]  #: folders below it that do not count
    disk_due: float = field(default_factory=lambda: time.monotonic() + LEAST)

    def excess(self, pid: int) -> str:
        """What the instance whose first process is `pid` uses too much of, in words; "" for nothing."""
        return self._memory(pid) or self._processes(pid) or self._disk()

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

    def _disk(self) -> str:
        most, now = self.limits.disk, time.monotonic()
        if most is None or now < self.disk_due:
            return ""
        used = limits.disk_used(self.directory, self.left_out)
        self.disk_due = now + min(MOST, max(LEAST, SHARE * (time.monotonic() - now)))
        if used <= most:
            return ""
        return (
            f"no space left: the program was killed because its files take {in_words(used)}, "
            f"and VolumeSizeInGB gives it {self._volume()}"
        )


def group_of(job: Job, host: str) -> Group:
    """The control groups of an instance, as far as the machine has them for us."""
    return Group.make(f"pegbox-{zlib.crc32(str(job.directory).encode()):08x}-{job.id}-{host}", job.limits)


def of(job: Job, host: str, group: Group) -> Meter:
    """The meter of an instance.  FastFile channels would be streamed in the cloud: they take no place on its volume."""
    ml = layout.home(job, host) / "ml"
    streamed = (name for name, known in job.channels.items() if known.get("TrainingInputMode") == "FastFile")
    return Meter(
        instance_type=job.instance_type,
        limits=job.limits,
        group=group,
        directory=str(layout.home(job, host)),
        left_out=tuple(str(ml / "input/data" / name) for name in streamed),
    )
