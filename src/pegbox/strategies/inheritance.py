"""What parents have tried, in the terms of the study that inherits it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from pegbox.domain.ranges import Space, same_value
from pegbox.strategies.base import Goal, ParentKind, ParentStudy, Study, Trial
from pegbox.strategies.same import MOST_STUDIES, Same
from pegbox.strategies.tried import Tried

_APART = 0.25  #: configurations that are nearer to each other than this, on every coordinate, teach the same


@dataclass(frozen=True, slots=True)
class Bequest:
    """Trials of an identical parent that are as good as the study's own: it could have run them itself."""

    parent: ParentStudy
    trials: Sequence[Trial]  #: with the values of the study's hyperparameters


@dataclass(frozen=True, slots=True)
class Inheritance:
    """What the parents of a study leave to it."""

    bequests: Sequence[Bequest]
    teachers: Sequence[ParentStudy]  #: not all of their trials are bequests: what they found may be true elsewhere only

    @classmethod
    def of(cls, study: Study) -> Inheritance:
        """In an order that does not depend on the order in which parents and trials were told."""
        if not study.parents:
            return cls((), ())
        return _inherited(Same(study.parents), study.space, frozenset(study.static.items()))

    @property
    def trials(self) -> Sequence[Trial]:
        """Of all bequests."""
        return [trial for trials in self.shares for trial in trials]

    @property
    def shares(self) -> Sequence[Sequence[Trial]]:
        """The trials of each bequest."""
        return [bequest.trials for bequest in self.bequests]

    def doubting(self, doubted: Collection[Bequest]) -> Inheritance:
        """The same with some parents as teachers only."""
        kept = [bequest for bequest in self.bequests if bequest not in doubted]
        others = [bequest.parent for bequest in doubted if bequest.parent not in self.teachers]
        return Inheritance(kept, [*self.teachers, *others])


@lru_cache(maxsize=MOST_STUDIES)
def _inherited(parents: Same[tuple[ParentStudy, ...]], space: Space, static: frozenset[tuple[str, str]]) -> Inheritance:
    bequests: list[Bequest] = []
    teachers: list[ParentStudy] = []
    wanted = {**dict(static), **_constants(space)}
    for parent in sorted(map(_in_order, parents.it), key=lambda parent: [*map(_key, parent.trials)]):
        same: list[Trial] = []
        if parent.kind is ParentKind.IDENTICAL:
            same = [trial for trial in parent.trials if _has(parent, trial, wanted, space.names)]
        if same:
            bequests.append(
                Bequest(parent, [replace(trial, values=_translated(space, parent, trial)) for trial in same])
            )
        if len(same) < len(parent.trials):
            teachers.append(parent)
    return Inheritance(bequests, teachers)


def used_up(study: Study, inheritance: Inheritance | None = None) -> Tried:
    """All that the study has launched, and in a finite space what it inherits."""
    known = study.tried
    tried = known.branch() if known else Tried(study.space, (trial.values for trial in study.trials))
    if tried.size is not None and study.parents:
        for trial in (inheritance or Inheritance.of(study)).trials:
            tried.add(trial.values)
    return tried


def fixed(study: Study) -> Mapping[str, str]:
    """The hyperparameters that have one value only: static ones, and ranges with equal ends."""
    return {**study.static, **_constants(study.space)}


def _constants(space: Space) -> dict[str, str]:
    return {each.name: each.decode(0.5) for each in space.parameters if each.size() == 1}


def _varying(space: Space) -> set[str]:
    return {each.name for each in space.parameters if each.size() != 1}


def portfolio(study: Study, teachers: Sequence[ParentStudy], count: int) -> Sequence[dict[str, str]]:
    """Up to `count` configurations that were best elsewhere, brought into the study's ranges; each parent in turn.

    Hyperparameters that a parent did not have are in the middle of their ranges.
    """
    rest = study.space.decode([0.5] * len(study.space.parameters))
    sources = [_best_first(study, parent, rest) for parent in teachers]
    chosen: list[dict[str, str]] = []
    while sources and len(chosen) < count:
        source = sources.pop(0)
        found = next((values for values in source if _is_new(study, values, chosen)), None)
        if found is not None:
            chosen.append(found)
            sources.append(source)
    return chosen


def _best_first(study: Study, parent: ParentStudy, unknown: Mapping[str, str]) -> Iterator[dict[str, str]]:
    if not _varying(parent.space) & _varying(study.space):
        return
    sign = 1.0 if study.goal is Goal.MINIMIZE else -1.0
    known = [
        (sign * trial.objective, _key(trial), trial)
        for trial in parent.trials
        if trial.objective is not None and math.isfinite(trial.objective)
    ]
    for _, _, trial in sorted(known, key=lambda each: each[:2]):
        try:
            yield study.space.decode(study.space.encode({**unknown, **parent.static, **trial.values, **fixed(study)}))
        except (KeyError, ValueError, ArithmeticError):  # a category that is not offered any more
            continue


def _is_new(study: Study, values: Mapping[str, str], chosen: Sequence[Mapping[str, str]]) -> bool:
    point = study.space.encode(values)
    return all(
        any(abs(a - b) >= _APART for a, b in zip(point, study.space.encode(other), strict=True)) for other in chosen
    )


def _has(parent: ParentStudy, trial: Trial, wanted: Mapping[str, str], tuned: Sequence[str]) -> bool:
    """Whether all wanted values are the trial's, and it has one of each tuned hyperparameter."""
    known = {**parent.static, **trial.values}
    return all(name in known for name in tuned) and all(
        name in known and same_value(known[name], value) for name, value in wanted.items()
    )


def _translated(space: Space, parent: ParentStudy, trial: Trial) -> dict[str, str]:
    """The values of the study's hyperparameters."""
    known = {**parent.static, **trial.values}
    return {name: known[name] for name in space.names}


def _in_order(parent: ParentStudy) -> ParentStudy:
    return replace(parent, trials=tuple(sorted(parent.trials, key=_key)))


def _key(trial: Trial) -> tuple[int, tuple[str, ...], str]:
    return trial.number, tuple(trial.values.values()), repr(trial.objective)
