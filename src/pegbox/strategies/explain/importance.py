"""Which hyperparameters matter."""

from __future__ import annotations

import numpy as np

from pegbox.strategies.base import Study
from pegbox.strategies.explain.answers import Importance, Share
from pegbox.strategies.explain.belief import Belief

_SAMPLES = 1024  #: a power of two, as Sobol's sequence wants it


def importance(study: Study | Belief) -> Importance:
    """Sobol indices of the model's mean over the unit cube, where all values of a range are equally likely.

    First order by Saltelli et al. 2010, "Variance based sensitivity analysis of model output", table 2 (b), total by
    Jansen 1999, ibid. (f).  The variance is that of warped values, so that one huge loss does not decide everything.
    Raises TooLittle.
    """
    from scipy.stats import qmc

    belief = study if isinstance(study, Belief) else Belief(study)
    layout = belief.layout
    dimensions = layout.dimensions
    drawn = qmc.Sobol(2 * dimensions, seed=np.random.default_rng(0)).random(_SAMPLES)
    one, other = layout.snap(drawn[:, :dimensions]), layout.snap(drawn[:, dimensions:])
    mixed = np.repeat(one[None, :, :], dimensions, axis=0)
    for place in range(dimensions):
        mixed[place, :, place] = other[:, place]
    means = belief.mean(np.concatenate([one, other, mixed.reshape(-1, dimensions)])).reshape(-1, _SAMPLES)
    means -= means[:2].mean()
    variance = float(means[:2].var())
    alone, total = np.zeros(dimensions), np.zeros(dimensions)
    if variance > 1e-12:
        alone = np.mean(means[1] * (means[2:] - means[0]), axis=1) / variance
        total = np.mean((means[0] - means[2:]) ** 2, axis=1) / (2.0 * variance)
    shares = [
        Share(name=each.name, alone=float(np.clip(first, 0.0, 1.0)), total=float(np.clip(max(all_, first), 0.0, 1.0)))
        for each, first, all_ in zip(layout.parameters, alone, total, strict=True)
    ]
    shares.sort(key=lambda share: -share.total)
    return Importance(shares=shares, results=belief.results, foretold=belief.foretold())
