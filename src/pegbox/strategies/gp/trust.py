"""Are the results of parents that claim to be identical results of this study's objective?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import default_rng

from pegbox.strategies.base import Study
from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.fit import Prior, fit, subset
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.observations import Observations
from pegbox.strategies.gp.posterior import Posterior
from pegbox.strategies.inheritance import Bequest, Inheritance

_FEWEST = 3  #: results of the study's own, and of a parent's, without which nobody is judged
_MOST_POINTS = 150
_LEAST_SKILL = 0.3  #: share of the results' variance that a parent has to foretell


def believed(inheritance: Inheritance, study: Study, layout: Layout) -> Inheritance:
    """The inheritance without the bequests that the study's own results contradict.

    A bequest is contradicted if the mean of its values predicts the study's results better than its model does.
    """
    if not inheritance.bequests or layout.dimensions == 0:
        return inheritance
    own = Observations.of(study, layout).whole()  # a value of another epoch contradicts nobody
    if len(own.values) < _FEWEST:
        return inheritance
    doubted = [bequest for bequest in inheritance.bequests if _skill(bequest, study, own, layout) < _LEAST_SKILL]
    return inheritance.doubting(doubted)


def _skill(bequest: Bequest, study: Study, own: Observations, layout: Layout) -> float:
    """1 for perfect predictions of the study's own results, below 0 for those that are worse than the mean.

    1 also for a parent with too few results to be judged.
    """
    theirs = Observations.of(replace(study, trials=()), layout, bequest.trials).whole()
    count = len(theirs.values)
    if count < _FEWEST:
        return 1.0
    both = replace(
        own,
        points=np.concatenate([theirs.points, own.points]),
        values=np.concatenate([theirs.values, own.values]),
        misses=theirs.misses + own.misses,
        margins=np.concatenate([theirs.margins, own.margins]),
    ).warped()
    known, seen = both[:count], both[count:]
    expected = _predicted(theirs.points, known - known.mean(), layout, own.points)
    surprise = seen - known.mean()
    return float(1.0 - np.sum((surprise - expected) ** 2) / max(np.sum(surprise**2), np.finfo(float).tiny))


def _predicted(points: Array, values: Array, layout: Layout, at: Array) -> Array:
    rng = default_rng(len(values))
    rows = subset(values, _MOST_POINTS, rng)
    features = layout.features(points[rows])
    kernel = fit(features, layout.group, values[rows], Prior(), rng)
    return Posterior(kernel, layout.group, features, values[rows], features[:0]).mean(layout.features(at))
