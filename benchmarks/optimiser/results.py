"""Results of a setting, and what follows: rows of regrets, of comparisons in pairs, of the CPU time of asks."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .comparison import Regrets, common, mean_regret, wins
from .convergence import converged_after
from .methods.method import State
from .methods.ours import fingerprint
from .records import Key, keys, read
from .reference import Reference
from .simulation import Evaluation, incumbents

BINS = (10, 25, 50, 100, 200, 500, 1000)  #: upper ends of the numbers of observations by which asks are grouped
ALL = "all"

Searches = dict[Key, list[Evaluation]]
Row = dict[str, Any]


class Results:
    """The searches of some methods on some tasks.

    Regrets are compared over what all methods but `slow` ones have run; each pair over what both of it have run.
    """

    def __init__(
        self, searches: Mapping[str, Searches], known: Mapping[str, Reference], ours: str, slow: Sequence[str] = ()
    ) -> None:
        self.searches, self.ours, self._known = searches, ours, known
        self._all = {name: regrets(of_method, known) for name, of_method in searches.items()}
        self.regrets = common({name: found for name, found in self._all.items() if name not in slow})
        self.tasks = sorted({task for of_method in self.regrets.values() for task in of_method})
        self.families: dict[str, list[str]] = {ALL: self.tasks}
        for task in self.tasks:
            self.families.setdefault(known[task].family, []).append(task)

    @property
    def budget(self) -> int:
        return min(len(curve) for seeds in next(iter(self.regrets.values())).values() for curve in seeds.values())

    def of(self, family: str) -> dict[str, Regrets]:
        """Method -> its regrets on the tasks of a family, or on a single task."""
        tasks = self.families.get(family, [family])
        return {name: {task: of_method[task] for task in tasks} for name, of_method in self.regrets.items()}

    def regret_rows(self, at: Sequence[int], families: Sequence[str]) -> Iterator[Row]:
        """The best method first."""
        for family in families:
            for count in at:
                found = {name: mean_regret(of_method, count) for name, of_method in self.of(family).items()}
                for name, estimate in sorted(found.items(), key=lambda pair: pair[1].mean):
                    row = {"tasks": family, "evaluations": count, "method": name, "regret": estimate.mean}
                    yield row | {"low": estimate.low, "high": estimate.high}

    def pair_rows(self, at: Sequence[int]) -> Iterator[Row]:
        """How probably ours has less regret than each other method on the same task with the same seed."""
        mine = self._all.get(self.ours, {})
        for name in [*self._all] if mine else ():
            if name != self.ours:
                both = common({self.ours: mine, name: self._all[name]})
                for family in (ALL, *sorted({self._known[task].family for task in both[name]})):
                    yield from self._pairs(both, name, family, at)

    def _pairs(self, both: Mapping[str, Regrets], name: str, family: str, at: Sequence[int]) -> Iterator[Row]:
        chosen = {
            method: {task: seeds for task, seeds in found.items() if family in (ALL, self._known[task].family)}
            for method, found in both.items()
        }
        own, other = chosen[self.ours], chosen[name]
        for count in at if own else ():
            estimate = wins(own, other, count)
            yield {
                "tasks": family,
                "evaluations": count,
                "ours": self.ours,
                "other": name,
                "searches": sum(len(seeds) for seeds in own.values()),
                "regret": mean_regret(own, count).mean,
                "other_regret": mean_regret(other, count).mean,
                "probability": estimate.mean,
                "low": estimate.low,
                "high": estimate.high,
            }

    def latency_rows(self) -> Iterator[Row]:
        """CPU seconds of an ask by how many evaluations had ended before it."""
        for name, of_method in self.searches.items():
            asks: dict[int, list[float]] = {}
            for item in (item for evaluations in of_method.values() for item in evaluations):
                end = next((end for end in BINS if item.known <= end), BINS[-1])
                asks.setdefault(end, []).append(item.seconds)
            for end, seconds in sorted(asks.items()):
                median, worst = np.quantile(seconds, [0.5, 0.95])
                yield {"method": name, "observations": end, "asks": len(seconds), "median": median, "p95": worst}

    def convergence_rows(self) -> Iterator[Row]:
        """Where our searches would have ended by convergence, and the regret there and at the end."""
        for key, evaluations in self.searches.get(self.ours, {}).items():
            curve = self._all[self.ours].get(key.task, {}).get(key.seed)
            if curve is not None and any(item.expected is not None for item in evaluations):
                count = converged_after(evaluations, self._known[key.task].sign)
                row: Row = {"task": key.task, "seed": key.seed, "converged": count or ""}
                yield row | {"regret": curve[count - 1] if count else "", "regret_at_end": curve[-1]}

    def search_rows(self, at: Sequence[int]) -> Iterator[Row]:
        """Every search, in short."""
        for name, of_method in self.searches.items():
            for key, evaluations in of_method.items():
                curve = self._all[name].get(key.task, {}).get(key.seed)
                if curve is not None:
                    row: Row = {"task": key.task, "method": name, "seed": key.seed}
                    row |= {f"regret@{count}": curve[count - 1] for count in at}
                    row["failed"] = sum(item.state is State.FAILED for item in evaluations)
                    yield row | {"seconds": sum(item.seconds for item in evaluations)}


def load(runs: Path, setting: str, tasks: Sequence[str], patterns: Sequence[str]) -> dict[str, Searches]:
    """Method -> its searches; the strategies as they are now are called by their plain names."""
    found: dict[str, Searches] = {}
    now = f"@{fingerprint()}"
    for key in keys(runs, setting):
        if key.task in tasks:
            name = key.method.removesuffix(now)
            if any(fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns):
                found.setdefault(name, {})[key] = read(runs, key)
    return found


def regrets(searches: Mapping[Key, Sequence[Evaluation]], known: Mapping[str, Reference]) -> Regrets:
    """Normalised regret after each evaluation of the budget; a search that ended before keeps its last one."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for key, evaluations in searches.items():
        if key.task in known:
            reference = known[key.task]
            curve = np.array([reference.regret(loss) for loss in incumbents(evaluations, reference.sign)])
            budget = int(key.setting.split("-n")[1].split("-")[0])
            found.setdefault(key.task, {})[key.seed] = np.pad(curve, (0, budget - len(curve)), mode="edge")
    return found
