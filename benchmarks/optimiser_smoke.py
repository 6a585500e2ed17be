"""A quick look at the search strategies: is the optimiser still as good, and as fast, as it should be?

    OPENBLAS_NUM_THREADS=1 python benchmarks/optimiser_smoke.py [--seeds 5] [--trials 50] [--task NAME] [--method NAME]

Minimises Branin (2 numbers), Hartmann-6 (6 numbers) and a mixed Ackley function (6 numbers, 3 integers, 3 categories)
one trial after another and prints, as a mean over the seeds, the regret (best value so far minus the known minimum)
after half and all of the trials and the CPU time of one ask in milliseconds.  Optuna's samplers are measured beside
ours when Optuna is installed (`pip install pegbox[bench]`; its GPSampler needs torch as well).
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.base import Goal, Limits, Strategy, Study, Trial, TrialState
from pegbox.strategies.registry import STRATEGIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    space: Space
    function: Callable[[Mapping[str, str]], float]
    minimum: float


def _floats(values: Mapping[str, str], count: int) -> list[float]:
    return [float(values[f"x{place}"]) for place in range(count)]


def branin(values: Mapping[str, str]) -> float:
    x, y = _floats(values, 2)
    bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_HARTMANN_A = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(values: Mapping[str, str]) -> float:
    inner = (_HARTMANN_A * (np.array(_floats(values, 6)) - _HARTMANN_P) ** 2).sum(axis=1)
    return float(-np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-inner))


def ackley(x: np.ndarray) -> float:
    return float(-20 * np.exp(-0.2 * np.sqrt(np.mean(x**2))) - np.exp(np.mean(np.cos(2 * np.pi * x))) + 20 + math.e)


_CHOICES = {"a": 4.0, "b": -2.0, "c": 0.0, "d": 7.0, "e": 2.0}


def mixed_ackley(values: Mapping[str, str]) -> float:
    integers = [float(values[f"n{place}"]) for place in range(3)]
    choices = [_CHOICES[values[f"c{place}"]] for place in range(3)]
    return ackley(np.array([*_floats(values, 6), *integers, *choices]))


def _numbers(count: int, low: float, high: float) -> tuple[Continuous, ...]:
    return tuple(Continuous(f"x{place}", low, high, Scaling.LINEAR) for place in range(count))


TASKS: Mapping[str, Task] = {
    "branin": Task(
        space=Space((Continuous("x0", -5, 10, Scaling.LINEAR), Continuous("x1", 0, 15, Scaling.LINEAR))),
        function=branin,
        minimum=0.397887,
    ),
    "hartmann6": Task(space=Space(_numbers(6, 0, 1)), function=hartmann, minimum=-3.32237),
    "ackley12": Task(
        space=Space(
            _numbers(6, -5, 10)
            + tuple(Integer(f"n{place}", -5, 10) for place in range(3))
            + tuple(Categorical(f"c{place}", tuple(_CHOICES)) for place in range(3))
        ),
        function=mixed_ackley,
        minimum=0.0,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    best: list[float]  #: best value after each trial
    seconds: float  #: CPU seconds of all asks


def run_ours(strategy: Strategy, task: Task, trials: int, seed: int) -> Run:
    told: list[Trial] = []
    spent, values = 0.0, []
    for number in range(1, trials + 1):
        limits = Limits(most=trials, at_once=1)
        study = Study(space=task.space, goal=Goal.MINIMIZE, limits=limits, seed=seed, trials=tuple(told))
        begun = time.process_time()
        (candidate,) = strategy.ask(study, 1, np.random.default_rng([seed, number]))
        spent += time.process_time() - begun
        values.append(task.function(candidate.values))
        told.append(Trial(number=number, values=candidate.values, state=TrialState.FINISHED, objective=values[-1]))
    return Run(best=np.minimum.accumulate(values).tolist(), seconds=spent)


def run_optuna(name: str, task: Task, trials: int, seed: int) -> Run:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=getattr(optuna.samplers, name)(seed=seed))
    distributions = {parameter.name: _distribution(parameter) for parameter in task.space.parameters}
    spent, values = 0.0, []
    for _ in range(trials):
        begun = time.process_time()
        trial = study.ask(distributions)
        spent += time.process_time() - begun
        values.append(task.function({key: str(value) for key, value in trial.params.items()}))
        study.tell(trial, values[-1])
    return Run(best=np.minimum.accumulate(values).tolist(), seconds=spent)


def _distribution(parameter: Continuous | Integer | Categorical) -> object:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(parameter, Categorical):
        return CategoricalDistribution(parameter.values)
    kind = FloatDistribution if isinstance(parameter, Continuous) else IntDistribution
    return kind(parameter.low, parameter.high, log=parameter.scale is Scaling.LOGARITHMIC)


def methods() -> list[str]:
    optuna = ["TPESampler"] if importlib.util.find_spec("optuna") else []
    if optuna and importlib.util.find_spec("torch"):
        optuna.append("GPSampler")
    return ["Random", "Bayesian", *optuna]


def run(method: str, task: Task, trials: int, seed: int) -> Run:
    if method in STRATEGIES:
        return run_ours(STRATEGIES[method](), task, trials, seed)
    return run_optuna(method, task, trials, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--task", choices=TASKS, action="append")
    parser.add_argument("--method", choices=methods(), action="append")
    chosen = parser.parse_args()
    half = chosen.trials // 2
    print(f"{'task':10} {'method':11} {f'@{half}':>8} {f'@{chosen.trials}':>8} {'worst':>8} {'ms/ask':>8}")
    for name in chosen.task or TASKS:
        task = TASKS[name]
        for method in chosen.method or methods():
            runs = [run(method, task, chosen.trials, seed) for seed in range(chosen.seeds)]
            regrets = np.array([run.best for run in runs]) - task.minimum
            cost = 1e3 * sum(run.seconds for run in runs) / (chosen.seeds * chosen.trials)
            middle, last, worst = regrets[:, half - 1].mean(), regrets[:, -1].mean(), regrets[:, -1].max()
            print(f"{name:10} {method:11} {middle:8.4f} {last:8.4f} {worst:8.4f} {cost:8.2f}", flush=True)


if __name__ == "__main__":
    main()
