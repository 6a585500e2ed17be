"""Where the acquisition is highest: broad sampling, gradients on numbers, sweeps over integers and categories."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from scipy.optimize import minimize

from pegbox.strategies.gp.acquisition import Acquisition
from pegbox.strategies.gp.arrays import Array, Indices
from pegbox.strategies.gp.layout import Layout

_BROAD, _LOCAL = 1024, 512  #: points anywhere, points near the best trials
_STARTS = 12
_ROUNDS = 2
_STEPS = 30
_ROWS = 1024  #: points of a sweep that are looked at at once: a category has a feature for each of its values


def maximise(
    acquisition: Acquisition, layout: Layout, lengthscales: Array, incumbents: Array, rng: Generator
) -> tuple[Array, Array]:
    """Snapped points (m, d) in order of falling acquisition, and their values (m,).

    incumbents (k, d): the best trials so far, best first.  The first points are the climbed ones.
    """
    broad = layout.snap(rng.random((_BROAD, layout.dimensions)))
    local = layout.snap(perturb(incumbents, _LOCAL, layout, rng))
    pool = np.concatenate([broad, local])
    values = acquisition.value(layout.features(pool))
    rows = np.concatenate([_top(values[:_BROAD]), _BROAD + _top(values[_BROAD:])])
    points, gains = pool[rows], values[rows]
    for _ in range(_ROUNDS):
        points, gains = _climb(acquisition, layout, lengthscales, points, gains)
        points, gains = _sweep(acquisition, layout, points, gains)
    pool, values = np.concatenate([points, pool]), np.concatenate([gains, values])
    order = np.argsort(-values, kind="stable")
    return pool[order], values[order]


def perturb(centres: Array, count: int, layout: Layout, rng: Generator) -> Array:
    """Points (count, d) near the centres (k, d): some coordinates moved by a step of .01 to .3, categories redrawn."""
    points = centres[rng.integers(len(centres), size=count)]
    dimensions = layout.dimensions
    moved = rng.random(points.shape) < min(1.0, 3.0 / dimensions)
    moved[np.arange(count), rng.integers(dimensions, size=count)] = True
    steps = np.exp(rng.uniform(np.log(0.01), np.log(0.3), (count, 1))) * rng.standard_normal(points.shape)
    shifted = np.where(layout.is_category, rng.random(points.shape), reflect(points + steps))
    return np.where(moved, shifted, points)


def reflect(points: Array) -> Array:
    """Fold what lies outside the unit cube back into it."""
    folded = np.abs(points) % 2.0
    return np.asarray(np.where(folded > 1.0, 2.0 - folded, folded))


def _top(values: Array) -> Indices:
    return np.argsort(-values, kind="stable")[: _STARTS // 2]


def _climb(
    acquisition: Acquisition, layout: Layout, lengthscales: Array, points: Array, gains: Array
) -> tuple[Array, Array]:
    """L-BFGS-B over the smooth coordinates of all points (m, d) at once, in units of the lengthscales.

    gains (m,): their values.  Returns the points that are best now, and their values.
    """
    smooth = layout.is_smooth
    if not smooth.any():
        return points, gains
    scale = np.clip(lengthscales[smooth], 0.05, 2.0)
    columns, features = layout.columns[smooth], layout.features(points)

    def loss(flat: Array) -> tuple[float, Array]:
        features[:, columns] = flat.reshape(len(points), -1) * scale
        value, gradient = acquisition.value_and_gradient(features)
        return -float(value.sum()), -(gradient[:, columns] * scale).ravel()

    start = (points[:, smooth] / scale).ravel()
    bounds = [(0.0, 1.0 / s) for s in scale] * len(points)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _STEPS})
    climbed = points.copy()
    climbed[:, smooth] = found.x.reshape(len(points), -1) * scale
    climbed = layout.snap(climbed)
    return _better(points, gains, climbed, acquisition.value(layout.features(climbed)))


def _sweep(acquisition: Acquisition, layout: Layout, points: Array, gains: Array) -> tuple[Array, Array]:
    """Coordinate by coordinate, move every point (m, d), whose value is known (m,), to its best cell."""
    for place in np.flatnonzero(np.array(layout.cells) > 0):
        rows = [layout.neighbours(int(place), float(at)) for at in points[:, place]]
        owner = np.repeat(np.arange(len(points)), [len(row) for row in rows])
        trials = points[owner]
        trials[:, place] = np.concatenate(rows)
        parts = np.split(trials, range(_ROWS, len(trials), _ROWS))
        values = np.concatenate([acquisition.value(layout.features(part)) for part in parts])
        best = np.lexsort((-values, owner))[np.searchsorted(owner, np.arange(len(points)))]
        points, gains = _better(points, gains, trials[best], values[best])
    return points, gains


def _better(points: Array, gains: Array, others: Array, values: Array) -> tuple[Array, Array]:
    """Of each of two points (m, d) with values (m,) the better one; the first if there is none."""
    return np.where((values > gains)[:, None], others, points), np.maximum(gains, values)
