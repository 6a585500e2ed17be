"""What the soaks share: servers and databases of the tests, processes to kill, and how a result is written."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from measuring import describe_machine  # noqa: E402

from pegbox.executors.directory import lock_holder  # noqa: E402
from postgres import Cluster, find_binaries  # noqa: E402


@contextmanager
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL cluster of its own."""
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL's initdb is not installed")
    cluster = Cluster(binaries)
    try:
        yield cluster
    finally:
        cluster.close()


def runners(home: Path) -> list[tuple[int, Path]]:
    """(pid, attempt) of every living runner of a home."""
    found = []
    for attempt in (home / "attempts").glob("*/*"):
        if not (attempt / "exit.json").exists() and (pid := lock_holder(attempt)):
            found.append((pid, attempt))
    return found


def children(server: int, module: str) -> list[int]:
    """Pids of the processes that a server started with this module."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server and module in (entry / "cmdline").read_bytes().decode().split("\0"):
                found.append(int(entry.name))
    return found


def kill(pid: int) -> bool:
    """KILL; False when it has ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def write_result(name: str, result: dict[str, Any]) -> None:
    """Into benchmarks/results, and to the terminal."""
    text = json.dumps({"machine": describe_machine(), **result}, indent=2)
    (ROOT / "benchmarks" / "results" / name).write_text(text + "\n")
    print(text)
