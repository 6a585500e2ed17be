"""A study's model: fitted once, then asked for one configuration after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from pegbox.strategies.gp.acquisition import Acquisition, ConfidenceBound, ExpectedImprovement
from pegbox.strategies.gp.arrays import Array, Mask
from pegbox.strategies.gp.conditions import FAILURES, conditions_of
from pegbox.strategies.gp.fit import Prior, fit, subset
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.lesson import Lesson, trend_of
from pegbox.strategies.gp.observations import MOST_DOUBT, Observations
from pegbox.strategies.gp.optimise import maximise
from pegbox.strategies.gp.posterior import Posterior
from pegbox.strategies.tried import Tried

_MOST_POINTS = 1000  #: trials in the posterior; of more, the best half and a random rest
_MOST_BARREN = 250  #: points where there is nothing to learn, at most, beside so many trials
_MOST_LISTED = 2000  #: a space with fewer configurations is listed, not searched
_WIDTH = 3.0  #: confidence bound where nothing is known inside the ranges, in standard deviations
_INCUMBENTS = 5
_FEWEST_WARPED = 20  #: values of the study's own without which no number is bent
#: Prior over the signal variance, as in `Prior`: that of the values, which is 1.  A few results are easily explained by
#: less, and a search that believes that stays near the first good ones.  What lessons leave to explain may be less.
_SIGNAL = (0.0, 0.1)
_ROUGH_EVERY = 2  #: every so many ended trials, the kernel must not be smoother than its prior
#: Then the longest lengthscale of categories, of which different ones are at distance 1: a number can be moved by
#: little, a category cannot, and with a shorter one another category would hardly promise more than a step of numbers.
_ROUGH_CATEGORY = 2.0


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
        self._conditions = conditions_of(observations, layout, self._prior, rng)
        seen, self._pending, self._barren = observations, observations.pending, observations.pending[:0]
        if np.count_nonzero(observations.failed) >= FAILURES:
            # an imputed value would put a cliff beside optima at the edge; there is only nothing more to learn there
            self._barren = observations.points[observations.failed]
            seen = observations.successes()
        values, self._unit = seen.warped_with_unit()
        self._trend = trend_of(lessons, layout.features(seen.points), values)
        doubt = seen.doubt(values)
        # what early stopping says of a trial is in the model of survival, even if a guess at its end is worth nothing:
        # then there is nothing more to learn at its point either; so it is where a parent has stopped many
        is_own = np.arange(len(doubt)) >= seen.inherited
        is_telling = (doubt <= MOST_DOUBT) | (is_own & ~np.isfinite(seen.margins))
        telling = np.flatnonzero(is_telling)
        rows = telling[subset(values[telling], _MOST_POINTS, rng)]
        room = max(_MOST_POINTS - len(rows), _MOST_BARREN)  # the time of an ask grows with the square of all
        self._barren = np.concatenate([self._barren, seen.points[~is_telling]])[-room:]
        self._points, self._values, self._failed = seen.points[rows], values[rows], seen.failed[rows]
        self._doubt = doubt[rows]
        features = layout.features(self._points)
        self._unexpected = self._values - self._trend.mean(features) if self._trend else self._values
        # what others have seen may be another function: it must not say how numbers are bent
        numbers = layout.numbers if len(seen.values) - seen.inherited >= _FEWEST_WARPED else None
        is_taught = self._trend is not None and self._trend.weights.any()
        prior = self._prior if is_taught else replace(self._prior, signal=_SIGNAL)
        self._kernel = fit(features, layout.group, self._unexpected, prior, rng, self._doubt, numbers)
        if len(observations.values) % _ROUGH_EVERY == 0:
            longest = np.exp(self._prior.mode(layout.dimensions)[:-2])
            self._kernel = self._kernel.rougher(np.where(layout.is_category, _ROUGH_CATEGORY, longest))

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
        if improvement is None:
            return Ranking(self._sorted(ConfidenceBound(posterior, _WIDTH, self._conditions), tried, rng)[0], None)
        points, gains = self._sorted(improvement, tried, rng)
        return Ranking(points, min(float(np.exp(gains.max())) * self._unit, np.finfo(float).max))

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
        return ExpectedImprovement(posterior, best, self._conditions)

    def _inside(self) -> Mask:
        """(n,) which points lie in the ranges."""
        return np.asarray(np.all((self._points >= 0.0) & (self._points <= 1.0), axis=1))
