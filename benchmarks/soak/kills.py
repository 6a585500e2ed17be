"""Random kills of servers, runners, zygotes and proposers while tuning jobs run, on SQLite and on PostgreSQL.

    python benchmarks/soak/kills.py --kills 500

Half of the kills on each database, both at the same time.  20 tuning jobs are kept running on each; half of them have
a RetryStrategy.  Afterwards all invariants of `pegbox.testing.invariants` are checked: the number of training jobs,
starts, metric points, logs, models, checkpoints, counters, processes, slots, leases, files.  Exits with 1 if one does
not hold.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from surroundings import children, kill, postgresql, runners, write_result

from installation import QUICK, Installation
from pegbox.processes import identity, is_alive
from pegbox.testing.crash_drive import revive

WEIGHTS = {"server": 2, "runner": 6, "zygote": 2, "proposer": 1}
MODULES = {"zygote": "pegbox.runner.zygote", "proposer": "pegbox.engine.proposer"}
SETTINGS = {**QUICK, "PEGBOX_TICK": "1", "PEGBOX_LEASE": "3", "PEGBOX_SLOTS": "8"}
DRAIN_SECONDS = 1800.0
FEED_SECONDS = 2.0  #: between two looks at all tuning jobs


class Killer:
    """Kills something of an installation from time to time."""

    def __init__(self, installation: Installation, rng: random.Random) -> None:
        self._all, self._rng = installation, rng
        self.done: Counter[str] = Counter()
        self.noticed: list[float] = []  #: seconds until the server knew of a runner's end, if it lived through them
        self.left: list[dict[str, Any]] = []  #: zygotes and proposers whose server was killed
        self._open: dict[Path, float] = {}

    def strike(self) -> None:
        """Kill one process, if there is one of the kind that was drawn."""
        (kind,) = self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()))
        server = self._all.server
        if kind == "server":
            self.left += [identity(pid) for module in MODULES.values() for pid in children(server.process.pid, module)]
            server.kill()
            self._open.clear()
            self.done[kind] += 1
            revive(server)
        elif kind == "runner":
            if found := runners(server.home):
                pid, attempt = self._rng.choice(found)
                self._all.killed.add(attempt)
                if kill(pid):
                    self._open[attempt] = time.monotonic()
                    self.done[kind] += 1
        elif found_pids := children(server.process.pid, MODULES[kind]):
            self.done[kind] += kill(self._rng.choice(found_pids))

    def look(self) -> None:
        """See which killed runners the server has noticed."""
        for attempt, since in list(self._open.items()):
            if self._all.noticed(attempt):
                self.noticed.append(time.monotonic() - since)
                del self._open[attempt]


def soak(installation: Installation, kills: int, pause: float, rng: random.Random) -> dict[str, Any]:
    """Kill, let everything end, and check."""
    began, killer = time.monotonic(), Killer(installation, rng)
    fed, told = 0.0, 0
    while (done := sum(killer.done.values())) < kills:
        revive(installation.server)
        if time.monotonic() - fed > FEED_SECONDS:
            installation.feeder.step()
            fed = time.monotonic()
        killer.strike()
        until = time.monotonic() + rng.uniform(0, 2 * pause)
        while True:
            killer.look()
            if time.monotonic() >= until:
                break
            time.sleep(min(0.05, pause))
        if done >= told + 25:
            told = done
            print(f"{time.monotonic() - began:.0f} s: {dict(killer.done)}", file=sys.stderr, flush=True)
    killed_for = time.monotonic() - began
    installation.feeder.finish(DRAIN_SECONDS)
    with installation.store.reading() as tx:
        counts = tx.connection.exec_driver_sql(
            "select (select count(*) from resource where number is not null), (select count(*) from point)"
        ).one()
    tuning_jobs = len(installation.feeder.names)
    faults = installation.close()
    faults += [f"process {left['pid']} outlived its server" for left in killer.left if is_alive(left)]
    return {
        "kills": dict(killer.done),
        "seconds_of_kills": round(killed_for),
        "seconds": round(time.monotonic() - began),
        "tuning_jobs": tuning_jobs,
        "training_jobs": counts[0],
        "metric_points": counts[1],
        "seconds_until_a_runners_end_was_noticed": {
            "count": len(killer.noticed),
            "median": round(sorted(killer.noticed)[len(killer.noticed) // 2], 2) if killer.noticed else None,
            "most": round(max(killer.noticed), 2) if killer.noticed else None,
        },
        "faults": faults,
    }


def main() -> None:
    """Run both and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--running", type=int, default=20, help="tuning jobs at a time")
    parser.add_argument("--pause", type=float, default=0.3, help="mean seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--result", default="soak_kills.json")
    arguments = parser.parse_args()
    databases = arguments.databases.split(",")

    def run(name: str) -> dict[str, Any]:
        database = postgresql() if name == "postgresql" else nullcontext()
        with database as cluster, tempfile.TemporaryDirectory() as folder:
            feed = {"running": arguments.running, "jobs": 4, "at_once": 2, "retries": 30, "steps": 4, "pause": 0.8}
            installation = Installation(Path(folder), cluster, SETTINGS, **feed)
            try:
                kills = arguments.kills // len(databases)
                return soak(installation, kills, arguments.pause, random.Random(arguments.seed))
            finally:
                installation.server.kill()

    with ThreadPoolExecutor(len(databases)) as pool:
        found = dict(zip(databases, pool.map(run, databases), strict=True))
    write_result(arguments.result, found)
    sys.exit(any(one["faults"] for one in found.values()))


if __name__ == "__main__":
    main()
