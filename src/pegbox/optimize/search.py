"""A search, step by step: ask for parameters, tell what came of them."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pegbox.domain.progress import Outliner
from pegbox.optimize import document
from pegbox.optimize.ranges import Range, Value, space_of
from pegbox.optimize.values import Outcome, Told, outcome
from pegbox.strategies import base
from pegbox.strategies.base import Limits, ParentKind, ParentStudy, Study, TrialState
from pegbox.strategies.explain.answers import Importance, Reason, View
from pegbox.strategies.registry import STRATEGIES

Goal = Literal["minimise", "maximise"]
GOALS = {"minimise": base.Goal.MINIMIZE, "maximise": base.Goal.MAXIMIZE}
OF_FUNCTIONS = ("Bayesian", "Random", "Grid")  #: strategies; Hyperband stops trials, and a function is not stopped


@dataclass(frozen=True, slots=True)
class Trial:
    """Parameters that were tried or are being tried."""

    number: int  #: from 1, in the order of asking
    parameters: Mapping[str, Value]
    state: TrialState = TrialState.RUNNING
    value: float | None = None  #: None while it runs, and if it failed
    curve: tuple[float, ...] = ()  #: values on the way, as far as they were told
    #: the parameters as they were asked for, whatever whoever runs it makes of them; None of a trial made by hand
    _asked: Mapping[str, str] | None = field(default=None, compare=False, repr=False)


class Search:
    """What is varied, what is wanted, and all that has been tried.

    The parameters that `ask` gives are a function of these and the seed.  Not for several threads at once.
    """

    def __init__(
        self,
        space: Mapping[str, Range],
        *,
        goal: Goal = "minimise",
        trials: int = 100,
        seed: int = 0,
        strategy: str = "Bayesian",
        at_once: int = 1,
        earlier: Sequence[Search] = (),
        identical: bool = False,
    ) -> None:
        """`trials`: about how many there will be; of few, fewer explore.  Strategies: Bayesian, Random, Grid.

        at_once: how many will run side by side; where many do, more explore before there is any result.

        earlier: searches of the same goal to learn from, as they are now; their spaces may differ.  identical: they
        called the very same function, so their results are as good as the search's own.
        """
        if goal not in GOALS:
            raise ValueError(f"the goal {goal!r} is none of {list(GOALS)}")
        if strategy not in OF_FUNCTIONS:
            raise ValueError(f"the strategy {strategy!r} is none of {list(OF_FUNCTIONS)}")
        if not isinstance(space, Mapping):
            raise TypeError(f"a space is a dictionary of ranges by name, as in {{'x': real(0, 1)}}, not {space!r}")
        earlier = [earlier] if isinstance(earlier, Search) else list(earlier)
        if not all(isinstance(each, Search) for each in earlier):
            raise TypeError("earlier is a list of searches")
        self.planned, self.seed = _at_least(1, trials, "trials"), _at_least(0, seed, "seed")
        self.at_once = _at_least(1, at_once, "at_once")
        self.space: Mapping[str, Range] = dict(space)
        self.goal, self.strategy, self.identical = goal, strategy, bool(identical)
        self._study_space = space_of(self.space)
        self._trials: dict[int, Trial] = {}
        self._known: dict[int, base.Trial] = {}  # the same for strategies
        if any(each.goal != goal for each in earlier):
            raise ValueError("earlier searches have the same goal")
        self._earlier = [each._alone() for each in earlier]
        # once: what strategies make of parents is kept for the very same ones
        self._parents = tuple(each._as_parent(self.identical) for each in self._earlier)

    def __repr__(self) -> str:
        told = [f"{len(self._trials)} of {self.planned} trials"]
        told += [f"{len(self.running)} running"] if self.running else []
        told += [f"best {self.best.value:.6g}"] if self.best else []
        return f"<Search: {self.goal}, {', '.join(told)}>"

    def ask(self) -> Trial:
        """The parameters to try next.  Raises Exhausted when a finite space is used up."""
        return self.ask_several(1)[0]

    def ask_several(self, count: int) -> Sequence[Trial]:
        """Up to `count` trials to run side by side; fewer are left in a finite space, and Exhausted if none."""
        from numpy.random import default_rng

        rng = default_rng([self.seed, len(self._trials)])
        found = STRATEGIES[self.strategy]().ask(self.study, count, rng)
        return [self._begin(each.values) for each in found]

    def begin(self, parameters: Mapping[str, Any]) -> Trial:
        """A trial of your own choice, to be told like those that were asked for.

        ValueError if a value is missing, unknown or outside its range.
        """
        if not isinstance(parameters, Mapping) or parameters.keys() != self.space.keys():
            given = list(parameters) if isinstance(parameters, Mapping) else parameters
            raise ValueError(f"the parameters are {list(self.space)}, not {given!r}")
        return self._begin({name: self._text(name, parameters[name]) for name in self.space})

    def tell(self, trial: Trial | int, value: Told) -> Trial:
        """What came of a trial, which is given itself or by its number.

        A number, or None or nan for a failure; `Stopped(value)` for one that ended early.  `Stopped(value, curve)` and
        `Finished(value, curve)` tell of the values on the way.  Told again, the last word counts.  Results may come in
        any order.  KeyError for a trial that is not known, ValueError for one of another search.
        """
        return self._note(self._number_of(trial), outcome(value))

    @property
    def trials(self) -> Sequence[Trial]:
        """All, in the order of asking."""
        return list(self._trials.values())

    @property
    def running(self) -> Sequence[Trial]:
        """Those whose values have not been told."""
        return [trial for trial in self.trials if trial.state is TrialState.RUNNING]

    @property
    def best(self) -> Trial | None:
        """The best that finished, the earlier of two equal ones; None if none has."""
        finished = [trial for trial in self.trials if trial.state is TrialState.FINISHED]
        sign = -1.0 if self.goal == "maximise" else 1.0
        return min(finished, key=lambda trial: sign * (trial.value or 0.0), default=None)

    @property
    def study(self) -> Study:
        """The same for `pegbox.strategies`."""
        return Study(
            space=self._study_space,
            goal=GOALS[self.goal],
            limits=Limits(most=self.planned, at_once=self.at_once),
            seed=self.seed,
            trials=tuple(self._known.values()),
            parents=self._parents,
        )

    def importance(self) -> Importance:
        """How much each parameter matters.  Raises TooLittle as long as there are fewer than three results."""
        from pegbox.strategies.explain.importance import importance

        return importance(self.study)

    def view(self, *names: str, places: int | None = None) -> View:
        """What the model believes along one parameter, or over the plane of two.

        Raises TooLittle; ValueError for a name that is none of a range with several values.
        """
        from pegbox.strategies.explain.view import view

        seen = view(self.study, names, places)
        found = [replace(place, values=self._values(place.values)) for place in seen.places]
        return replace(seen, best=self._values(seen.best), places=found)

    def reason(self, trial: Trial | int) -> Reason:
        """Why a trial was asked for, by what is known now of those before it.  Errors as of `tell`."""
        from pegbox.strategies.explain.reason import reason

        asked = self._known[self._number_of(trial)]
        return reason(self.study, asked.number, asked.values, self.strategy)

    def to_json(self) -> str:
        """The whole search, as `from_json` reads it."""
        settings: dict[str, Any] = {"goal": self.goal, "trials": self.planned, "seed": self.seed}
        settings["strategy"] = self.strategy
        settings["at_once"] = self.at_once
        if self._earlier:
            settings["identical"] = self.identical
            settings["earlier"] = [json.loads(each.to_json()) for each in self._earlier]
        told = [
            (self._values(self._known[each.number].values), Outcome(each.state, each.value, each.curve))
            for each in self.trials
        ]
        return document.written(settings, self.space, told)

    @classmethod
    def from_json(cls, text: str) -> Search:
        """The search that was written.  ValueError if the text is none."""
        settings, space, told = document.read(text)
        earlier = [cls.from_json(json.dumps(each)) for each in settings.pop("earlier")]
        try:
            search = cls(space, earlier=earlier, **settings)
        except TypeError as error:
            raise ValueError(f"this is no search that was saved: {error}") from None
        for parameters, known in told:
            search._note(search.begin(parameters).number, known)
        return search

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the search to a file: whole, or not at all."""
        beside = Path(f"{os.fspath(file)}.{os.getpid()}")
        try:
            beside.write_text(self.to_json(), encoding="utf-8")
        except OSError as error:  # not the name beside it, which nobody has given
            raise type(error)(error.errno, error.strerror, os.fspath(file)) from None
        os.replace(beside, file)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Search:
        """The search that was saved.  ValueError if the file holds none."""
        try:
            return cls.from_json(Path(file).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{os.fspath(file)}: {error}") from None

    def _alone(self) -> Search:
        """A copy without what it has learned from others."""
        copy = Search(self.space, goal=self.goal, trials=self.planned, seed=self.seed, strategy=self.strategy)
        copy._trials, copy._known = dict(self._trials), dict(self._known)
        return copy

    def _as_parent(self, identical: bool) -> ParentStudy:
        return ParentStudy(
            kind=ParentKind.IDENTICAL if identical else ParentKind.TRANSFER,
            space=self._study_space,
            static={},
            trials=tuple(trial for trial in self._known.values() if trial.objective is not None),
        )

    def _number_of(self, trial: Trial | int) -> int:
        """Of a trial of this search: one with the same number and parameters is as good, wherever it was asked for."""
        number = trial.number if isinstance(trial, Trial) else trial
        if isinstance(number, Mapping):
            raise TypeError(f"tell what ask or begin gave, or its number, not {number!r}")
        if number not in self._trials:
            raise KeyError(f"this search has no trial {number!r}: tell what ask or begin gave, or its number")
        if isinstance(trial, Trial) and trial._asked not in (None, self._known[number].values):
            raise ValueError(f"trial {number} of this search has other parameters: this one is another search's")
        return number

    def _values(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """Values of strategies as those of their ranges."""
        return {name: self.space[name].value(text) for name, text in texts.items()}

    def _text(self, name: str, value: Any) -> str:
        """A value as strategies have it."""
        try:
            return self.space[name].text(value)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from None

    def _begin(self, values: Mapping[str, str]) -> Trial:
        number = len(self._trials) + 1
        self._trials[number] = Trial(number, self._values(values), _asked=values)
        self._known[number] = base.Trial(number=number, values=values, state=TrialState.RUNNING)
        return replace(self._trials[number], parameters=self._values(values))  # may be changed by whoever runs it

    def _note(self, number: int, known: Outcome) -> Trial:
        outliner = Outliner()
        outliner.add(known.curve)
        self._known[number] = replace(
            self._known[number],
            state=known.state,
            objective=known.value,
            curve=outliner.outline(),
            cut_short=known.state is TrialState.STOPPED,
        )
        self._trials[number] = replace(self._trials[number], state=known.state, value=known.value, curve=known.curve)
        return self._trials[number]


def _at_least(least: int, number: int, name: str) -> int:
    try:
        whole = operator.index(number)
    except TypeError:
        raise TypeError(f"{name} is a whole number, not {number!r}") from None
    if whole < least:
        raise ValueError(f"{name} begins at {least}, it is not {whole}")
    return whole
