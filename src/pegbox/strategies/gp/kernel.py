"""Matern-5/2 with a lengthscale per coordinate (ARD), and the derivatives that the fit and the search need.

Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", eq. 4.17; sums of squared differences are
written as matrix products, so that no n x n x d array is ever made.
"""

from __future__ import annotations

import numpy as np

from pegbox.strategies.gp.arrays import Array

_ROOT5 = np.sqrt(5.0)


def squared_distances(a: Array, b: Array) -> Array:
    """(n, D), (m, D) -> (n, m); both already divided by the lengthscales."""
    squares = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None, :]
    return np.asarray(np.maximum(squares - 2.0 * (a @ b.T), 0.0))


def matern52(squared: Array) -> tuple[Array, Array]:
    """k(r) and slope = -2 dk/d(r^2), from squared distances r^2 of any shape.

    k = (1 + a + a^2/3) exp(-a) and slope = 5/3 (1 + a) exp(-a) with a = sqrt(5) r.
    """
    a = _ROOT5 * np.sqrt(squared)
    decay = np.exp(-a)
    linear = (1.0 + a) * decay
    return linear + (a * a / 3.0) * decay, (5.0 / 3.0) * linear


def weighted_squares(weights: Array, x: Array) -> Array:
    """sum_ij W_ij (x_ik - x_jk)^2 for every column k; W (n, n) symmetric, x (n, D) -> (D,)."""
    return np.asarray(2.0 * (weights.sum(axis=1) @ (x * x) - np.einsum("ik,ik->k", x, weights @ x)))


def weighted_differences(weights: Array, a: Array, b: Array) -> Array:
    """sum_j W_ij (a_ik - b_jk): W (n, m), a (n, D), b (m, D) -> (n, D)."""
    return np.asarray(a * weights.sum(axis=1)[:, None] - weights @ b)
