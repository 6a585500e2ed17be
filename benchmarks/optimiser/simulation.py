"""A search on a virtual clock: some workers, evaluations that take their time, results in the order of their ends."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pegbox.domain.early_stopping import Averages
from pegbox.domain.progress import Progress

from .methods.method import Method, Outcome, Setting, State
from .tasks.task import Task, Values

SPREAD = 0.5  #: of the logarithms of durations that are drawn


@dataclass(slots=True, kw_only=True)
class Evaluation:
    """What happened to one configuration; a row of the results."""

    number: int  #: in the order of beginnings, from 1
    values: Values
    known: int  #: evaluations that had ended when it was proposed
    running: int  #: evaluations that were going on then
    seconds: float  #: CPU of the method for proposing it, with what it did when it was told of results since
    begun: float  #: virtual seconds
    ended: float = 0.0
    state: State = State.FAILED
    value: float | None = None  #: what the method was told
    exact: float | None = None  #: the same without noise
    expected: float | None = None  #: what a model expected to gain on the best, at most, when this was proposed
    curve: tuple[float, ...] = field(default=(), repr=False)  #: with early stopping, what was published


class Simulation:
    """One search; `run` gives its evaluations in the order of their ends."""

    def __init__(self, task: Task, method: Method, setting: Setting, seed: int) -> None:
        if setting.early and not task.curve:
            raise ValueError(f"{task.name} has no learning curves, so nothing can be stopped early")
        self._task, self._method, self._setting, self._seed = task, method, setting, seed
        self._events: list[tuple[float, int, int]] = []  # time, number, how many values are published then
        self._running: dict[int, Evaluation] = {}
        self._averages = Averages(task.sign < 0)
        self._ended: list[Evaluation] = []
        self._curves: dict[int, tuple[float, ...]] = {}
        self._begun = 0
        self._spent = 0.0
        self._over = False

    def run(self) -> list[Evaluation]:
        self._fill(0.0)
        while self._events:
            now, number, place = heapq.heappop(self._events)
            if number not in self._running:
                continue  # it was stopped
            if self._setting.early and self._stops(number, place, now):
                continue
            if place == len(self._curves[number]) or not self._setting.early:
                self._end(number, now, State.FINISHED)
        return self._ended

    def _fill(self, now: float) -> None:
        """Begin as many evaluations as there is room for."""
        free = min(self._setting.workers - len(self._running), self._setting.budget - self._begun)
        if free <= 0 or self._over:
            return
        numbers = range(self._begun + 1, self._begun + free + 1)
        known, running = len(self._ended), len(self._running)
        found = self._method.ask(numbers)
        spent, self._spent = self._method.seconds - self._spent, self._method.seconds
        self._over = not found
        for number, values in zip(numbers, found, strict=False):
            evaluation = Evaluation(
                number=number,
                values=values,
                known=known,
                running=running,
                seconds=spent / len(found),
                begun=now,
                expected=self._method.expected,
            )
            self._begin(evaluation)
        self._begun += len(found)

    def _begin(self, evaluation: Evaluation) -> None:
        number = evaluation.number
        self._running[number] = evaluation
        curve = self._task.curve(evaluation.values) if self._setting.early and self._task.curve else ()
        self._curves[number] = curve
        for place in range(1, len(curve) + 1) if curve else (0,):
            share = place / len(curve) if curve else 1.0
            heapq.heappush(self._events, (evaluation.begun + share * self._duration(evaluation), number, place))

    def _duration(self, evaluation: Evaluation) -> float:
        if self._task.seconds:
            return self._task.seconds(evaluation.values)
        rng = np.random.default_rng([self._seed, evaluation.number, 1])
        return float(np.exp(SPREAD * rng.standard_normal()))

    def _stops(self, number: int, place: int, now: float) -> bool:
        """Publish one more value; whether that ends the evaluation."""
        evaluation = self._running[number]
        evaluation.curve = self._curves[number][:place]
        self._method.observe(number, evaluation.curve)
        condemned = self._averages.condemns(Progress(number, evaluation.curve))
        if place == len(self._curves[number]) or not condemned:
            return False
        self._end(number, now, State.STOPPED)
        return True

    def _end(self, number: int, now: float, state: State) -> None:
        evaluation = self._running.pop(number)
        evaluation.ended = now
        evaluation.exact = evaluation.curve[-1] if evaluation.curve else self._task.exact(evaluation.values)
        evaluation.value = self._task.observed(evaluation.exact, self._seed, number)
        evaluation.state = state if evaluation.exact is not None else State.FAILED
        self._averages.add(Progress(number, evaluation.curve, completed=state is State.FINISHED, ended=True))
        self._method.tell(number, Outcome(state=evaluation.state, value=evaluation.value, curve=evaluation.curve))
        self._ended.append(evaluation)
        self._fill(now)


def incumbents(evaluations: Sequence[Evaluation], sign: float) -> list[float]:
    """After each evaluation, the exact loss of that with the best observed value; infinite while all have failed."""

    def better(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
        return min(one, other, key=lambda pair: pair[0])

    infinite = (math.inf, math.inf)
    losses = [
        infinite if item.value is None or item.exact is None else (sign * item.value, sign * item.exact)
        for item in evaluations
    ]
    return [exact for _, exact in itertools.accumulate(losses, better)]
