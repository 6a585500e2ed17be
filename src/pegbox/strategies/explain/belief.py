"""The surrogate that explanations ask.

It is fitted as the Bayesian strategy fits its own, to whatever strategy's trials, but for three things that serve
the search and not the truth: failures teach it nothing about values, its kernel is never made rougher, and numbers are
not bent, which is steep at the ends of ranges.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import default_rng

from pegbox.strategies.base import Goal, Study
from pegbox.strategies.explain.answers import Band, TooLittle
from pegbox.strategies.gp.arrays import Array, Mask
from pegbox.strategies.gp.conditions import FAILURES, conditions_of
from pegbox.strategies.gp.fit import Prior, fit, subset
from pegbox.strategies.gp.kernel import matern52, squared_distances
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.lesson import lessons_of, trend_of
from pegbox.strategies.gp.likelihood import JITTER
from pegbox.strategies.gp.observations import Observations
from pegbox.strategies.gp.posterior import Posterior, cholesky, inverse
from pegbox.strategies.gp.trust import believed
from pegbox.strategies.inheritance import Inheritance

FEWEST = 3  #: results without which there is no model
_MOST_POINTS = 1000  #: results in the model; of more, the best half and a random rest
_MOST_ROWS = 4096  #: points that are asked about at once
_DEVIATIONS = 1.959964  #: on each side of the median lie 95 % in between


class Belief:
    """A Gaussian process over the results of a study.  Raises TooLittle."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.layout = layout = Layout(study.space)
        inheritance = believed(Inheritance.of(study), study, layout)
        known = Observations.of(study, layout, *inheritance.shares)
        seen = known.successes()
        self.results = len(seen.values)
        if layout.dimensions == 0:
            raise TooLittle("no hyperparameter has more than one value")
        if self.results < FEWEST:
            raise TooLittle(f"a model needs {FEWEST} results, and there are {self.results}")
        self._sign = 1.0 if study.goal is Goal.MINIMIZE else -1.0
        warped, self.unit = seen.warped_with_unit()
        self._scale = _Scale(warped[seen.sure], seen.values[seen.sure], self.unit)
        lessons = lessons_of(study, layout, inheritance.teachers)
        self._trend = trend_of(lessons, layout.features(seen.points), warped)
        rng = default_rng([study.seed, self.results])
        rows = subset(warped, _MOST_POINTS, rng)
        self._points, self._warped, self._doubt = seen.points[rows], warped[rows], seen.doubt(warped)[rows]
        self._features = layout.features(self._points)
        trend = self._trend.mean(self._features) if self._trend else np.zeros(len(rows))
        self._unexpected = self._warped - trend
        self._kernel = fit(self._features, layout.group, self._unexpected, Prior(), rng, self._doubt)
        self._failed = known.points[known.failed]
        self._running = known.pending
        self.posterior = self._conditioned(layout.features(known.pending[:0]))
        self._known = known

    def asking(self) -> Posterior:
        """The posterior that asks are made by: where a trial runs or failed, there is less to learn."""
        failed = self._failed[-_MOST_POINTS:] if len(self._failed) >= FAILURES else self._failed[:0]
        return self._conditioned(self.layout.features(np.concatenate([failed, self._running])))

    def mean(self, points: Array) -> Array:
        """Snapped points (m, d) of the unit cube -> warped mean (m,)."""
        parts = np.array_split(points, max(1, -(-len(points) // _MOST_ROWS)))
        return np.concatenate([self._mean(self.layout.features(part)) for part in parts])

    def average(self, points: Array) -> tuple[float, float]:
        """Mean and variance, warped, of the average over points (m, d)."""
        features = self.layout.features(points)
        prediction = self.posterior.predict(features)
        scaled = self._kernel.scaled(features, self.layout.group)
        prior = self._kernel.signal * matern52(squared_distances(scaled, scaled))[0].mean()
        ours = self._kernel.scaled(self._features, self.layout.group)
        covariance = self._kernel.signal * matern52(squared_distances(scaled, ours))[0].mean(axis=0)
        return float(prediction.mean.mean()), float(max(prior - covariance @ prediction.solved.mean(axis=0), 0.0))

    def band(self, mean: float, variance: float) -> Band:
        """A warped belief in the user's units; quantiles go over as they are."""
        width = _DEVIATIONS * float(np.sqrt(variance))
        median, one, other = (self._sign * self._scale.value(mean + step) for step in (0.0, -width, width))
        return Band(median=median, low=min(one, other), high=max(one, other))

    def lowest_mean(self, posterior: Posterior) -> float:
        """The best warped mean of what has ended or runs, in the ranges; infinity if nothing is."""
        points = np.concatenate([self._points, self._running])
        inside = points[_inside(points)]
        return float(posterior.predict(self.layout.features(inside)).mean.min()) if len(inside) else np.inf

    def chance_of_success(self, point: Array) -> float | None:
        """Of coming to its end, at a point (d,), as the strategy sees it; None if it knows too little to model that."""
        known = self._known
        conditions = conditions_of(known, self.layout, Prior(), default_rng(len(known.values)))
        if not conditions:
            return None
        features = self.layout.features(point[None, :])
        return float(np.exp(sum(float(each.log_chance(features)[0]) for each in conditions)))

    def best(self) -> tuple[Mapping[str, str], float]:
        """The best configuration that ran to its end in the ranges, and its value in the user's units.

        Without any a guess; without any in the ranges the best brought into them.
        """
        rows = np.arange(len(self._warped))
        for wanted in (_inside(self._points), self._doubt == 0.0):
            rows = rows[wanted[rows]] if wanted[rows].any() else rows
        row = rows[np.argmin(self._warped[rows])]
        point = self.layout.snap(self._points[row : row + 1])[0]
        return self.layout.decode(point), self._sign * self._scale.value(float(self._warped[row]))

    def foretold(self) -> float | None:
        """Share of the results' variance that each one's prediction from all others explains; None if they are equal.

        Rasmussen and Williams 2006, eq. 5.12.
        """
        spread = float(np.sum((self._warped - self._warped.mean()) ** 2))
        if spread == 0.0:
            return None
        scaled = self._kernel.scaled(self._features, self.layout.group)
        covariance = self._kernel.signal * matern52(squared_distances(scaled, scaled))[0]
        covariance[np.diag_indices_from(covariance)] = self._kernel.signal + self._kernel.noise + JITTER + self._doubt
        precision = inverse(cholesky(covariance))
        missed = (precision @ self._unexpected) / np.diag(precision)
        return max(0.0, 1.0 - float(np.sum(missed**2)) / spread)

    def _conditioned(self, pending: Array) -> Posterior:
        group, seen = self.layout.group, self._features
        return Posterior(self._kernel, group, seen, self._unexpected, pending, self._trend, self._doubt)

    def _mean(self, features: Array) -> Array:
        own = self.posterior.mean(features)
        return own + self._trend.mean(features) if self._trend else own


def _inside(points: Array) -> Mask:
    """(n,) which of the points (n, d) are in the ranges: parents' may lie outside."""
    return np.asarray(np.all((points >= 0.0) & (points <= 1.0), axis=1))


class _Scale:
    """From warped values back to those that are minimised: known at the results, straight in between and beyond."""

    def __init__(self, warped: Array, values: Array, unit: float) -> None:
        self._warped, rows = np.unique(warped, return_index=True)
        self._values, self._unit = values[rows], unit

    def value(self, warped: float) -> float:
        """One value; the ends of the doubles where it lies beyond them."""
        inside = float(np.clip(warped, self._warped[0], self._warped[-1]))
        value = float(np.interp(inside, self._warped, self._values)) + (warped - inside) * self._unit
        return float(np.nan_to_num(value))
