"""How much a configuration promises: log expected improvement, times the chance that it runs to its end.

Everything is minimisation of the warped objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtr

from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.posterior import Posterior

_LOG_2PI_HALF = 0.5 * np.log(2.0 * np.pi)
_LOG_HALF_PI_HALF = 0.5 * np.log(0.5 * np.pi)
_FAR = -1e3  #: below this, three terms of the asymptotic series are exact in double precision


class Acquisition(Protocol):
    """A value to maximise, over features (m, D)."""

    def value(self, features: Array) -> Array:
        """(m, D) -> (m,)."""
        ...

    def value_and_gradient(self, features: Array) -> tuple[Array, Array]:
        """(m, D) -> (m,), (m, D)."""
        ...


def log_h(z: Array) -> Array:
    """log(phi(z) + z Phi(z)), stable for any z.  Ament et al. 2023, "Unexpected Improvements to EI", eq. 9."""
    near, far = z > -1.0, z < _FAR
    middle = ~near & ~far
    result = np.empty_like(z)
    result[near] = np.log(np.exp(-0.5 * z[near] ** 2 - _LOG_2PI_HALF) + z[near] * ndtr(z[near]))
    t = z[middle]
    result[middle] = -0.5 * t**2 - _LOG_2PI_HALF + log1mexp(np.log(erfcx(-t / np.sqrt(2.0)) * -t) + _LOG_HALF_PI_HALF)
    t = z[far]
    small = t**-2.0
    result[far] = -0.5 * t**2 - _LOG_2PI_HALF - 2.0 * np.log(-t) + np.log1p(-3.0 * small + 15.0 * small**2)
    return result


def log1mexp(a: Array) -> Array:
    """log(1 - exp(a)) for a < 0 (Maechler 2012, "Accurately Computing log(1 - exp(-|a|))")."""
    return np.where(a > -np.log(2.0), np.log(-np.expm1(a)), np.log1p(-np.exp(a)))


def log_expected_improvement(mean: Array, variance: Array, best: float) -> tuple[Array, Array, Array]:
    """log E[max(0, best - f)] for f ~ N(mean, variance), and its derivatives by mean and variance; all (m,)."""
    sigma = np.sqrt(variance)
    z = (best - mean) / sigma
    log_of_h = log_h(z)
    ratio = np.exp(log_ndtr(z) - log_of_h)  # Phi / h = d log h / dz
    # 1 - z Phi / h = phi / h: the first form cancels for large z, the second for small
    density = np.exp(np.minimum(-0.5 * z**2 - _LOG_2PI_HALF - log_of_h, 700.0))
    by_sigma = np.where(z < 0, 1.0 - z * ratio, density) / sigma
    return log_of_h + np.log(sigma), -ratio / sigma, by_sigma / (2.0 * sigma)


def log_success(mean: Array, variance: Array) -> tuple[Array, Array, Array]:
    """log P(g > 0) for g ~ N(mean, variance), and its derivatives by mean and variance; all (m,)."""
    sigma = np.sqrt(variance)
    z = mean / sigma
    log_chance = log_ndtr(z)
    hazard = np.exp(-0.5 * z**2 - _LOG_2PI_HALF - log_chance)
    return log_chance, hazard / sigma, -0.5 * hazard * z / variance


@dataclass(frozen=True, slots=True)
class Condition:
    """Something without which nothing is gained: that a process, seen with its noise, is above 0."""

    process: Posterior
    weight: float = 1.0  #: of the chance's logarithm

    def value(self, features: Array) -> Array:
        """(m, D) -> weighted logarithms of the chances (m,)."""
        return self.weight * self.log_chance(features)

    def log_chance(self, features: Array) -> Array:
        """(m, D) -> logarithms of the chances themselves (m,)."""
        mean, variance = self.process.moments(features)
        return log_success(mean, variance + self.process.kernel.noise)[0]

    def value_and_gradient(self, features: Array) -> tuple[Array, Array]:
        """The same with its gradient by the features."""
        belief = self.process.predict(features)
        value, by_mean, by_variance = log_success(belief.mean, belief.variance + self.process.kernel.noise)
        return self.weight * value, self.process.pull_back(belief, self.weight * by_mean, self.weight * by_variance)


class ExpectedImprovement:
    """log EI, plus the logarithms of the chances of conditions (Gardner et al. 2014, constrained EI, eq. 5)."""

    def __init__(self, objective: Posterior, best: float, conditions: Sequence[Condition] = ()) -> None:
        self._objective, self._best, self._conditions = objective, best, conditions

    def value(self, features: Array) -> Array:
        """Log of the expected improvement over `best`, in units of the warped objective."""
        value = log_expected_improvement(*self._objective.moments(features), self._best)[0]
        return np.asarray(value + sum(each.value(features) for each in self._conditions))

    def value_and_gradient(self, features: Array) -> tuple[Array, Array]:
        """The same with its gradient by the features."""
        belief = self._objective.predict(features)
        value, by_mean, by_variance = log_expected_improvement(belief.mean, belief.variance, self._best)
        return _with(self._conditions, features, value, self._objective.pull_back(belief, by_mean, by_variance))


class ConfidenceBound:
    """-(mean - width * sigma): a look at the unknown (Srinivas et al. 2010, GP-UCB), plus the logarithms of chances."""

    def __init__(self, objective: Posterior, width: float, conditions: Sequence[Condition] = ()) -> None:
        self._objective, self._width, self._conditions = objective, width, conditions

    def value(self, features: Array) -> Array:
        """Minus the lower confidence bound."""
        mean, variance = self._objective.moments(features)
        value = self._width * np.sqrt(variance) - mean
        return np.asarray(value + sum(each.value(features) for each in self._conditions))

    def value_and_gradient(self, features: Array) -> tuple[Array, Array]:
        """The same with its gradient by the features."""
        belief = self._objective.predict(features)
        sigma = np.sqrt(belief.variance)
        value = self._width * sigma - belief.mean
        gradient = self._objective.pull_back(belief, np.full_like(sigma, -1.0), 0.5 * self._width / sigma)
        return _with(self._conditions, features, value, gradient)


def _with(conditions: Sequence[Condition], features: Array, value: Array, gradient: Array) -> tuple[Array, Array]:
    for condition in conditions:
        extra, slope = condition.value_and_gradient(features)
        value, gradient = value + extra, gradient + slope
    return value, gradient
