"""Two servers with homes of their own on one PostgreSQL; one of them is killed every few seconds.

    python benchmarks/soak/two_servers.py --minutes 10 --every 5

A third server is the S3 of both.  A killed server is started again at the next kill, so that the other one has to go
on with its jobs meanwhile.  No runner is killed, so every training job must end in its first attempt.  Afterwards all
invariants of `pegbox.testing.invariants` are checked.  Exits with 1 if one does not hold.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from surroundings import postgresql, write_result

from installation import QUICK
from jobs import new_name, pegbox
from pegbox.domain.training import TrainingJob
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing import invariants
from pegbox.testing.crash_drive import Feeder, revive
from pegbox.testing.crash_work import put_inputs, write_program
from running import RunningServer

SETTINGS = {**QUICK, "PEGBOX_TICK": "0.5", "PEGBOX_LEASE": "2", "PEGBOX_SLOTS": "4"}
DRAIN_SECONDS = 1200.0


def soak(feeder: Feeder, seconds: float, every: float) -> int:
    """Kill one of the two in turns; how often."""
    kills, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        revive(feeder.servers[(kills + 1) % 2])  # the one that was killed before
        feeder.servers[kills % 2].kill()
        kills += 1
        until = time.monotonic() + every
        while time.monotonic() < until:
            feeder.step()
            time.sleep(0.2)
        if kills % 10 == 0:
            print(f"{time.monotonic() - began:.0f} s: {len(feeder.ended)} tuning jobs", file=sys.stderr, flush=True)
    return kills


def homes_of(store: SqlStore, names: list[str]) -> Counter[str]:
    """How many training jobs were taken by which home."""
    found: Counter[str] = Counter()
    with store.reading() as tx:
        for name in names:
            parent = tx.get(invariants.ACCOUNT, invariants.REGION, Kind.TUNING_JOB, name)
            states = tx.states([child.id for child in tx.children(parent.id)]).values()
            found.update(Path(TrainingJob.parse(state).home or "-").name for state in states)
    return found


def run(folder: Path, url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Start, soak, check."""
    began = time.monotonic()
    outside = RunningServer(folder / "outside")
    keys = {name.upper(): value for name, value in outside.credentials().items()}
    environment = {**SETTINGS, **keys, "PEGBOX_S3_ENDPOINT": outside.url, "PEGBOX_DATABASE_URL": url}
    servers = [RunningServer(folder / f"home-{number}", environment=environment) for number in range(2)]
    try:
        put_inputs(outside.client("s3"))
        image = new_name("image")
        program = write_program(folder)
        pegbox(servers[0], "image", "add", image, "--command", f"python {program}", "--workdir", str(folder))
        feeder = Feeder(servers, image, folder, running=arguments.running, jobs=4, at_once=2, pause=0.5)
        kills = soak(feeder, 60 * arguments.minutes, arguments.every)
        feeder.finish(DRAIN_SECONDS)
        store, homes = SqlStore(url, migrate=False), [server.home for server in servers]
        faults = feeder.faults(store, homes, s3=outside.client("s3"))
        shares = homes_of(store, feeder.names)
        store.close()
        return {
            "kills": kills,
            "seconds": round(time.monotonic() - began),
            "tuning_jobs": len(feeder.names),
            "training_jobs_by_home": dict(shares),
            "faults": faults,
        }
    finally:
        for server in [*servers, outside]:
            server.kill()


def main() -> None:
    """Run and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--every", type=float, default=5, help="seconds between two kills")
    parser.add_argument("--running", type=int, default=4, help="tuning jobs at a time")
    parser.add_argument("--result", default="soak_two_servers.json")
    arguments = parser.parse_args()
    with postgresql() as cluster, tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), cluster.database(f"two_{uuid.uuid4().hex[:8]}"), arguments)
    write_result(arguments.result, result)
    sys.exit(bool(result["faults"]))


if __name__ == "__main__":
    main()
