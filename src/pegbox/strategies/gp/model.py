"""A study's model: fitted once, then asked for one configuration after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pegbox.strategies.gp.acquisition import Acquisition, ConfidenceBound, ExpectedImprovement
from pegbox.strategies.gp.arrays import Array, Mask
from pegbox.strategies.gp.fit import Prior, fit, subset
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.lesson import Lesson, Trend
from pegbox.strategies.gp.observations import Observations
from pegbox.strategies.gp.optimise import maximise
from pegbox.strategies.gp.posterior import Posterior
from pegbox.strategies.gp.warp import standardise
from pegbox.strategies.tried import Tried

_MOST_POINTS = 1000  #: trials in the posterior; of more, the best half and a random rest
_MOST_LISTED = 2000  #: a space with fewer configurations is listed, not searched
_FAILURES = 3  #: from so many failed trials on, the chance of success is modelled
_RECENT, _NEAR = 5, 0.02  #: so many last trials, so near to the best one: time to look elsewhere
_WIDTH = 3.0  #: confidence bound of exploring asks, in standard deviations
_INCUMBENTS = 5
_FEWEST_WARPED = 20  #: values of the study's own without which no number is bent
_ROUGH_EVERY = 2  #: every so many ended trials, the kernel must not be smoother than its prior


@dataclass(frozen=True, slots=True)
class Ranking:
    """Points (m, d), the most promising first."""

    points: Array
    expected: float | None  #: improvement on the best at the point where that is largest, in the user's units


class Model:
    """Kernel and data of a study; `add_pending` lets a batch of asks know of each other."""

    def __init__(
        self,
        layout: Layout,
        observations: Observations,
        rng: Generator,
        prior: Prior | None = None,
        lessons: Sequence[Lesson] = (),
    ) -> None:
        self.layout = layout
        self._prior = prior or Prior()
        self._success: Posterior | None = None
        seen, self._pending, self._barren = observations, observations.pending, observations.pending[:0]
        if np.count_nonzero(observations.failed | observations.stopped) >= _FAILURES:
            self._success = self._fit_success(observations, rng)
        if np.count_nonzero(observations.failed) >= _FAILURES:
            # an imputed value would put a cliff beside optima at the edge; there is only nothing more to learn there
            self._barren = observations.points[observations.failed][-_MOST_POINTS:]
            seen = observations.successes()
        values, self._unit = seen.warped_with_unit()
        self._trend = Trend(lessons, layout.features(seen.points), values) if lessons else None
        rows = subset(values, _MOST_POINTS, rng)
        self._points, self._values, self._failed = seen.points[rows], values[rows], seen.failed[rows]
        self._doubt = seen.doubt(values)[rows]
        recent = observations.points[observations.inherited :][-_RECENT:]
        self._crowded = crowded(layout, recent, self._points[np.argmin(self._values)])
        features = layout.features(self._points)
        self._unexpected = self._values - self._trend.mean(features) if self._trend else self._values
        # what others have seen may be another function: it must not say how numbers are bent
        numbers = layout.numbers if len(seen.values) - seen.inherited >= _FEWEST_WARPED else None
        self._kernel = fit(features, layout.group, self._unexpected, self._prior, rng, self._doubt, numbers)
        if len(observations.values) % _ROUGH_EVERY == 0:
            self._kernel = self._kernel.rougher(np.exp(self._prior.mode(layout.dimensions)[0]))

    def add_pending(self, values: Mapping[str, str]) -> None:
        """Note a configuration that is about to run."""
        self._pending = np.concatenate([self._pending, [self.layout.encode(values)]])

    def posterior(self) -> Posterior:
        """The belief about the objective, with everything that runs taken into account."""
        features = self.layout.features(self._points)
        pending = self.layout.features(np.concatenate([self._barren, self._pending]))
        return Posterior(self._kernel, self.layout.group, features, self._unexpected, pending, self._trend, self._doubt)

    def ranked(self, tried: Tried, rng: Generator) -> Ranking:
        """Unused points of a small space, else points of a search."""
        posterior = self.posterior()
        improvement = self._improvement(posterior)
        if improvement is not None and not self._crowded:
            points, gains = self._sorted(improvement, tried, rng)
        else:
            points, _ = self._sorted(ConfidenceBound(posterior, _WIDTH, self._success), tried, rng)
            if improvement is None:
                return Ranking(points, None)
            gains = improvement.value(self.layout.features(points))
        return Ranking(points, float(np.exp(gains.max())) * self._unit)

    def _sorted(self, acquisition: Acquisition, tried: Tried, rng: Generator) -> tuple[Array, Array]:
        """Points (m, d) in order of falling acquisition, and their values (m,)."""
        if tried.size is not None and tried.size <= _MOST_LISTED:
            points = np.array([self.layout.encode(tried.space.configuration(index)) for index in tried.free()])
            values = acquisition.value(self.layout.features(points))
            order = np.argsort(-values, kind="stable")
            return points[order], values[order]
        incumbents = self._points[np.argsort(self._values, kind="stable")[:_INCUMBENTS]]
        return maximise(acquisition, self.layout, self._kernel.lengthscales, incumbents, rng)

    def _improvement(self, posterior: Posterior) -> ExpectedImprovement | None:
        seen = np.concatenate([self._points[~self._failed & self._inside()], self._pending])
        if not len(seen):  # nothing but inherited trials from outside the ranges: anything is an improvement
            return None
        best = float(posterior.expected(self.layout.features(seen)).min())
        return ExpectedImprovement(posterior, best, self._success)

    def _inside(self) -> Mask:
        """(n,) which points lie in the ranges."""
        return np.asarray(np.all((self._points >= 0.0) & (self._points <= 1.0), axis=1))

    def _fit_success(self, observations: Observations, rng: Generator) -> Posterior:
        """A process over +1 for success and -1 for failure, on the trials with the highest numbers."""
        missed = observations.failed | observations.stopped
        points, failed = observations.points[-_MOST_POINTS:], missed[-_MOST_POINTS:]
        features, labels = self.layout.features(points), np.where(failed, -1.0, 1.0)
        kernel = fit(features, self.layout.group, standardise(labels), self._prior, rng)
        none = np.empty((0, features.shape[1]))
        return Posterior(kernel, self.layout.group, features, labels, none)


def crowded(layout: Layout, recent: Array, best: Array) -> bool:
    """Do all recent trials (k, d) lie next to the best one (d,), as at the bottom of a local minimum?"""
    distances = np.abs(layout.features(recent) - layout.features(best[None, :]))
    return len(recent) == _RECENT and bool(np.all(distances <= _NEAR))
