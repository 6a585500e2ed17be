"""What the fitted process believes about new points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.linalg.blas import dtrsm
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

from pegbox.strategies.gp.arrays import Array, Indices
from pegbox.strategies.gp.fit import Kernel
from pegbox.strategies.gp.kernel import matern52, squared_distances, weighted_differences
from pegbox.strategies.gp.likelihood import JITTER

_LEAST_VARIANCE = 1e-12
_BLOCK = 256  #: points that are asked about at once: their matrices stay in the processor's cache


class Mean(Protocol):
    """What is expected of the function before it is seen."""

    def mean(self, features: Array) -> Array:
        """Features (m, D) -> (m,)."""
        ...

    def pull_back(self, features: Array, by_mean: Array) -> Array:
        """Chain rule: derivatives (m,) of a loss by the mean -> by features (m, D)."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """Mean and variance (m,) of the noise-free function, and what their gradients need."""

    mean: Array
    variance: Array
    features: Array  #: (m, D) the points
    scaled: Array  #: (m, D) the points, warped and divided by the lengthscales
    slope: Array  #: (m, n) signal times the kernel's slope
    solved: Array  #: (m, n) k(x)' K^-1


class Posterior:
    """A process conditioned on finished and pending points.

    The mean comes from the finished points, the variance from all: where a trial is running there is little left to
    learn (Desautels, Krause and Burdick 2014, "Parallelizing Exploration-Exploitation Tradeoffs in Gaussian Process
    Bandit Optimization", section 4).
    """

    def __init__(
        self,
        kernel: Kernel,
        group: Indices,
        finished: Array,
        y: Array,
        pending: Array,
        prior: Mean | None = None,
        doubt: Array | None = None,
    ) -> None:
        """Features finished (n, D), values y (n,) less the prior mean, and pending (p, D), p >= 0.

        doubt (n,): variances of the values that are known beside the noise.
        """
        self.kernel = kernel
        self._prior = prior
        self._scale = kernel.lengthscales[group]
        self._group = group
        self._x = kernel.scaled(np.concatenate([finished, pending]), group)
        covariance = kernel.signal * matern52(squared_distances(self._x, self._x))[0]
        covariance[np.diag_indices_from(covariance)] = kernel.signal + kernel.noise + JITTER
        if doubt is not None:
            covariance[np.diag_indices(len(y))] += doubt
        self._factor = factor = cholesky(covariance)
        self._alpha = np.zeros(len(self._x))
        # the finished points come first, so their factor is the leading block
        self._alpha[: len(y)] = dpotrs(np.asfortranarray(factor[: len(y), : len(y)]), y, lower=1)[0]

    def predict(self, features: Array) -> Prediction:
        """Features (m, D) -> mean and variance (m,), with what their gradients need."""
        scaled = self.kernel.scaled(features, self._group)
        correlation, slope = matern52(squared_distances(scaled, self._x))
        covariance = self.kernel.signal * correlation
        mean = covariance @ self._alpha
        half = self._half_solved(covariance)
        return Prediction(
            mean=mean if self._prior is None else mean + self._prior.mean(features),
            variance=self._variance(half),
            features=features,
            scaled=scaled,
            slope=self.kernel.signal * slope,
            solved=dtrsm(1.0, self._factor, half, lower=1, trans_a=1, overwrite_b=1).T,
        )

    def moments(self, features: Array) -> tuple[Array, Array]:
        """Features (m, D) -> mean and variance (m,), for less than with their gradients."""
        mean, variance = np.empty((2, len(features)))
        for rows, correlation in self._correlations(features):
            covariance = np.multiply(correlation, self.kernel.signal, out=correlation)
            mean[rows] = covariance @ self._alpha
            variance[rows] = self._variance(self._half_solved(covariance))
        return mean if self._prior is None else mean + self._prior.mean(features), variance

    def _half_solved(self, covariance: Array) -> Array:
        """Covariances k (m, n) -> L^-1 k' (n, m), in their place."""
        return np.asarray(dtrsm(1.0, self._factor, covariance.T, lower=1, overwrite_b=1))

    def _variance(self, half: Array) -> Array:
        return np.asarray(np.maximum(self.kernel.signal - np.einsum("ij,ij->j", half, half), _LEAST_VARIANCE))

    def _correlations(self, features: Array) -> Iterator[tuple[slice, Array]]:
        """Of features (m, D) with known points: rows and their correlations (b, n), which the next block overwrites."""
        scaled = self.kernel.scaled(features, self._group)
        room = np.empty((3, min(_BLOCK, len(features)), len(self._x)))
        for first in range(0, len(features), _BLOCK):
            part = scaled[first : first + _BLOCK]
            squared, slope, correlation = room[:, : len(part)]
            matern52(squared_distances(part, self._x, squared), (slope, correlation))
            yield slice(first, first + len(part)), correlation

    def pull_back(self, prediction: Prediction, by_mean: Array, by_variance: Array) -> Array:
        """Chain rule: derivatives (m,) of a loss by mean and variance -> by features (m, D)."""
        by_covariance = by_mean[:, None] * self._alpha - 2.0 * by_variance[:, None] * prediction.solved
        pulled = self._pull_back(by_covariance * prediction.slope, prediction.scaled, prediction.features)
        if self._prior is not None:
            pulled += self._prior.pull_back(prediction.features, by_mean)
        return pulled

    def expected(self, features: Array) -> Array:
        """Features (m, D) -> mean (m,), which costs less than with the variance."""
        mean = self.mean(features)
        return mean if self._prior is None else mean + self._prior.mean(features)

    def mean(self, features: Array) -> Array:
        """The same without the prior mean."""
        mean = np.empty(len(features))
        for rows, correlation in self._correlations(features):
            mean[rows] = correlation @ self._alpha
        return self.kernel.signal * mean

    def pull_back_mean(self, features: Array, by_mean: Array) -> Array:
        """Chain rule for `mean`: derivatives (m,) of a loss by it -> by features (m, D)."""
        scaled = self.kernel.scaled(features, self._group)
        _, slope = matern52(squared_distances(scaled, self._x))
        return self._pull_back(self.kernel.signal * slope * (by_mean[:, None] * self._alpha), scaled, features)

    def _pull_back(self, weights: Array, scaled: Array, features: Array) -> Array:
        """Weights (m, n): derivatives by covariances, times the kernel's slope."""
        pulled = -weighted_differences(weights, scaled, self._x) / self._scale
        return np.asarray(pulled if self.kernel.warping is None else pulled * self.kernel.warping.slopes(features))


def cholesky(covariance: Array) -> Array:
    """Lower factor; the diagonal is raised step by step if rounding made the matrix indefinite."""
    jitter = 0.0
    for _ in range(8):
        factor, info = dpotrf(covariance + jitter * np.eye(len(covariance)), lower=1, clean=1)
        if not info:
            return np.asarray(factor)
        jitter = max(10.0 * jitter, 1e-7 * float(np.mean(np.diag(covariance))))
    raise np.linalg.LinAlgError("the covariance matrix is not positive definite")


def inverse(factor: Array) -> Array:
    """K^-1 (n, n), both triangles, from the lower Cholesky factor of K with zeros above."""
    lower, _ = dpotri(factor, lower=1)
    both: Array = lower + lower.T
    both[np.diag_indices_from(both)] *= 0.5
    return both
