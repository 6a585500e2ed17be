"""Matern-5/2 with a lengthscale per coordinate (ARD), and the derivatives that the fit and the search need.

Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", eq. 4.17; sums of squared differences are
written as matrix products, so that no n x n x d array is ever made.  Large matrices are changed in place where that is
possible: at some hundred points, the system's finding memory for new ones takes longer than the arithmetic.
"""

from __future__ import annotations

import numpy as np

from pegbox.strategies.gp.arrays import Array

_ROOT5 = np.sqrt(5.0)


def squared_distances(a: Array, b: Array, room: Array | None = None) -> Array:
    """(n, D), (m, D) -> (n, m), in `room` if there is any; both already divided by the lengthscales."""
    squared: Array = np.matmul(a, b.T, out=room)
    squared *= -2.0
    squared += np.einsum("ij,ij->i", a, a)[:, None]
    squared += np.einsum("ij,ij->i", b, b)
    np.maximum(squared, 0.0, out=squared)
    return squared


def matern52(squared: Array, room: tuple[Array, Array] | None = None) -> tuple[Array, Array]:
    """k(r) and slope = -2 dk/d(r^2), from squared distances r^2 of any shape; in `room` if there is any.

    k = (1 + a + a^2/3) exp(-a) and slope = 5/3 (1 + a) exp(-a) with a = sqrt(5) r.
    """
    slope, correlation = room or (np.empty_like(squared), np.empty_like(squared))
    np.sqrt(squared, out=slope)
    slope *= _ROOT5
    decay = np.exp(np.negative(slope, out=correlation), out=correlation)
    slope += 1.0
    slope *= decay
    correlation *= squared
    correlation *= 5.0 / 3.0
    correlation += slope
    slope *= 5.0 / 3.0
    return correlation, slope


def weighted_differences(weights: Array, a: Array, b: Array) -> Array:
    """sum_j W_ij (a_ik - b_jk): W (n, m), a (n, D), b (m, D) -> (n, D)."""
    return np.asarray(a * weights.sum(axis=1)[:, None] - weights @ b)
