"""Regrets of methods, compared with intervals: bootstrap over tasks, and over the seeds of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
COVERED = (0.025, 0.975)
#: Task -> seed -> regret after each evaluation.
Regrets = Mapping[str, Mapping[int, np.ndarray]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over tasks of means over seeds, with a 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def mean_regret(regrets: Regrets, at: int) -> Estimate:
    """Normalised regret after so many evaluations."""
    return bootstrap([[curve[at - 1] for curve in seeds.values()] for seeds in regrets.values()])


def wins(ours: Regrets, theirs: Regrets, at: int) -> Estimate:
    """The probability that we have less regret on the same task with the same seed; a tie is half a win."""
    shares = []
    for task in ours.keys() & theirs.keys():
        seeds = ours[task].keys() & theirs[task].keys()
        differences = np.array([theirs[task][seed][at - 1] - ours[task][seed][at - 1] for seed in sorted(seeds)])
        if len(differences):
            shares.append((0.5 + 0.5 * np.sign(differences)).tolist())
    return bootstrap(shares)


def bootstrap(groups: Sequence[Sequence[float]]) -> Estimate:
    """Groups are drawn with replacement, then members of each drawn group."""
    rng = np.random.default_rng(0)
    means = [float(np.mean(group)) for group in groups]
    drawn = np.empty((RESAMPLES, len(groups)))
    for place, group in enumerate(groups):
        members = np.asarray(group)
        drawn[:, place] = members[rng.integers(len(members), size=(RESAMPLES, len(members)))].mean(axis=1)
    picked = rng.integers(len(groups), size=(RESAMPLES, len(groups)))
    resampled = np.take_along_axis(drawn, picked, axis=1).mean(axis=1)
    low, high = np.quantile(resampled, COVERED)
    return Estimate(float(np.mean(means)), float(low), float(high))


def common(methods: Mapping[str, Regrets]) -> dict[str, Regrets]:
    """Only the searches that all methods have made."""
    shared = set.intersection(*({(task, seed) for task in found for seed in found[task]} for found in methods.values()))
    return {
        name: {
            task: {seed: curve for seed, curve in seeds.items() if (task, seed) in shared}
            for task, seeds in regrets.items()
            if any((task, seed) in shared for seed in seeds)
        }
        for name, regrets in methods.items()
    }
