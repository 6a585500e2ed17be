"""A crash at every pass of every crash point of one tuning job, each in an installation of its own.

    python benchmarks/soak/crashpoints.py

A first run records the passes (see `pegbox.crashpoints`).  Then, for each database and each place with the number of
its pass, a tuning job is run until something crashes there, everything goes on again, and all invariants of
`pegbox.testing.invariants` are checked.  `--most N` leaves out all passes of a place but the first N.
Exits with 1 if an invariant does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from surroundings import postgresql, write_result

from installation import Installation
from pegbox.testing.crash_drive import revive, until
from postgres import Cluster

FEED: dict[str, Any] = {"running": 1, "most": 1, "jobs": 3, "at_once": 2, "steps": 3, "pause": 0.15, "retries": 0}
SECONDS = 120.0


def record(folder: Path, cluster: Cluster | None) -> list[tuple[str, int]]:
    """Every (place, number of the pass) of one run."""
    installation = Installation(folder, cluster, **FEED)
    try:
        counted = {place: installation.switch.most_by_one()[place] for place in installation.record()}
    finally:
        installation.server.kill()
        installation.store.close()
    return [(place, number) for place, times in counted.items() for number in range(1, times + 1)]


def crash(folder: Path, cluster: Cluster | None, place: str, number: int) -> tuple[bool, list[str]]:
    """Whether something came by, and what went wrong then."""
    installation = Installation(folder, cluster, **FEED)
    try:
        installation.switch.place(place, number=number)
        with contextlib.suppress(TimeoutError):
            until(lambda: installation.switch.taken() or installation.feeder.ended, step(installation), SECONDS)
        taken = installation.switch.taken()
        faults = [installation.go_on(taken, place)] if taken else []
        installation.switch.withdraw()
        return taken is not None, [fault for fault in faults if fault] + installation.close()
    except Exception as error:
        return True, [repr(error)]
    finally:
        installation.server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def step(installation: Installation) -> Any:
    """One look at the tuning job; a server that crashed is started by whoever looks at what was taken."""

    def look() -> None:
        if installation.switch.taken() is None:
            revive(installation.server)
            installation.feeder.step()

    return look


def enumerate_all(
    cluster: Cluster | None, folder: Path, most: int, workers: int, only: Sequence[str]
) -> dict[str, Any]:
    """All of one database."""
    began = time.monotonic()
    todo = [
        (place, number)
        for place, number in record(folder / "record", cluster)
        if number <= most and (not only or any(part in place for part in only))
    ]
    print(f"{len(todo)} crashes at {len({place for place, _ in todo})} places", file=sys.stderr, flush=True)
    faults, missed = [], []
    with ThreadPoolExecutor(workers) as pool:
        runs = [pool.submit(crash, folder / str(index), cluster, *one) for index, one in enumerate(todo)]
        for (place, number), run in zip(todo, runs, strict=True):
            reached, found = run.result()
            if not reached:
                missed.append(f"{place}, pass {number}")
            for fault in found:
                faults.append(f"{place}, pass {number}: {fault}")
                print(faults[-1], file=sys.stderr, flush=True)
    return {
        "places": len({place for place, _ in todo}),
        "crashes": len(todo) - len(missed),
        "not_come_by_again": missed,
        "seconds": round(time.monotonic() - began),
        "faults": faults,
    }


def main() -> None:
    """Run both and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=sys.maxsize, help="passes of one place")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of places")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--result", default="soak_crashpoints.json")
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    for name in arguments.databases.split(","):
        database = postgresql() if name == "postgresql" else contextlib.nullcontext()
        with database as cluster, tempfile.TemporaryDirectory() as folder:
            found[name] = enumerate_all(cluster, Path(folder), arguments.most, arguments.workers, arguments.only)
    write_result(arguments.result, found)
    sys.exit(any(one["faults"] for one in found.values()))


if __name__ == "__main__":
    main()
