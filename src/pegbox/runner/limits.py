"""How much one instance may use, and what is looked at where the kernel does not hold it to that."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS = 16  #: processes of the runner's own, of which the program knows nothing
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one instance; None: not limited."""

    memory: int | None = None  #: bytes
    cpus: int | None = None
    disk: int | None = None  #: bytes below its directory, and of one file anywhere
    processes: int | None = None  #: and threads

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> Limits:
        """From attempt.json; a memory that the machine does not have is no limit."""
        memory = record.get("memory")
        return cls(**{**record, "memory": memory if memory is not None and memory < machine_memory() else None})

    def apply(self, seed: int, namespaces: int) -> None:
        """In the process that becomes the program: what setrlimit(2) and sched_setaffinity(2) can do.

        `namespaces`: so many instances share a user namespace, 0 when there is none.  Since Linux 5.14 processes are
        counted in it; before, and without, those of the whole user would count.  Memory is not here: RLIMIT_AS and
        RLIMIT_DATA count what is reserved, of each process alone, and CUDA, Java and thread stacks reserve much more
        than they use.
        """
        if self.disk is not None:
            _lower(resource.RLIMIT_FSIZE, self.disk)
        if self.processes is not None and namespaces and os.geteuid() != 0 and _kernel() >= (5, 14):
            _lower(resource.RLIMIT_NPROC, self.processes * namespaces + OURS)
        if self.cpus is not None:
            allowed = sorted(os.sched_getaffinity(0))
            first = seed % len(allowed)
            os.sched_setaffinity(0, (allowed[first:] + allowed[:first])[: self.cpus])


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return PAGE * os.sysconf("SC_PHYS_PAGES")


def in_words(size: float) -> str:
    """Bytes as GiB or MiB."""
    unit, name = (1 << 30, "GiB") if size >= 1 << 30 else (1 << 20, "MiB")
    return f"{size / unit:.4g} {name}"


def family(first: int) -> dict[int, int]:
    """A process and all that descend from it, with their threads (/proc/<pid>/task/<tid>/children, proc(5))."""
    waiting, found = [str(first)], {}
    while waiting:
        pid = waiting.pop()
        with contextlib.suppress(OSError):
            threads = os.listdir(f"/proc/{pid}/task")
            found[int(pid)] = len(threads)
            for thread in threads:
                with contextlib.suppress(OSError):
                    waiting += Path(f"/proc/{pid}/task/{thread}/children").read_text().split()
    return found


def memory_used(pids: Iterable[int], enough: int) -> int:
    """Bytes that processes use, shared memory included, mapped files not.

    Exact only above `enough`: before, what they share counts several times, and mapped files count, too.
    """
    pids = list(pids)
    rough = sum(map(_resident, pids))
    return rough if rough <= enough else sum(map(_proportional, pids))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, LookupError, ValueError):
        return 0


def _proportional(pid: int) -> int:
    """Its own pages and its share of the shared ones, without those of files, which the kernel takes back (proc(5))."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return _resident(pid)
    found = {name: 1024 * int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return found.get("Pss", 0) - found.get("Pss_File", 0)


def _kernel() -> tuple[int, int]:
    major, minor, *_ = re.findall(r"\d+", os.uname().release)
    return int(major), int(minor)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY or value < hard:
        resource.setrlimit(kind, (value, value))
