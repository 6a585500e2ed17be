"""What stopping training jobs saves, on learning curves of real neural networks.

    pip install 'pegbox[bench]'
    OPENBLAS_NUM_THREADS=1 python benchmarks/learning_curves.py --bench DIR [--write] [--cache DIR] [--jobs N]

DIR holds `lcbench/model.onnx` and `lcbench/encoding.json` of YAHPO Gym (Pfisterer et al. 2022), a surrogate of LCBench
(Zimmer et al. 2021): networks with 7 hyperparameters, trained for 52 epochs on tabular data.  The objective is the
validation accuracy in percent, published once an epoch, maximised; a job's final objective is its last value.
`--write` adds to results/learning_curves.json, `--cache` keeps the curves for the next run.

The clock is virtual: each of `--workers` workers trains one epoch a tick, and after every tick the rules that the
service asks (pegbox.engine.stopping) say who stops.  Strategies and rules are those of the product.

- Hyperband against Random: the epochs that all jobs have trained when an ended job of Hyperband is as good as the best
  of Random's `--jobs` jobs, as a share of the epochs of these.  Infinite if that takes more epochs than Random used.
  Once with a seed of its own, once with Random's, with which Hyperband draws the same configurations in the same order.
- Early stopping: `--jobs` jobs without and with it, same seed.  Saved: the share of epochs that are not trained.  Loss:
  by how much the best final objective is worse, in percent of the best final objective without early stopping; and in
  normalised regret.  Random also with a head start of a tenth of the length of completed jobs.
- Normalised regret: (best known - best) / (best known - median over the seeds of Random's best of 10 jobs).
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import pickle
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from measuring import describe_machine
from optimiser.tasks.surrogates import EPOCHS, LCBENCH, SPACE, LCBench
from optimiser.tasks.task import Curve

from pegbox.domain.progress import Outliner
from pegbox.domain.rungs import Resource
from pegbox.domain.searches import Search
from pegbox.engine.stopping import HyperbandRule, MedianRule, Rule
from pegbox.strategies.base import Goal, Limits, Study, Trial, TrialState
from pegbox.strategies.registry import STRATEGIES
from pegbox.strategies.tried import Tried

RESULTS = Path(__file__).parent / "results" / "learning_curves.json"
HEAD_START = 0.1
MOST_JOBS = 750  #: of a Hyperband tuning job
OTHER_SEEDS = 10_000  #: Hyperband's own seeds begin here


class Curves:
    """The learning curves of one task, each computed once."""

    def __init__(self, bench: Path, task: str, cache: Path | None) -> None:
        self._source = LCBench(bench, task)
        self._file = cache / f"lcbench_{task}.pickle" if cache else None
        self._known: dict[tuple[str, ...], Curve] = {}
        if self._file and self._file.exists():
            self._known = pickle.loads(self._file.read_bytes())

    def __call__(self, values: Mapping[str, str]) -> Curve:
        key = tuple(values.values())
        if key not in self._known:
            self._known[key] = self._source.curve(values)
        return self._known[key]

    def save(self) -> None:
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_bytes(pickle.dumps(self._known))


class Job:
    """A training job of the simulated tuning job."""

    def __init__(self, number: int, values: Mapping[str, str], curve: Curve) -> None:
        self.number = number
        self.state = TrialState.RUNNING
        self._values, self._curve = values, curve
        self._epochs = 0
        self._outliner = Outliner()
        self._trial: Trial | None = None  #: once it has ended

    @property
    def final(self) -> float:
        return self._curve[self._epochs - 1]

    def train(self) -> float:
        """One more epoch; its value."""
        self._epochs += 1
        self._outliner.add([self.final])
        if self._epochs == len(self._curve):
            self.state = TrialState.FINISHED
        return self.final

    def trial(self) -> Trial:
        number, values = self.number, self._values
        if self.state is TrialState.RUNNING:
            return Trial(number=number, values=values, state=self.state)
        if self._trial is None:
            outline = self._outliner.outline()
            self._trial = Trial(number=number, values=values, state=self.state, objective=self.final, curve=outline)
        return self._trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    finals: list[float]  #: final objectives by number
    steps: list[tuple[int, float]]  #: epochs of all jobs so far, best final objective so far; the last step is the end

    @property
    def epochs(self) -> int:
        return self.steps[-1][0]

    @property
    def best(self) -> float:
        return self.steps[-1][1]

    def best_after(self, epochs: float) -> float:
        return max((best for spent, best in self.steps if spent <= epochs), default=-math.inf)

    def epochs_to(self, target: float) -> float:
        return next((spent for spent, best in self.steps if best >= target), math.inf)


def hyperband(seed: int) -> Rule:
    """Strategy Hyperband, MinResource 1."""
    static = {"epochs": str(EPOCHS)}
    objective = {"Type": "Maximize", "MetricName": "accuracy"}
    search = Search(name="", definition={"StaticHyperParameters": static}, ranges={}, objective=objective)
    return HyperbandRule([search], [Resource(1, EPOCHS)], seed)


def simulate(
    name: str,
    curves: Callable[[Mapping[str, str]], Curve],
    *,
    seed: int,
    jobs: int,
    workers: int,
    rule: Rule | None = None,
    budget: float = math.inf,
) -> Run:
    """A tuning job with this strategy, until all jobs have ended or the budget of epochs is used up."""
    strategy, limits = STRATEGIES[name](), Limits(most=jobs, at_once=workers)
    every: list[Job] = []
    active: list[Job] = []
    steps = [(0, -math.inf)]
    tried = Tried(SPACE)
    while steps[-1][0] < budget:
        free = min(workers - len(active), jobs - len(every))
        if free > 0:
            trials = tuple(job.trial() for job in every)
            study = Study(
                space=SPACE,
                goal=Goal.MAXIMIZE,
                limits=limits,
                seed=seed,
                trials=trials,
                early_stopping=isinstance(rule, MedianRule),
                tried=tried,
            )
            for candidate in strategy.ask(study, free, np.random.default_rng([seed, len(every)])):
                every.append(Job(len(every) + 1, candidate.values, curves(candidate.values)))
                active.append(every[-1])
                tried.add(candidate.values)
                if rule:
                    rule.launched(len(every), 0)
        if not active:
            break
        tick(active, every, rule)
        best = max([steps[-1][1], *(job.final for job in active if job.state is not TrialState.RUNNING)])
        steps.append((steps[-1][0] + len(active), best))
        active = [job for job in active if job.state is TrialState.RUNNING]
    return Run(finals=[job.final for job in every if job.state is not TrialState.RUNNING], steps=steps)


def tick(active: Sequence[Job], every: Sequence[Job], rule: Rule | None) -> None:
    """One epoch of each active job, and what the rule says of it."""
    for job in active:
        value = job.train()
        if rule:
            rule.published(job.number, [value])
    if not rule:
        return
    for job in active:
        if job.state is TrialState.FINISHED:
            rule.ended(job.number, True)
    for number in rule.to_stop():
        job = every[number - 1]
        if job.state is TrialState.RUNNING:
            job.state = TrialState.STOPPED
            rule.ended(number, False)


def runs_of(curves: Curves, seed: int, jobs: int, workers: int) -> dict[str, Run]:
    """All methods on one task with one seed."""
    run = partial(simulate, curves=curves, workers=workers)
    found = {}
    for name in ("Random", "Bayesian"):
        found[name] = run(name, seed=seed, jobs=jobs)
        found[f"{name}, early stopping"] = run(name, seed=seed, jobs=jobs, rule=MedianRule(True))
    found["Random, head start"] = run("Random", seed=seed, jobs=jobs, rule=MedianRule(True, HEAD_START))
    budget = found["Random"].epochs
    for name, own in (("Hyperband", seed + OTHER_SEEDS), ("Hyperband, same seed", seed)):
        found[name] = run("Hyperband", seed=own, jobs=MOST_JOBS, rule=hyperband(own), budget=budget)
    return found


def measure(task: str, chosen: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """The figures of one task: method -> a row of figures for each seed."""
    curves = Curves(chosen.bench, task, chosen.cache)
    runs = [runs_of(curves, seed, chosen.jobs, chosen.workers) for seed in range(chosen.seeds)]
    curves.save()
    known = max(run.best for seed in runs for run in seed.values())
    unit = known - statistics.median(max(seed["Random"].finals[:10]) for seed in runs)
    rows: dict[str, list[dict[str, float]]] = {}
    for seed in runs:
        budget = seed["Random"].epochs
        for name, run in seed.items():
            row = {"epochs": run.epochs, "regret": (known - run.best) / unit}
            if name.startswith("Hyperband"):
                row["share"] = run.epochs_to(seed["Random"].best) / budget
                row["regret at a third"] = (known - run.best_after(budget / 3)) / unit
            elif "," in name:
                plain = seed[name.split(",")[0]]
                row["saved"] = 1 - run.epochs / plain.epochs
                row["loss in percent"] = 100 * (plain.best - run.best) / abs(plain.best)
                row["loss in regret"] = (plain.best - run.best) / unit
            rows.setdefault(name, []).append(row)
    return rows


def summary(rows: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float | str]]:
    """Quantiles of each figure and its mean, or the share of infinite values."""
    found = {}
    for figure in rows[0]:
        values = np.array([row[figure] for row in rows], float)
        names = ("lower quartile", "median", "upper quartile", "ninth decile")
        quantiles = np.quantile(values, [0.25, 0.5, 0.75, 0.9], method="inverted_cdf")
        found[figure] = {name: plain(value) for name, value in zip(names, quantiles, strict=True)}
        if np.isfinite(values).all():
            found[figure]["mean"] = plain(values.mean())
        else:
            found[figure]["share infinite"] = plain(np.isinf(values).mean())
    return found


def plain(value: float) -> float | str:
    """A number that JSON can hold and people can read."""
    return round(float(value), 4) if math.isfinite(value) else "infinite"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args()
    begun = time.monotonic()
    with multiprocessing.Pool(chosen.processes) as pool:
        tasks = dict(zip(LCBENCH, pool.imap(partial(measure, chosen=chosen), LCBENCH), strict=True))
    methods = list(tasks[LCBENCH[0]])
    result = {
        "settings": {name: getattr(chosen, name) for name in ("seeds", "jobs", "workers")},
        "all tasks": {name: summary([row for rows in tasks.values() for row in rows[name]]) for name in methods},
        "medians of tasks": {
            task: {
                name: {figure: values["median"] for figure, values in summary(rows[name]).items()} for name in methods
            }
            for task, rows in tasks.items()
        },
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "machine": describe_machine(),
    }
    for name in methods:
        for figure, values in result["all tasks"][name].items():
            print(f"{name:24} {figure:18}", *(f"{key} {value}" for key, value in values.items()))
    if chosen.write:
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        kept[f"{chosen.jobs} jobs"] = result
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
