"""Bayesian with a parent: an earlier search of the same task or of one like it, to measure what warm start brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from pegbox.domain.ranges import Categorical
from pegbox.strategies.base import ParentKind, ParentStudy, Trial

from ..simulation import Simulation
from ..tasks.catalogue import catalogue
from ..tasks.surrogates import GLMNET, LCBENCH
from ..tasks.task import Task, Values
from .method import Setting
from .ours import Ours

#: Name -> how the parent is declared; see `parent`.
KINDS: Mapping[str, ParentKind] = MappingProxyType(
    {
        "identical": ParentKind.IDENTICAL,  # the same task
        "related": ParentKind.TRANSFER,  # another data set, or the function moved
        "shuffled": ParentKind.TRANSFER,  # random configurations of the same task, their values in another order
        "lying": ParentKind.IDENTICAL,  # the same
    }
)
_TRIALS = 50  #: of a parent
_MOVED = 0.05  #: standard deviation of how far a related function is moved along each number, in the unit cube
_OTHER = 10_000  #: beyond the seeds of searches


def with_parent(task: Task, setting: Setting, seed: int, *, kind: str, bench: Path | None, cache: Path) -> Ours:
    """A search that knows its parent."""
    known = parent(task, kind, seed, bench, cache)
    return Ours(task, setting, seed, strategy="Bayesian", changes={}, parents=(known,))


def parent(task: Task, kind: str, seed: int, bench: Path | None, cache: Path) -> ParentStudy:
    """A whole search; what failed is left out, as the service leaves it out.

    Where values are shuffled, the search is a random one: what Bayesian has tried is good whatever is said of it.
    """
    other = related(task, seed, bench, cache) if kind == "related" else task
    setting = Setting(budget=_TRIALS)
    shuffled = kind in ("shuffled", "lying")
    method = Ours(other, setting, _OTHER + seed, strategy="Random" if shuffled else "Bayesian", changes={})
    Simulation(other, method, setting, _OTHER + seed).run()
    trials = [trial for trial in method.trials if trial.objective is not None]
    if shuffled:
        trials = _shuffled(trials, seed)
    return ParentStudy(kind=KINDS[kind], space=task.space, static={}, trials=tuple(trials))


def related(task: Task, seed: int, bench: Path | None, cache: Path) -> Task:
    """The same training on the next data set; the same function with its minimum and its scale elsewhere."""
    family, _, instance = task.name.removesuffix("-failing").partition("-")
    listed = {"lcbench": LCBENCH, "glmnet": GLMNET}.get(family, ())
    if instance in listed:
        following = listed[(listed.index(instance) + 1) % len(listed)]
        return catalogue(bench, cache)[f"{family}-{following}"]()
    numbers = np.array([not isinstance(parameter, Categorical) for parameter in task.space.parameters])
    step = _MOVED * np.random.default_rng([seed, _OTHER]).standard_normal(len(numbers)) * numbers

    def exact(values: Values) -> float | None:
        point = np.clip(np.array(task.space.encode(values)) + step, 0.0, 1.0)
        value = task.exact(task.space.decode(point.tolist()))
        return None if value is None else 3.0 * value + 7.0

    return replace(task, exact=exact, noise=3.0 * task.noise)


def _shuffled(trials: list[Trial], seed: int) -> list[Trial]:
    order = np.random.default_rng([seed, _OTHER]).permutation(len(trials))
    return [replace(trial, objective=trials[place].objective) for trial, place in zip(trials, order, strict=True)]
