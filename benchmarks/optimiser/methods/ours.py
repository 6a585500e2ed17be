"""pegbox's strategies, asked as its engine asks them: with the whole study."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

import pegbox
from pegbox.domain import ranges
from pegbox.domain.progress import Outline, Outliner
from pegbox.strategies.base import Exhausted, Limits, ParentStudy, Strategy, Study, Trial, TrialState
from pegbox.strategies.registry import STRATEGIES

from ..tasks.task import Task, Values
from .method import Outcome, Setting, State
from .variants import Changes, changed

_STATES = {
    State.FINISHED: TrialState.FINISHED,
    State.STOPPED: TrialState.STOPPED,
    State.FAILED: TrialState.FAILED,
}


class Ours:
    """One of pegbox's strategies, possibly with changes to its ingredients."""

    def __init__(
        self,
        task: Task,
        setting: Setting,
        seed: int,
        *,
        strategy: str,
        changes: Changes,
        parents: tuple[ParentStudy, ...] = (),
    ) -> None:
        self._strategy: Strategy = STRATEGIES[strategy]()
        self._task, self._seed, self._changes = task, seed, changes
        self._limits = Limits(most=setting.budget, at_once=setting.workers)
        self._early, self._parents = setting.early, parents
        self._trials: dict[int, Trial] = {}
        self.seconds = 0.0
        self.expected: float | None = None

    def ask(self, numbers: Sequence[int]) -> list[Values]:
        study = Study(
            space=self._task.space,
            goal=self._task.goal,
            limits=self._limits,
            seed=self._seed,
            trials=self.trials,
            parents=self._parents,
            early_stopping=self._early,
        )
        rng = np.random.default_rng([self._seed, numbers[0]])
        with changed(self._changes):
            begun = time.process_time()
            try:
                candidates = self._strategy.ask(study, len(numbers), rng)
            except Exhausted:
                candidates = []
            self.seconds += time.process_time() - begun
        self.expected = candidates[0].expected if candidates else None
        found = [candidate.values for candidate in candidates]
        for number, values in zip(numbers, found, strict=False):
            self._trials[number] = Trial(number=number, values=values, state=TrialState.RUNNING)
        return found

    def observe(self, number: int, curve: tuple[float, ...]) -> None:
        values = self._trials[number].values
        self._trials[number] = Trial(number=number, values=values, state=TrialState.RUNNING, curve=_outline(curve))

    def tell(self, number: int, outcome: Outcome) -> None:
        self._trials[number] = Trial(
            number=number,
            values=self._trials[number].values,
            state=_STATES[outcome.state],
            objective=outcome.value,
            curve=_outline(outcome.curve),
        )

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What the strategy is told."""
        return tuple(self._trials.values())

    def learn(self, number: int, values: Values, value: float) -> None:
        self._trials[number] = Trial(number=number, values=values, state=TrialState.FINISHED, objective=value)

    @property
    def versions(self) -> Mapping[str, str]:
        return {name: version(name) for name in ("pegbox", "numpy", "scipy")} | {"strategies": fingerprint()}

    def close(self) -> None:
        pass


def _outline(curve: tuple[float, ...]) -> Outline:
    outliner = Outliner()
    outliner.add(curve)
    return outliner.outline()


def fingerprint() -> str:
    """Eight digits that change with the strategies' source, so that results of older ones are not taken for theirs."""
    digest = hashlib.sha256()
    for file in sorted((Path(pegbox.__file__).parent / "strategies").rglob("*.py")):
        digest.update(file.read_bytes())
    digest.update(Path(ranges.__file__).read_bytes())
    return digest.hexdigest()[:8]
