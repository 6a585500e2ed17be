"""Numbers bent by the distribution function of Kumaraswamy, so that the objective varies evenly along them.

Snoek, Swersky, Zemel and Adams 2014, "Input Warping for Bayesian Optimization of Non-Stationary Functions", with the
function of Kumaraswamy in place of the beta distribution's.  A range whose scale is badly chosen does less harm then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pegbox.strategies.gp.arrays import Array, Indices

_EDGE = 1e-7  #: slopes are those at this distance from the ends of a range, where they may have no bounds


@dataclass(frozen=True, slots=True)
class InputWarping:
    """x -> 1 - (1 - x^a)^b in k columns of the features; what lies outside [0, 1] stays."""

    columns: Indices  #: (k,)
    a: Array  #: (k,)
    b: Array  #: (k,)

    @classmethod
    def of(cls, columns: Indices, logarithms: Array) -> InputWarping:
        """From the vector of logarithms of all a, then of all b (2k,)."""
        a, b = np.split(np.exp(logarithms), 2)
        return cls(columns, a, b)

    def __call__(self, features: Array) -> Array:
        """(m, D) -> (m, D)."""
        bent = features.copy()
        x = features[:, self.columns]
        is_inside = (x > 0.0) & (x < 1.0)
        inside = np.where(is_inside, x, 0.5)
        bent[:, self.columns] = np.where(is_inside, -np.expm1(self.b * np.log(-np.expm1(self.a * np.log(inside)))), x)
        return bent

    def slopes(self, features: Array) -> Array:
        """Derivatives (m, D) of each column by what it was."""
        slopes = np.ones_like(features)
        x, log_u, log_v = self._parts(features)
        steep = self.a * self.b * np.exp(log_u + (self.b - 1.0) * log_v) / x
        slopes[:, self.columns] = np.where(self._is_outside(features), 1.0, steep)
        return slopes

    def by_logarithms(self, features: Array) -> Array:
        """Derivatives (2, m, k) of the columns by log a and by log b."""
        x, log_u, log_v = self._parts(features)
        by_a = self.a * self.b * np.exp(log_u + (self.b - 1.0) * log_v) * np.log(x)
        by_b = -self.b * np.exp(self.b * log_v) * log_v
        return np.where(self._is_outside(features), 0.0, np.stack([by_a, by_b]))

    def _parts(self, features: Array) -> tuple[Array, Array, Array]:
        """x away from the ends, log x^a, log(1 - x^a)."""
        x = np.clip(features[:, self.columns], _EDGE, 1.0 - _EDGE)
        log_u = self.a * np.log(x)
        return x, log_u, np.log(-np.expm1(log_u))

    def _is_outside(self, features: Array) -> Array:
        x = features[:, self.columns]
        return np.asarray((x < 0.0) | (x > 1.0))
