from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import log_ndtr

from pegbox.strategies.gp.acquisition import (
    Condition,
    ConfidenceBound,
    ExpectedImprovement,
    log_expected_improvement,
    log_h,
    log_success,
)
from pegbox.strategies.gp.fit import Kernel
from pegbox.strategies.gp.posterior import Posterior


def reference(z: float) -> float:
    """log h(z) with h(z) = integral of Phi up to z; the peak of the integrand is taken out first."""
    width = 1.0 / max(1.0, abs(z))
    inner = quad(lambda t: np.exp(log_ndtr(z - t * width) - log_ndtr(z)), 0, 60, epsabs=0, epsrel=1e-9, limit=500)[0]
    return float(log_ndtr(z) + np.log(inner * width))


@pytest.mark.parametrize("z", [5.0, 1.0, 0.0, -0.5, -0.999, -1.001, -3.0, -10.0, -37.0, -100.0, -999.0, -1001.0, -1e4])
def test_log_h_against_quadrature(z: float) -> None:
    assert log_h(np.array([z]))[0] == pytest.approx(reference(z), rel=1e-9, abs=1e-9)


def test_log_h_is_smooth_where_its_cases_meet() -> None:
    for joint in (-1.0, -1e3):
        left, right = log_h(np.array([np.nextafter(joint, -np.inf), np.nextafter(joint, np.inf)]))
        assert left == pytest.approx(right, rel=1e-12, abs=1e-12)
    z = np.linspace(-2000, 40, 200_001)
    assert np.all(np.diff(log_h(z)) > 0)


def test_log_h_far_away_is_finite() -> None:
    assert np.isfinite(log_h(np.array([-1e150, -1e8, 1e8, 1e150]))).all()


@pytest.mark.parametrize("z", [6.0, 1.0, 0.0, -1.0, -5.0, -50.0, -3000.0])
def test_gradients_of_log_expected_improvement(z: float) -> None:
    best, variance = 0.3, 0.49
    at = np.array([best - z * np.sqrt(variance), variance])
    value, by_mean, by_variance = log_expected_improvement(at[:1], at[1:], best)
    step = 1e-4 / max(1.0, abs(z))
    numeric = [(_log_ei(at + step * unit, best) - _log_ei(at - step * unit, best)) / (2 * step) for unit in np.eye(2)]
    assert np.isfinite(value).all()
    assert np.allclose([by_mean[0], by_variance[0]], numeric, rtol=1e-4, atol=1e-6)


def _log_ei(at: np.ndarray, best: float) -> float:
    return float(log_expected_improvement(at[:1], at[1:], best)[0][0])


def test_expected_improvement_against_samples() -> None:
    drawn = np.random.default_rng(0).normal(1.0, 0.5, 400_000)
    (value,), _, _ = log_expected_improvement(np.array([1.0]), np.array([0.25]), 0.8)
    assert np.exp(value) == pytest.approx(np.maximum(0, 0.8 - drawn).mean(), rel=0.02)


def test_gradients_of_log_success() -> None:
    for at in (np.array([0.5, 0.3]), np.array([-4.0, 0.5]), np.array([3.0, 2.0])):
        _, by_mean, by_variance = log_success(at[:1], at[1:])
        numeric = approx_fprime(at, lambda x: log_success(x[:1], x[1:])[0][0], 1e-8)
        assert np.allclose([by_mean[0], by_variance[0]], numeric, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("constrained", [False, True])
def test_gradients_of_the_acquisitions(constrained: bool) -> None:
    rng = np.random.default_rng(4)
    x, group = rng.random((10, 3)), np.arange(3)
    kernel = Kernel(np.array([0.3, 0.5, 0.8]), 1.0, 0.01)
    posterior = Posterior(kernel, group, x, rng.standard_normal(10), x[:0])
    success = Condition(Posterior(kernel, group, x, np.sign(rng.standard_normal(10)), x[:0]), 0.5)
    conditions = [success] if constrained else []
    for acquisition in (ExpectedImprovement(posterior, -0.5, conditions), ConfidenceBound(posterior, 2.0, conditions)):
        at = rng.random((4, 3))
        values, gradients = acquisition.value_and_gradient(at)
        assert np.allclose(values, acquisition.value(at))
        for row, gradient in zip(at, gradients, strict=True):
            numeric = approx_fprime(row, lambda p, a=acquisition: a.value(p[None, :])[0], 1e-7)
            assert np.allclose(gradient, numeric, rtol=1e-3, atol=1e-4)
