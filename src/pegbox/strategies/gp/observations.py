"""What a study has seen, as arrays: independent of the order in which trials were told."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

import numpy as np

from pegbox.domain.ranges import Space
from pegbox.strategies.base import Goal, Study, Trial, TrialState
from pegbox.strategies.gp.arrays import Array, Mask, interpolate
from pegbox.strategies.gp.extrapolation import FEWEST, UNKNOWN, Curve, Extrapolation, Misses, farthest
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.survival import Hurdles
from pegbox.strategies.gp.warp import deviation, standardise, warp_with_unit
from pegbox.strategies.same import MOST_PARENTS, Same

_FEWEST_SURE = 3  #: values
MOST_DOUBT = 0.2  #: variance, of 1, beyond which a guess at the end of a stopped trial is no evidence of values


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """Trials that ended with a value or failed, inherited ones first, and those that still run."""

    points: Array  #: (n, d) in the unit cube, but inherited ones may lie outside
    values: Array  #: (n,) to be minimised; nan where the trial failed
    pending: Array  #: (p, d)
    misses: tuple[Misses | None, ...]  #: (n,) of the values that are guesses, None of the others
    margins: Array  #: (n,) by how much each clears the hurdles of early stopping; nan: nothing is known
    inherited: int = 0  #: how many of the first are inherited

    @classmethod
    def of(cls, study: Study, layout: Layout, *inherited: Sequence[Trial]) -> Observations:
        """Collect the trials by number; those whose values do not fit the space teach nothing."""
        sign = 1.0 if study.goal is Goal.MINIMIZE else -1.0
        known = [each for trials in inherited for each in _placed(Same(trials), layout.space)]
        own = list(_told_once(study.trials))
        first = len(known)
        pending: list[tuple[float, ...]] = []
        for trial in own:
            try:
                point = layout.encode(trial.values)
            except (KeyError, ValueError, ArithmeticError):
                continue
            if trial.state is TrialState.RUNNING:
                pending.append(point)
            elif (value := _value(trial)) is not None:
                known.append((trial, point, value))
        horizon, hurdles = _Horizon.of([*chain(*inherited), *own], sign), _hurdles(study, sign)
        seen = [horizon.value(trial, sign * value) for trial, _, value in known]
        margins = [hurdles.margin(_signed(trial, sign)) if hurdles else math.nan for trial, _, _ in known]
        return cls(
            points=_matrix([point for _, point, _ in known], layout.dimensions),
            values=np.array([value for value, _ in seen], dtype=float),
            pending=_matrix(pending, layout.dimensions),
            inherited=first,
            misses=tuple(missed for _, missed in seen),
            margins=np.array(margins, dtype=float),
        )

    @property
    def failed(self) -> Mask:
        """(n,) which trials failed."""
        return np.isnan(self.values)

    def successes(self) -> Observations:
        """The same without the failed trials."""
        return self._of(~self.failed)

    def whole(self) -> Observations:
        """The same with the trials alone that came to their end."""
        return self._of(~self.failed & ~self.stopped)

    def _of(self, rows: Mask) -> Observations:
        misses = tuple(missed for missed, kept in zip(self.misses, rows, strict=True) if kept)
        return replace(
            self,
            points=self.points[rows],
            values=self.values[rows],
            misses=misses,
            margins=self.margins[rows],
            inherited=int(np.count_nonzero(rows[: self.inherited])),
        )

    def doubt(self, warped: Array) -> Array:
        """(n,) variance of the warped values that are guesses, 0 of the others."""
        found = np.zeros(len(self.values))
        seen = ~self.failed
        known: dict[int, float] = {}  # trials that were stopped at one epoch share their misses
        for row, missed in enumerate(self.misses):
            if missed is not None:
                if id(missed) not in known:
                    known[id(missed)] = missed.variance(self.values[seen], warped[seen])
                found[row] = known[id(missed)]
        return found

    def warped(self) -> Array:
        """(n,) values of mean 0 and deviation 1; failures are as bad as the worst seen and half the range more."""
        return self.warped_with_unit()[0]

    def warped_with_unit(self) -> tuple[Array, float]:
        """Also how far values are apart, in the user's units, whose warped ones differ by 1, among the good ones."""
        failed, sure = self.failed, self.sure
        values = np.empty(len(self.values))
        values[sure], unit = warp_with_unit(self.values[sure], self.points[sure])
        guessed = ~failed & ~sure
        order = np.flatnonzero(sure)[np.argsort(self.values[sure], kind="stable")]
        values[guessed] = interpolate(self.values[guessed], self.values[order], values[order])
        if not failed.any():
            return values, unit
        seen = values[~failed]
        values[failed] = seen.max() + 0.5 * np.ptp(seen)
        return standardise(values), unit * deviation(values)

    @property
    def stopped(self) -> Mask:
        """(n,) which trials did not come to their end."""
        return np.array([missed is not None for missed in self.misses], dtype=bool)

    @property
    def lost(self) -> Mask:
        """(n,) which trials failed, or were stopped by whatever but early stopping; not those that parents stopped."""
        is_own = np.arange(len(self.values)) >= self.inherited
        return self.failed | (is_own & self.stopped & ~np.isfinite(self.margins))

    @property
    def results(self) -> int:
        """How many values there are; of inherited ones those that are no guesses."""
        return int(np.count_nonzero(~self.failed) - np.count_nonzero(self.stopped[: self.inherited]))

    @property
    def sure(self) -> Mask:
        """(n,) the values that give the scale: those that are no guesses, or all if there are hardly any others."""
        seen = ~self.failed
        sure = seen & ~self.stopped
        return sure if np.count_nonzero(sure) >= _FEWEST_SURE else seen


def _hurdles(study: Study, sign: float) -> Hurdles | None:
    """None where nothing is stopped early by the median rule."""
    if not study.early_stopping:
        return None
    ended = [
        trial for trial in _told_once(study.trials) if (value := _value(trial)) is not None and math.isfinite(value)
    ]
    whole = [_signed(trial, sign) for trial in ended if trial.state is TrialState.FINISHED]
    return Hurdles(whole, [_signed(trial, sign) for trial in ended])


def _told_once(trials: Sequence[Trial]) -> Iterator[Trial]:
    """By number, each trial once, however often it was told."""
    if len({trial.number for trial in trials}) == len(trials):
        yield from sorted(trials, key=lambda trial: trial.number)
        return
    ordered = sorted(trials, key=_identity)
    for before, trial in zip([None, *ordered], ordered, strict=False):
        if before is None or _identity(before) != _identity(trial):
            yield trial


def _identity(trial: Trial) -> tuple[int, list[tuple[str, str]], str, str]:
    return trial.number, sorted(trial.values.items()), trial.state.value, repr(trial.objective)


@lru_cache(maxsize=MOST_PARENTS)
def _placed(trials: Same[Sequence[Trial]], space: Space) -> Sequence[tuple[Trial, tuple[float, ...], float]]:
    """Those with a value and a place, be it outside the ranges: what is near to them is known better."""
    layout, found = Layout(space), []
    for trial in trials.it:
        try:
            point = layout.place(trial.values)
        except (KeyError, ValueError, ArithmeticError):
            continue
        if trial.objective is not None and math.isfinite(trial.objective):
            found.append((trial, point, trial.objective))
    return found


@dataclass(frozen=True, slots=True)
class _Horizon:
    """When values are compared: at the end of trials, or at an epoch while too few have run to their end."""

    extrapolation: Extrapolation
    sign: float
    epoch: int | None = None

    @classmethod
    def of(cls, trials: Sequence[Trial], sign: float) -> _Horizon:
        """The end, if enough trials with a curve have come there."""
        ended = [
            (trial, sign * value)
            for trial in trials
            if trial.curve and (value := _value(trial)) is not None and math.isfinite(value)
        ]
        curves = [_signed(trial, sign) for trial, _ in ended]
        finals = [value for _, value in ended]
        whole = [row for row, (trial, _) in enumerate(ended) if trial.state is TrialState.FINISHED]
        epoch = None
        if len(whole) < FEWEST and (epoch := farthest(curves)) is not None:
            whole = [row for row, curve in enumerate(curves) if epoch in curve]
            finals = [curve.get(epoch, final) for curve, final in zip(curves, finals, strict=True)]
        known = [curves[row] for row in whole], [finals[row] for row in whole]
        return cls(Extrapolation(*known, is_end=epoch is None), sign, epoch)

    def value(self, trial: Trial, value: float) -> tuple[float, Misses | None]:
        """What a trial with this last value has or would have there, and what is known of such guesses if it is one."""
        curve = _signed(trial, self.sign)
        if trial.state is TrialState.FAILED or not curve:
            return value, UNKNOWN if trial.cut_short else None
        if self.epoch is not None and self.epoch in curve:
            return curve[self.epoch], None
        if trial.state is TrialState.FINISHED:
            return value, None
        return self.extrapolation.of(curve)


def _signed(trial: Trial, sign: float) -> Curve:
    return {epoch: sign * value for epoch, value in trial.curve}


def _value(trial: Trial) -> float | None:
    """The objective; nan for a failure; None if the trial says nothing (stopped before its first value)."""
    if trial.state is not TrialState.FAILED and trial.objective is not None and math.isfinite(trial.objective):
        return trial.objective
    return None if trial.state is TrialState.STOPPED else math.nan


def _matrix(rows: list[tuple[float, ...]], width: int) -> Array:
    return np.array(rows, dtype=float).reshape(len(rows), width)
