"""Without what nothing is gained by a trial: that it does not fail, and that it is not stopped early."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from pegbox.strategies.gp.acquisition import Condition
from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.fit import Prior, fit
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.observations import Observations
from pegbox.strategies.gp.posterior import Posterior
from pegbox.strategies.gp.warp import standardise

_MOST_POINTS = 1000  #: trials that are learned from: those with the highest numbers
FAILURES = 3  #: from so many failed trials on, the chance of success is modelled
_JUDGED = 3  #: from so many trials on whose margins are known, the chance of not being stopped early is modelled
#: A trial that is stopped early costs a few epochs and one job of the budget, and the hurdles are not those of the end:
#: the chance of it counts with its fourth root, so that little less than certainty of it keeps the search away.
_SURVIVAL_WEIGHT = 0.25


def conditions_of(observations: Observations, layout: Layout, prior: Prior, rng: Generator) -> list[Condition]:
    """Those of which something is known.

    Processes over +1 for success and -1 for failure, and over the margin by which the hurdles of early stopping were
    cleared, on a scale on which those that are far from them are alike.
    """
    conditions = []
    lost = observations.lost
    if np.count_nonzero(lost) >= FAILURES:
        labels = np.where(lost, -1.0, 1.0)[-_MOST_POINTS:]
        points = observations.points[-_MOST_POINTS:]
        conditions.append(Condition(_process(layout, points, labels, standardise(labels), prior, rng)))
    judged = np.flatnonzero(np.isfinite(observations.margins))
    if len(judged) >= _JUDGED:
        rows = judged[-_MOST_POINTS:]
        margins = np.tanh(observations.margins[rows])
        margins /= max(float(np.sqrt(np.mean(margins**2))), np.finfo(float).tiny)
        process = _process(layout, observations.points[rows], margins, margins, prior, rng)
        conditions.append(Condition(process, _SURVIVAL_WEIGHT))
    return conditions


def _process(layout: Layout, points: Array, values: Array, scaled: Array, prior: Prior, rng: Generator) -> Posterior:
    """Over values (n,) at points (n, d), its kernel fitted to scaled values (n,)."""
    features = layout.features(points)
    return Posterior(fit(features, layout.group, scaled, prior, rng), layout.group, features, values, features[:0])
