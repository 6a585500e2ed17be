"""Objective values made fit for a Gaussian process: monotone, and no single loss can drown the others.

The good half says how wide the interesting region is (as in Song et al. 2024, "The Vizier Gaussian Process Bandit
Algorithm", section 3.3); values far above it, on that scale, keep their order but lose their distance.
"""

from __future__ import annotations

import numpy as np

from pegbox.strategies.gp.arrays import Array, Indices

_LEAST_GOOD = 4  #: never call fewer values than this the good ones
_HEAVY = 100.0  #: good values whose range is this many times that of their better half are not all good
_APART = 0.1  #: trials nearer to a better one than this, on every coordinate, are no evidence of the spread
_FAR = 3.0  #: from so many spreads above the good values on, only the order counts
_REACH = (
    1e100  #: so many times larger than good values, and squares of these are lost beside it: the largest double, say
)


def warp(values: Array, points: Array) -> Array:
    """Finite values (n,) at points (n, d), to be minimised -> warped values (n,) of mean 0 and deviation 1.

    All are 0 if the values are equal.
    """
    return warp_with_unit(values, points)[0]


def warp_with_unit(values: Array, points: Array) -> tuple[Array, float]:
    """Also how far values are apart whose warped ones differ by 1, among the good ones, where warping is affine."""
    values = within_reach(values)
    scaled = rescale(values)
    compressed = compress(scaled, scaled[spread_out(points, scaled)])
    return standardise(compressed), float(np.max(np.abs(values))) * deviation(compressed)


def spread_out(points: Array, values: Array) -> Indices:
    """The best trials that keep their distance from better ones.

    Without this, a search that closes in on an optimum would make the differences between its last trials the
    measure of everything, and all other values outliers.
    """
    from scipy.spatial import cKDTree  # SciPy takes longer to import than the first trials to propose

    tree, radius = cKDTree(points), np.nextafter(_APART, 0.0)
    is_free = np.ones(len(points), dtype=bool)
    kept: list[int] = []
    for row in np.argsort(values, kind="stable"):
        if is_free[row]:
            kept.append(int(row))
            is_free[tree.query_ball_point(points[row], radius, p=np.inf)] = False
    return np.array(kept, dtype=np.intp)


def within_reach(values: Array) -> Array:
    """The same with losses that are beyond all measure where measuring ends, in their order.

    Otherwise, in units of such a loss, the good values would all be alike.
    """
    limit = 1024.0 * good_limit(values / 1024.0)  # the difference of two doubles may be none
    reach = _REACH * max(abs(limit), abs(float(values.min())))
    far = values > reach
    if reach == 0.0 or reach > np.finfo(float).max / 2.0 or not far.any():
        return values
    near = values.copy()
    _, rank = np.unique(values[far], return_inverse=True)
    near[far] = reach + (rank + 1) / (rank.max() + 1) * reach
    return near


def rescale(values: Array) -> Array:
    """Into [-1, 1], so that sums and squares neither overflow nor vanish."""
    largest = float(np.max(np.abs(values)))
    return np.asarray(values / largest) if largest > np.finfo(float).tiny else np.zeros_like(values)


def compress(values: Array, reference: Array) -> Array:
    """Move values beyond `_FAR` spreads above the good ones to one more spread, evenly by rank.

    What is good, and how far it spreads, is read off the reference values (k,).
    """
    limit = good_limit(reference)
    spread = float(np.sqrt(np.mean((reference[reference <= limit] - limit) ** 2)))
    edge = limit + _FAR * spread
    far = values > edge
    if spread == 0 or len(reference) < _LEAST_GOOD or not far.any():
        return values
    compressed = values.copy()
    _, rank = np.unique(values[far], return_inverse=True)
    compressed[far] = edge + spread * (rank + 1) / (rank.max() + 1)
    return compressed


def good_limit(values: Array) -> float:
    """The value up to which values are good: the median, or less where a few losses dwarf all the others."""
    ordered = np.sort(values)
    count = good = (len(ordered) + 1) // 2
    while count >= 2 * _LEAST_GOOD:
        whole, better = ordered[count - 1] - ordered[0], ordered[count // 2 - 1] - ordered[0]
        count //= 2
        if whole > _HEAVY * better > 0:
            good = count
    return float(ordered[good - 1])


def standardise(values: Array) -> Array:
    """Mean 0, deviation 1; all 0 if the values are equal but for rounding."""
    spread = deviation(values)
    return np.asarray((values - values.mean()) / spread) if spread else np.zeros_like(values)


def deviation(values: Array) -> float:
    """The standard deviation, 0 if the values are equal but for rounding."""
    spread = float((values - values.mean()).std())
    return spread if spread > 1e-13 * float(np.max(np.abs(values), initial=0.0)) else 0.0
