"""Whether what concurrent clients are told fits together, for as long as you like.

    python benchmarks/soak/linearisability.py [--seconds 600] [--seed 1]

Two servers share a home, first on SQLite, then on PostgreSQL (if its initdb is installed), for half of the time each.
Round after round eight clients work on the same few names through both servers, and the history of what they asked and
were told is checked for linearisability against a sequential model: training jobs, tuning jobs, objects, multipart
uploads, buckets.  In every third round one of the servers is killed in the middle and started again.  A history that no
order of its calls explains is printed, with the seed of its round.

Limits: no violation, no call that is left without an answer in a round without a kill.  Exits with 1 otherwise.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from surroundings import postgresql, write_result

from histories.bucket_clients import MIXTURES, bucket_calls, model_of
from histories.job_clients import MODELS, jobs_of, prepare
from histories.recording import Door
from pegbox.testing.linearisability import UNANSWERED, Call, Violation, check
from running import RunningServer

KINDS = (*MODELS, *MIXTURES)
CLIENTS = 8
KILL_EVERY = 3  #: rounds
ENVIRONMENT = {"PEGBOX_TICK": "0.3", "PEGBOX_LEASE": "2", "PEGBOX_SLOTS": "2", "PEGBOX_STOP_GRACE": "1"}


@contextmanager
def two_servers(database: str) -> Iterator[list[Door]]:
    """Two servers of one home."""
    environment = dict(ENVIRONMENT)
    with ExitStack() as stack:
        if database == "postgresql":
            environment["PEGBOX_DATABASE_URL"] = stack.enter_context(postgresql()).database("soak")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pegbox-soak-", ignore_cleanup_errors=True))
        doors = [Door(RunningServer(Path(folder) / "home", environment=environment)) for _ in range(2)]
        for door in doors:
            stack.callback(lambda door=door: door.server.stop())
        prepare(doors[0])
        yield doors


def play(doors: Sequence[Door], kind: str, seed: str, kill: bool) -> tuple[Sequence[Call], Violation[Any] | None]:
    """One round: what was told, and what is wrong with it."""
    luck = random.Random(seed)
    dying = threading.Timer(luck.uniform(0.1, 1.0), luck.choice(doors).kill) if kill else None
    if dying is not None:
        dying.start()
    if kind in MODELS:
        calls = jobs_of(doors, kind, seed, clients=CLIENTS, calls=15)
    else:
        calls = bucket_calls(doors, kind, seed, clients=CLIENTS, calls=30)
    if dying is not None:
        dying.join()
    return calls, check(MODELS[kind] if kind in MODELS else model_of(kind), calls)


def soak(database: str, seconds: float, seed: int) -> dict[str, Any]:
    """Rounds on one database until the time is up."""
    counts = {kind: Counter[str]() for kind in KINDS}
    deadline = time.monotonic() + seconds
    with two_servers(database) as doors:
        for number, kind in zip(itertools.count(), itertools.cycle(KINDS)):
            if time.monotonic() > deadline:
                return {kind: dict(count) for kind, count in counts.items()}
            kill = number % KILL_EVERY == KILL_EVERY - 1
            calls, violation = play(doors, kind, f"{seed}-{number}", kill)
            unanswered = sum(call.answer == UNANSWERED for call in calls)
            counts[kind].update(rounds=1, kills=int(kill), calls=len(calls), unanswered=unanswered)
            if violation is not None:
                print(f"{database}, seed {seed}-{number}: {violation}", file=sys.stderr)
            counts[kind].update(violations=int(violation is not None), lost=0 if kill else unanswered)
    raise AssertionError("unreachable")


def main() -> int:
    """Soak and write what was found; 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--databases", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    arguments = parser.parse_args()
    share = arguments.seconds / len(arguments.databases)
    found = {database: soak(database, share, arguments.seed) for database in arguments.databases}
    wrong = sum(count["violations"] + count["lost"] for kinds in found.values() for count in kinds.values() if count)
    write_result("linearisability.json", {"seconds": arguments.seconds, "seed": arguments.seed, "found": found})
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
