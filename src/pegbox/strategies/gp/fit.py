"""Kernel hyperparameters by maximum a posteriori, with analytic gradients.

All variables are logarithms: d lengthscales, the signal variance, the noise variance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from scipy.optimize import minimize

from pegbox.strategies.gp.arrays import Array, Indices
from pegbox.strategies.gp.input_warping import InputWarping
from pegbox.strategies.gp.likelihood import Likelihood

_LENGTHSCALE_BOUNDS = (np.log(0.025), np.log(100.0))
_SIGNAL_BOUNDS = (np.log(0.02), np.log(50.0))
_NOISE_BOUNDS = (np.log(1e-6), np.log(2.0))
_SCREEN = 100  #: points on which several starts compete
_POLISH = 300  #: points on which the winner is refined
_BEND = 0.75  #: standard deviation of the prior over the logarithms of a warping's a and b
_BEND_BOUNDS = (np.log(0.1), np.log(10.0))
_GAIN = 2.0  #: by how much the logarithm of the posterior density has to grow for each number that is warped


@dataclass(frozen=True, slots=True)
class Kernel:
    """Fitted hyperparameters: natural units, lengthscales (d,) in the unit cube, variances of the warped objective."""

    lengthscales: Array
    signal: float
    noise: float
    warping: InputWarping | None = None

    @classmethod
    def of(cls, theta: Array, warping: InputWarping | None = None) -> Kernel:
        """From the vector of logarithms (d + 2,)."""
        return cls(np.exp(theta[:-2]), float(np.exp(theta[-2])), float(np.exp(theta[-1])), warping)

    def scaled(self, features: Array, group: Indices) -> Array:
        """Features (m, D), warped and divided by the lengthscales."""
        return (features if self.warping is None else self.warping(features)) / self.lengthscales[group]

    def rougher(self, longest: Array) -> Kernel:
        """The same with no lengthscale above `longest` (d,).

        A maximum a posteriori is too sure of itself: a coordinate that seems not to matter gets an endless
        lengthscale, and the search never looks along it again.  A doubting kernel, now and then, does.
        """
        return replace(self, lengthscales=np.minimum(self.lengthscales, longest))


@dataclass(frozen=True, slots=True)
class Prior:
    """Independent log-normal densities over lengthscales, signal and noise variance.

    The density over a lengthscale is LogNormal(m + log(d)/2, s): it grows with the root of the dimension, so that
    the prior over functions stays equally complex (Hvarfner, Hellsten and Nardi 2024, "Vanilla Bayesian Optimization
    Performs Great in High Dimensions").  As a density over l, not over log l, it has the extra term log l below.
    """

    lengthscale: tuple[float, float] = (np.sqrt(2.0), np.sqrt(3.0))
    signal: tuple[float, float] = (0.0, 1.0)
    noise: tuple[float, float] = (-4.0, 1.0)

    def moments(self, dimensions: int) -> tuple[Array, Array]:
        """Mean and standard deviation of every logarithm, each (d + 2,)."""
        mean = np.full(dimensions + 2, self.lengthscale[0] + 0.5 * np.log(max(dimensions, 1)))
        deviation = np.full(dimensions + 2, self.lengthscale[1])
        mean[-2:], deviation[-2:] = (self.signal[0], self.noise[0]), (self.signal[1], self.noise[1])
        return mean, deviation

    def mode(self, dimensions: int) -> Array:
        """Where the density is highest, as logarithms."""
        mean, deviation = self.moments(dimensions)
        return mean - deviation**2

    def negative_log(self, theta: Array) -> tuple[float, Array]:
        """-log density at exp(theta) up to a constant, and its gradient with respect to theta."""
        mean, deviation = self.moments(len(theta) - 2)
        z = (theta - mean) / deviation
        return float(0.5 * (z @ z) + theta.sum()), z / deviation + 1.0


def fit(
    x: Array,
    group: Indices,
    y: Array,
    prior: Prior,
    rng: Generator,
    doubt: Array | None = None,
    numbers: Indices | None = None,
) -> Kernel:
    """The best kernel for features x (n, D) and standardised values y (n,), of which `doubt` (n,) is the variance.

    Two starts compete on a part of the data; the winner is refined on more of it.  Columns `numbers` (k,) are warped if
    the data speak for it.
    """
    dimensions = int(group.max()) + 1
    doubt = np.zeros(len(y)) if doubt is None else doubt
    small = subset(y, _SCREEN, rng)
    likelihood = Likelihood(x[small], group, y[small], doubt[small])
    runs = [_climb(start, likelihood, prior, 60) for start in _starts(prior, dimensions)]
    theta = min(runs, key=lambda run: run[0])[1]
    if len(y) > len(small):
        large = subset(y, _POLISH, rng)
        theta = _climb(theta, Likelihood(x[large], group, y[large], doubt[large]), prior, 12)[1]
    if numbers is None or not len(numbers):
        return Kernel.of(theta)
    return _warped(theta, likelihood, numbers, prior)


def _warped(theta: Array, likelihood: Likelihood, numbers: Indices, prior: Prior) -> Kernel:
    """The kernel with warped numbers, if that is so much more probable than without.

    Without the test of evidence warping costs as much on objectives that need none as it brings on others.
    """
    count = 2 * len(numbers)

    def loss(both: Array) -> tuple[float, Array]:
        fitness, gradient = likelihood.warped(both, numbers)
        penalty, slope = prior.negative_log(both[count:])
        bend = both[:count] / _BEND
        return fitness + penalty + 0.5 * float(bend @ bend), gradient + np.concatenate([bend / _BEND, slope])

    bounds = [_BEND_BOUNDS] * count + [_LENGTHSCALE_BOUNDS] * (len(theta) - 2) + [_SIGNAL_BOUNDS, _NOISE_BOUNDS]
    first = np.concatenate([np.zeros(count), theta])
    options = {"maxiter": 15, "maxfun": 30, "ftol": 1e-6, "gtol": 1e-3}
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    gain = loss(first)[0] - float(found.fun)
    if gain < _GAIN * len(numbers):
        return Kernel.of(theta)
    return Kernel.of(found.x[count:], InputWarping.of(numbers, found.x[:count]))


def subset(y: Array, size: int, rng: Generator) -> Indices:
    """Up to `size` rows, in order: half of them the best (lowest y), the others at random."""
    if len(y) <= size:
        return np.arange(len(y))
    ranked = np.argsort(y, kind="stable")
    others = rng.choice(ranked[size // 2 :], size - size // 2, replace=False)
    return np.sort(np.concatenate([ranked[: size // 2], others]))


def _starts(prior: Prior, dimensions: int) -> list[Array]:
    """The mode of the prior, and a rougher, noisier function."""
    mode = prior.mode(dimensions)
    mode[-2:] = 0.0, prior.noise[0]
    rough = mode.copy()
    rough[:-2] = np.log(0.5)
    rough[-1] = np.log(0.1)
    return [mode, rough]


def _climb(start: Array, likelihood: Likelihood, prior: Prior, steps: int) -> tuple[float, Array]:
    def loss(theta: Array) -> tuple[float, Array]:
        fitness, gradient = likelihood.at(theta)
        penalty, slope = prior.negative_log(theta)
        return fitness + penalty, gradient + slope

    bounds = [_LENGTHSCALE_BOUNDS] * (len(start) - 2) + [_SIGNAL_BOUNDS, _NOISE_BOUNDS]
    lowest, highest = np.transpose(bounds)
    first = np.clip(start, lowest, highest)
    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-6, "gtol": 1e-3}
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return float(found.fun), np.asarray(found.x)
