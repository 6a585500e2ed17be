"""How likely values are under a kernel, with its gradient: what a fit asks some hundred times of the same data.

Everything is symmetric, so only one triangle of it is made, in LAPACK's rectangular full packed format: a vector of
n (n + 1) / 2 pairs that is factored and inverted in place, in blocks (Gustavson, Wasniewski, Dongarra and Langou 2010,
"Rectangular Full Packed Format for Cholesky's Algorithm").  Squared distances on each coordinate do not depend on the
lengthscales and are made once.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.linalg.blas import dsymm
from scipy.linalg.lapack import dpftrf, dpftri, dpftrs, dtfttr, dtrttf

from pegbox.strategies.gp.arrays import Array, Indices
from pegbox.strategies.gp.input_warping import InputWarping
from pegbox.strategies.gp.kernel import matern52, squared_distances

JITTER = 1e-8
_FAILED = 1e20


class Likelihood:
    """-log p(y | x, theta) without its constant (Rasmussen and Williams 2006, eq. 5.8 and 5.9)."""

    def __init__(self, x: Array, group: Indices, y: Array, doubt: Array | float = 0.0) -> None:
        """x (n, D) features, group (D,) their coordinates, y (n,), doubt (n,) variances known beside the noise."""
        count = len(y)
        self._x, self._group, self._y = x, group, y
        self._places = places = dtrttf(np.arange(count * count, dtype=float).reshape(count, count), uplo="L")[0].astype(
            np.intp
        )
        self._rows, self._columns = np.divmod(places, count)  #: (p,) of each pair
        self._diagonal = np.flatnonzero(self._rows == self._columns)
        self._doubt = np.broadcast_to(doubt, count)[self._rows[self._diagonal]]
        coordinates = range(int(group.max()) + 1)
        self._apart = np.empty((len(coordinates), len(places)))  #: (d, p)
        for place in coordinates:
            self._apart[place] = self._squared(x[:, group == place])
        self._room = np.empty((4, len(places)))

    def at(self, theta: Array) -> tuple[float, Array]:
        """Value and gradient at theta (d + 2,), logarithms of lengthscales, signal and noise."""
        value, gradient, _ = self._at(theta, self._apart)
        return value, gradient

    def warped(self, theta: Array, columns: Indices) -> tuple[float, Array]:
        """The same with warped columns (k,), numbers; theta (2k + d + 2,) begins with the logarithms of a and b."""
        count = 2 * len(columns)
        warping = InputWarping.of(columns, theta[:count])
        bent, places = warping(self._x)[:, columns], self._group[columns]
        for place, column in zip(places, bent.T, strict=True):
            self._bent[place] = self._squared(column[:, None])
        value, gradient, pull = self._at(theta[count:], self._bent)
        full, _ = dtfttr(len(bent), pull, uplo="L")
        # sum_j W_ij (x_ik - x_jk) of a symmetric W
        total = dsymm(1.0, full, np.column_stack([bent, np.ones(len(bent))]), lower=1)
        by_columns = (total[:, :-1] - bent * total[:, -1:]) * np.exp(-2.0 * theta[count:][places])
        by_warping = np.einsum("nk,pnk->pk", by_columns, warping.by_logarithms(self._x)).ravel()
        return value, np.concatenate([by_warping, gradient])

    def _at(self, theta: Array, apart: Array) -> tuple[float, Array, Array]:
        """Also the derivative by half the squared scaled distance of each pair (p,), with the other sign."""
        squared, slope, correlation, covariance = self._room
        closeness, signal, noise = np.exp(-2.0 * theta[:-2]), np.exp(theta[-2]), np.exp(theta[-1])
        matern52(np.matmul(closeness, apart, out=squared), (slope, correlation))
        np.multiply(correlation, signal, out=covariance)
        covariance[self._diagonal] += noise + JITTER + self._doubt
        factor, info = dpftrf(len(self._y), covariance, uplo="L", overwrite_a=1)
        if info:
            return _FAILED, np.zeros_like(theta), np.zeros_like(slope)
        alpha, _ = dpftrs(len(self._y), factor, self._y, uplo="L")
        value = 0.5 * (self._y @ alpha) + np.log(factor[self._diagonal]).sum()
        # W = K^-1 - alpha alpha'; every derivative is tr(W dK) / 2, each pair but those of the diagonal twice
        weights, _ = dpftri(len(self._y), factor, uplo="L", overwrite_a=1)
        weights -= np.multiply(alpha.take(self._rows), alpha.take(self._columns), out=squared)
        trace = weights[self._diagonal].sum()
        pull = np.multiply(weights, slope, out=slope)
        pull *= signal
        gradient = np.empty_like(theta)
        gradient[:-2] = closeness * (apart @ pull)
        gradient[-2] = signal * (weights @ correlation - 0.5 * trace)
        gradient[-1] = 0.5 * noise * trace
        return float(value), gradient, pull

    @cached_property
    def _bent(self) -> Array:
        """The distances (d, p) where those of warped columns are overwritten."""
        return self._apart.copy()

    def _squared(self, x: Array) -> Array:
        """Squared distances of the rows of columns (n, k): (p,)."""
        if x.shape[1] > 1:
            return np.asarray(squared_distances(x, x).take(self._places))
        difference: Array = np.asarray(x[:, 0].take(self._rows))
        difference -= x[:, 0].take(self._columns)
        difference *= difference
        return difference
