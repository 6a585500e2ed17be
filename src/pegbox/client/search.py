"""How the space is searched, and what each strategy asks of the rest of a file."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from pegbox.client.document import Node
from pegbox.client.faults import Fault, shown, whole
from pegbox.client.goal import Budget
from pegbox.client.ranges import Parameters
from pegbox.counts import counted
from pegbox.domain.rungs import EPOCHS, inferred_most
from pegbox.domain.strategy_rules import most_jobs

STRATEGIES = {name.lower(): name for name in ("Bayesian", "Random", "Grid", "Hyperband")}


def search(given: Mapping[str, Node]) -> dict[str, Any]:
    """Strategy, seed and early stopping of HyperParameterTuningJobConfig.  Raises Fault."""
    strategy = given.get("strategy")
    written = "bayesian" if strategy is None else str(strategy.value).lower()
    if strategy is not None and written not in STRATEGIES:
        raise Fault(strategy, f"{shown(strategy)} is none of {', '.join(STRATEGIES)}")
    config: dict[str, Any] = {"Strategy": STRATEGIES[written]}
    if "seed" in given:
        config["RandomSeed"] = whole(given["seed"], 0)
    if "early_stopping" in given:
        stops = given["early_stopping"].value
        if not isinstance(stops, bool):
            raise Fault(given["early_stopping"], f"{shown(given['early_stopping'])} is neither true nor false")
        if stops and written == "hyperband":
            raise Fault(given["early_stopping"], "hyperband stops training jobs by itself: leave it out")
        config["TrainingJobEarlyStoppingType"] = "Auto" if stops else "Off"
    return config


def check(given: Mapping[str, Node], strategy: str, found: Parameters, spend: Budget) -> None:
    """Raise Fault where the parameters and the budget do not fit the strategy."""
    if strategy == "Hyperband" and found.ranges and inferred_most(found.static) is None:
        raise Fault(
            given["strategy"],
            f"hyperband has to know how many epochs there are: give one of {', '.join(EPOCHS)} a value in parameters",
        )
    if strategy == "Grid":
        _check_grid(given, found, spend)
    _check_jobs(given, strategy, spend)


def _check_grid(given: Mapping[str, Node], found: Parameters, spend: Budget) -> None:
    nodes = given["parameters"].value if "parameters" in given else None
    if not isinstance(nodes, dict) or len(found.values) < len(nodes):  # which is told already
        return
    for kind, ranges in found.ranges.items():
        if kind != "CategoricalParameterRanges":
            name = str(ranges[0]["Name"])
            raise Fault(nodes[name], "a grid needs single values: write {values: [...]}, or a strategy other than grid")
    size = prod(len(values) for values in found.values.values())
    most = most_jobs("Grid")
    if size > most:
        raise Fault(given["parameters"], f"a grid has {size:,} combinations, more than the {most:,} jobs of a search")
    if spend.jobs not in (None, size):
        raise Fault(
            given["budget"], f"a grid tries all of its {counted(size, 'combination')}: leave the number of jobs out"
        )


def _check_jobs(given: Mapping[str, Node], strategy: str, spend: Budget) -> None:
    most = most_jobs(strategy)
    if spend.jobs is not None and spend.jobs > most:
        other = "" if strategy == "Random" else f"; {most_jobs('Random')} with strategy: random"
        raise Fault(given["budget"], f"{spend.jobs} training jobs are more than the {most} of a search{other}")
    if spend.jobs is not None and spend.parallel > spend.jobs:
        raise Fault(given["budget"], f"{spend.parallel} at once are more than the {counted(spend.jobs, 'job')} in all")
