"""What a parent teaches: where its objective was good, as a function over the study's features.

Values of another search may lie on another scale, so only the shape is used: it becomes the mean around which the
study's own process varies, with a weight that the study's own results decide (compare Wistuba, Schilling and
Schmidt-Thieme 2018, "Scalable Gaussian process-based transfer surrogates for hyperparameter optimization").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.random import default_rng
from scipy.optimize import nnls

from pegbox.domain.ranges import Space
from pegbox.strategies.base import Goal, Limits, ParentStudy, Study, Trial
from pegbox.strategies.gp.arrays import Array, Indices
from pegbox.strategies.gp.fit import Prior, fit, subset
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.observations import MOST_DOUBT, Observations
from pegbox.strategies.gp.posterior import Posterior
from pegbox.strategies.gp.warp import standardise
from pegbox.strategies.inheritance import fixed
from pegbox.strategies.same import MOST_PARENTS, Same

_MOST_POINTS = 150  #: trials of a parent in its process; of more, the best half and a random rest
_FEWEST = 3  #: trials below which a parent teaches nothing
_FEWEST_JUDGED = 20  #: trials below which nothing can be said of whether there is anything to learn from a parent
_FOLDED = 100  #: trials by which that is judged, at most; the more there are, the fewer folds
_LEAST_FORETOLD = 0.05  #: share of the variance; a few in a hundred parents explain that much of noise
_CREDIT = 3.0  #: results for which a parent's reputation counts, against the study's own
_FADES = 20.0  #: own results at which what parents teach counts half


class Lesson:
    """A process over a parent's trials, asked at configurations of the study.

    Hyperparameters that both tune are coordinates.  What only the parent tuned is one too, and asked at the value that
    the study has fixed.  What only the study tunes does not matter to the parent.
    """

    def __init__(self, parent: ParentStudy, layout: Layout, fixed: Mapping[str, str], goal: Goal) -> None:
        tuned = {each.name for each in parent.space.parameters if each.size() != 1}
        own = [place for place, each in enumerate(layout.parameters) if each.name in tuned]
        shared = [layout.parameters[place] for place in own]
        others = [
            each
            for each in parent.space.parameters
            if each.size() != 1 and each.name in fixed and each.name not in (known.name for known in shared)
        ]
        self.parent = parent
        self._layout = Layout(Space((*shared, *others)))
        self._columns: Indices = np.flatnonzero(np.isin(layout.group, own))
        self._context = _features_of(self._layout, fixed, len(self._columns))
        self._width = len(layout.group)
        self._features, self._values, self._doubt = self._known(parent.trials if own else (), goal)
        self.is_blank = len(self._values) < _FEWEST  #: it says nothing of any configuration

    def _known(self, trials: Sequence[Trial], goal: Goal) -> tuple[Array, Array, Array]:
        """Features (n, D) of trials with a value, warped values (n,), and variances (n,) of those that are guesses.

        Guesses that are worth nothing are left out: among last values the others would not foretell each other.
        """
        study = Study(space=self._layout.space, goal=goal, limits=Limits(most=1, at_once=1), seed=0)
        seen = Observations.of(study, self._layout, trials)
        values = seen.warped() if len(seen.values) else seen.values
        doubt = seen.doubt(values)
        telling = doubt <= MOST_DOUBT
        return self._layout.features(seen.points[telling]), values[telling], doubt[telling]

    @cached_property
    def _process(self) -> Posterior | None:
        if self.is_blank:
            return None
        rows = subset(self._values, _MOST_POINTS, default_rng(len(self._values)))
        return self._fitted(rows, self._values[rows])

    def _fitted(self, rows: Indices, values: Array) -> Posterior:
        features, group, doubt = self._features[rows], self._layout.group, self._doubt[rows]
        kernel = fit(features, group, values, Prior(), default_rng(len(values)), doubt)
        return Posterior(kernel, group, features, values, features[:0], doubt=doubt)

    @property
    def is_telling(self) -> bool:
        """Whether there is something to learn: some of the parent's results foretell the others.

        Where they do not, they are noise, or not the results of these configurations, and what was best there is as
        good here as anything.
        """
        return self.is_blank or len(self._values) < _FEWEST_JUDGED or self.foretold > _LEAST_FORETOLD

    @cached_property
    def foretold(self) -> float:
        """Share of the variance of the parent's results that processes explain which have not seen them.

        Each is fitted anew to what it sees: a kernel that has been fitted to a result foretells that one.
        """
        rows = subset(self._values, _FOLDED, default_rng(len(self._values)))
        count, values = len(rows), self._values
        spread = float(np.sum((values[rows] - values[rows].mean()) ** 2))
        if spread == 0.0:
            return 0.0
        folds = max(2, min(count, _FOLDED // count))
        order = default_rng(count).permutation(rows)
        missed = 0.0
        for fold in range(folds):
            hidden = order[fold::folds]
            shown = np.setdiff1d(rows, hidden)
            expected = self._fitted(shown, standardise(values[shown])).mean(self._features[hidden])
            missed += np.sum((values[hidden] - values[shown].mean() - values[shown].std() * expected) ** 2)
        return 1.0 - float(missed) / spread

    def mean(self, features: Array) -> Array:
        """(m, D) features of the study -> (m,) what the parent expects, on its own scale; 0 if it knows nothing."""
        if self._process is None:
            return np.zeros(len(features))
        return np.asarray(self._process.mean(self._asked(features)))

    def pull_back(self, features: Array, by_mean: Array) -> Array:
        """Chain rule: derivatives (m,) of a loss by the mean -> by the study's features (m, D)."""
        result = np.zeros((len(features), self._width))
        if self._process is not None:
            by_features = self._process.pull_back_mean(self._asked(features), by_mean)
            result[:, self._columns] = by_features[:, : len(self._columns)]
        return result

    def _asked(self, features: Array) -> Array:
        context = np.broadcast_to(self._context, (len(features), len(self._context)))
        return np.concatenate([features[:, self._columns], context], axis=1)


def _features_of(layout: Layout, values: Mapping[str, str], first: int) -> Array:
    """The features from column `first` on of fixed values; all zero for a category that the parent did not try."""
    known = np.full(layout.dimensions, 0.5)
    strange: list[int] = []
    for place, parameter in enumerate(layout.parameters):
        if parameter.name in values:
            try:
                known[place] = parameter.place(values[parameter.name])
            except (ValueError, ArithmeticError):
                strange.append(place)
    features = layout.features(known[None, :])[0]
    features[np.isin(layout.group, strange)] = 0.0
    return np.asarray(features[first:])


def lessons_of(study: Study, layout: Layout, teachers: Sequence[ParentStudy]) -> list[Lesson]:
    """Of the teachers from which there is something to learn."""
    known = frozenset(fixed(study).items())
    lessons = [_lesson(Same(parent), layout.space, known, study.goal) for parent in teachers]
    return [lesson for lesson in lessons if lesson.is_telling]


@lru_cache(maxsize=MOST_PARENTS)
def _lesson(parent: Same[ParentStudy], space: Space, known: frozenset[tuple[str, str]], goal: Goal) -> Lesson:
    return Lesson(parent.it, Layout(space), dict(known), goal)


def trend_of(lessons: Sequence[Lesson], features: Array, values: Array) -> Trend | None:
    """Of the lessons that say something, if there are any; arguments as those of Trend."""
    telling = [lesson for lesson in lessons if not lesson.is_blank]
    return Trend(telling, features, values) if telling else None


class Trend:
    """The weighted sum of lessons that fits a study's own results best, 0 on average over them."""

    def __init__(self, lessons: Sequence[Lesson], features: Array, values: Array) -> None:
        """Features (n, D) and standardised values (n,) of the study."""
        self._lessons = lessons
        told = np.stack([lesson.mean(features) for lesson in lessons], axis=1)
        self._centre = told.mean(axis=0)
        self.weights = _weights(told - self._centre, values)

    def mean(self, features: Array) -> Array:
        """(m, D) -> (m,)."""
        result = np.zeros(len(features))
        for lesson, weight, centre in zip(self._lessons, self.weights, self._centre, strict=True):
            if weight > 0.0:
                result += weight * (lesson.mean(features) - centre)
        return result

    def pull_back(self, features: Array, by_mean: Array) -> Array:
        """Chain rule: derivatives (m,) of a loss by the mean -> by the features (m, D)."""
        result = np.zeros_like(features)
        for lesson, weight in zip(self._lessons, self.weights, strict=True):
            if weight > 0.0:
                result += lesson.pull_back(features, weight * by_mean)
        return result


def _weights(told: Array, values: Array) -> Array:
    """Weights (k,), not negative, of centred lessons (n, k) for values (n,).

    Least squares with a few results' worth of trust in each parent: results of the study's own that contradict a
    parent silence it.  With more of them, what parents teach fades.
    """
    count = told.shape[1]
    trust = np.sqrt(_CREDIT)
    system = np.concatenate([told, trust * np.eye(count)])
    wanted = np.concatenate([values, np.full(count, trust / count)])
    weights, _ = nnls(system, wanted)
    return np.asarray(weights / (1.0 + len(values) / _FADES))
