"""What the results say: regret by family of tasks, comparison in pairs, CPU time of asks."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .comparison import Regrets, common, mean_regret, wins
from .methods.ours import fingerprint
from .records import Key, keys, read
from .reference import Reference, references
from .runs import Places
from .simulation import Evaluation, incumbents

Searches = dict[Key, list[Evaluation]]

BINS = (10, 25, 50, 100, 200, 500, 1000)  #: numbers of observations by which asks are grouped, each an upper end


def report(places: Places, tasks: Sequence[str], chosen: argparse.Namespace) -> None:
    """Print the tables."""
    known = references()
    found = load(places.runs, chosen.setting, tasks, chosen.method or ["*"])
    if not found:
        sys.exit(f"nothing has been run in the setting {chosen.setting}")
    methods = common({name: regrets(searches, known) for name, searches in found.items()})
    tasks = sorted({task for of_method in methods.values() for task in of_method})
    if not tasks:
        sys.exit("there is no search that all of these methods have made; choose some with --method")
    ours = chosen.ours or f"Bayesian@{fingerprint()}"
    at = [count for count in chosen.at if count <= shortest(methods)]
    families = {"all": tasks} | by_family(tasks, known) | ({task: [task] for task in tasks} if chosen.each else {})
    for count in at:
        print(f"\nNormalised regret after {count} evaluations: mean [95 % interval]; lower is better")
        table(methods, families, count)
    if ours in methods:
        for count in at:
            print(f"\nProbability that {ours} has less regret after {count} evaluations [95 % interval]")
            others = {name: of_method for name, of_method in methods.items() if name != ours}
            for name, of_method in others.items():
                print(f"  {name:34} {wins(methods[ours], of_method, count)}")
    print("\nCPU milliseconds of an ask, median / 95th percentile, by the number of observations")
    for name, searches in found.items():
        print(f"  {name:34} {latency_line(searches)}")


def load(runs: Path, setting: str, tasks: Sequence[str], patterns: Sequence[str]) -> dict[str, Searches]:
    """Method -> its searches."""
    found: dict[str, Searches] = {}
    for key in keys(runs, setting):
        if key.task in tasks and any(fnmatch.fnmatchcase(key.method, pattern) for pattern in patterns):
            found.setdefault(key.method, {})[key] = read(runs, key)
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


def shortest(methods: Mapping[str, Regrets]) -> int:
    return min(len(curve) for of_method in methods.values() for seeds in of_method.values() for curve in seeds.values())


def by_family(tasks: Sequence[str], known: Mapping[str, Reference]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for task in tasks:
        found.setdefault(known[task].family, []).append(task)
    return found


def table(methods: Mapping[str, Regrets], families: Mapping[str, Sequence[str]], at: int) -> None:
    """Families of tasks, and in each the methods, the best one first."""
    width = max(len(name) for name in methods) + 2
    for family, tasks in families.items():
        found = {
            name: mean_regret({task: of_method[task] for task in tasks}, at) for name, of_method in methods.items()
        }
        searches = sum(len(next(iter(methods.values()))[task]) for task in tasks)
        print(f" {family}: {len(tasks)} tasks, {searches} searches")
        for name, estimate in sorted(found.items(), key=lambda pair: pair[1].mean):
            print(f"  {name:{width}} {estimate}")


def latency(searches: Mapping[Key, Sequence[Evaluation]]) -> dict[int, np.ndarray]:
    """Upper end of a bin -> CPU seconds of the asks that knew so many observations."""
    asks = [(item.known, item.seconds) for evaluations in searches.values() for item in evaluations]
    found: dict[int, list[float]] = {}
    for known, seconds in asks:
        found.setdefault(next((end for end in BINS if known <= end), BINS[-1]), []).append(seconds)
    return {end: np.array(found[end]) for end in sorted(found)}


def latency_line(searches: Mapping[Key, Sequence[Evaluation]]) -> str:
    return "  ".join(
        f"<={end}: {1e3 * np.median(seconds):.1f} / {1e3 * np.quantile(seconds, 0.95):.1f}"
        for end, seconds in latency(searches).items()
    )
