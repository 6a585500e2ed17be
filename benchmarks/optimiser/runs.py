"""Run the searches that are missing, several processes at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from .methods.method import Setting
from .methods.peer import PeerError
from .methods.registry import Chosen
from .records import Key, write
from .simulation import Simulation, incumbents
from .tasks.catalogue import catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders."""

    bench: Path | None  #: surrogates
    cache: Path  #: results of trainings, environments of peers
    runs: Path  #: results


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search to be run."""

    task: str
    method: Chosen
    setting: Setting
    seed: int

    @property
    def key(self) -> Key:
        return Key(str(self.setting), self.task, self.method.name, self.seed)


def plan(tasks: Sequence[str], methods: Sequence[Chosen], setting: Setting, seeds: Sequence[int]) -> list[Search]:
    """All searches, seed after seed, so that what has been run at any time is a fair part of it."""
    return [
        Search(task=task, method=method, setting=setting, seed=seed)
        for seed in seeds
        for task in tasks
        for method in methods
    ]


def run_all(searches: Sequence[Search], places: Places, processes: int) -> None:
    """Run what is missing; tell about each search and go on after one that fails."""
    missing = [search for search in searches if not search.key.file(places.runs).exists()]
    print(f"{len(searches) - len(missing)} of {len(searches)} searches have been run before", flush=True)
    with ProcessPoolExecutor(processes) as pool:
        running = [pool.submit(run, search, places) for search in missing]
        for count, future in enumerate(as_completed(running), start=1):
            print(f"[{count}/{len(missing)}] {future.result()}", flush=True)


def run(search: Search, places: Places) -> str:
    """Run one search, write its file and give a line about it."""
    begun = time.monotonic()
    task = catalogue(places.bench, places.cache)[search.task]()
    label = f"{search.task} {search.method.name} {search.setting} seed {search.seed}"
    try:
        method = search.method.maker(task, search.setting, search.seed)
        evaluations = Simulation(task, method, search.setting, search.seed).run()
    except PeerError as error:
        return f"{label}: left out, {error}"
    write(places.runs, search.key, evaluations, method.versions)
    method.close()
    best = task.sign * incumbents(evaluations, task.sign)[-1]
    return f"{label}: best {best:.6g}, CPU {method.seconds:.1f} s, {time.monotonic() - begun:.1f} s"
