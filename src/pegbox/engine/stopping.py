"""Which training jobs a tuning job stops for what they have published so far: early stopping and Hyperband."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from pegbox.domain import rungs
from pegbox.domain.early_stopping import Averages
from pegbox.domain.progress import Progress
from pegbox.domain.searches import Search, searches_of
from pegbox.domain.strategy_rules import resource_of
from pegbox.engine.followed import Followed
from pegbox.strategies.base import TrialState


class Rule(Protocol):
    """Looks at the curves of all training jobs of a tuning job."""

    def to_stop(self, followed: Followed) -> Sequence[int]:
        """The numbers of the running jobs that must be stopped now; none that is being stopped."""
        ...


def rule_of(document: Mapping[str, Any], seed: int) -> Rule | None:
    """The rule of a tuning job, if its document asks for one."""
    config = document["HyperParameterTuningJobConfig"]
    searches = searches_of(document)
    if config["Strategy"] == "Hyperband":
        resources = [resource_of(config, search.static) for search in searches]
        return HyperbandRule(searches, resources, seed)
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        return MedianRule(searches[0].maximize)
    return None


class MedianRule:
    """TrainingJobEarlyStoppingType Auto; there is one definition."""

    def __init__(self, maximize: bool) -> None:
        self._averages = Averages(maximize)

    def to_stop(self, followed: Followed) -> Sequence[int]:
        """Those whose latest value is worse than the median of the others at that epoch."""
        for number, trial in zip(followed.numbers[0], followed.trials[0], strict=True):
            if trial.state is TrialState.FINISHED and number not in self._averages.known:
                self._averages.add(Progress(number, followed.curve(number), completed=True, ended=True))
        return [
            number
            for number, child in followed.standing.active.items()
            if not child.stopping and self._averages.condemns(Progress(number, followed.curve(number)))
        ]


class HyperbandRule:
    """Strategy Hyperband, for each definition by itself."""

    def __init__(self, searches: Sequence[Search], resources: Sequence[rungs.Resource | None], seed: int) -> None:
        self._searches, self._resources, self._seed = searches, resources, seed

    def to_stop(self, followed: Followed) -> Sequence[int]:
        """Those that have had all of the resource, or did not pass a rung."""
        found = []
        active = followed.standing.active
        for place, (search, resource) in enumerate(zip(self._searches, self._resources, strict=True)):
            if resource is None:  # refused when the job was created
                continue
            numbers = followed.numbers[place]
            jobs = [
                Progress(order, followed.curve(number), ended=number not in active)
                for order, number in enumerate(numbers, start=1)
            ]
            losers = rungs.to_stop(resource, self._seed + place, search.maximize, jobs)
            found += [numbers[order - 1] for order in losers if not active[numbers[order - 1]].stopping]
        return found
