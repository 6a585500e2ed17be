"""Between which values regret is measured: the best known one, and what random search begins with.

Normalised regret of a search: (its incumbent - best known) / (median best of the first 10 of many random searches -
best known).  Both are estimated once and kept in reference.json.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pegbox.strategies.base import Goal

from .records import keys, read
from .runs import Places
from .tasks.catalogue import catalogue
from .tasks.task import Task, draws

FILE = Path(__file__).parent / "reference.json"
NOTHING = 2.0  #: the regret of a search all of whose evaluations have failed
BEGINNING = 10  #: evaluations of random search
SEARCHES, COSTLY_SEARCHES = 201, 31
DRAWS, COSTLY_DRAWS = 5000, 300
ROUNDS = 40  #: of the evolution that refines the best draws
_SEED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What the report must know of a task, so that it needs neither surrogates nor data; values in the task's units."""

    family: str
    maximise: bool
    best: float
    start: float

    @property
    def sign(self) -> float:
        return -1.0 if self.maximise else 1.0

    def regret(self, loss: float) -> float:
        """0 for the best known value, 1 for what random search begins with."""
        if math.isinf(loss):
            return NOTHING
        return max(0.0, (loss - self.sign * self.best) / (self.sign * (self.start - self.best)))


def references() -> dict[str, Reference]:
    found = json.loads(FILE.read_text()) if FILE.exists() else {}
    return {name: Reference(**fields) for name, fields in found.items()}


def estimate_all(names: Sequence[str], places: Places) -> None:
    """Estimate anew, also from all results of runs; what is worse than before is not kept."""
    found = references()
    for name in names:
        task = catalogue(places.bench, places.cache)[name]()
        before = found.get(name)
        best = task.best if task.best is not None else task.sign * min(estimate(task), seen(task, places.runs))
        if before and task.best is None:
            best = task.sign * min(task.sign * best, before.sign * before.best)
        start = before.start if before else task.sign * beginning(task)
        maximise = task.goal is Goal.MAXIMIZE
        found[name] = Reference(family=task.family, maximise=maximise, best=best, start=start)
        print(f"{name:26} best {best:.8g}, start {start:.6g}", flush=True)
        FILE.write_text(json.dumps({name: asdict(found[name]) for name in sorted(found)}, indent=1) + "\n")


def loss(task: Task, values: Mapping[str, str]) -> float:
    exact = task.exact(values)
    return math.inf if exact is None else task.sign * exact


def beginning(task: Task) -> float:
    searches = range(COSTLY_SEARCHES if task.costly else SEARCHES)
    return statistics.median(
        min(loss(task, values) for values in draws(task.space, BEGINNING, _SEED + seed)) for seed in searches
    )


def estimate(task: Task) -> float:
    """The best of many draws, refined by mutation: every child replaces its parent if it is better."""
    points = np.random.default_rng(_SEED).random((COSTLY_DRAWS if task.costly else DRAWS, len(task.space.parameters)))
    losses = np.array([loss(task, task.space.decode(point)) for point in points.tolist()])
    rng, parents = np.random.default_rng(_SEED + 1), np.argsort(losses)[: 5 if task.costly else 50]
    points, losses = points[parents], losses[parents]
    for turn in range(ROUNDS):
        width = 0.3 * 0.85**turn
        moved = rng.random(points.shape) < 0.5
        children = np.clip(points + moved * width * rng.standard_normal(points.shape), 0, 1)
        found = np.array([loss(task, task.space.decode(child)) for child in children.tolist()])
        better = found < losses
        points[better], losses[better] = children[better], found[better]
    return float(losses.min())


def seen(task: Task, runs: Path) -> float:
    """The best that any search has found; values without noise."""
    exact = [item.exact for key in keys(runs) if key.task == task.name for item in read(runs, key)]
    return min((task.sign * value for value in exact if value is not None), default=math.inf)
