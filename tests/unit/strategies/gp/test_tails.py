"""Logarithms of tiny chances, against arithmetic of a hundred digits and more."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.strategies.gp.acquisition import log1mexp, log_expected_improvement, log_h, log_success

QUICK = settings(deadline=None, max_examples=200)

#: Around the joints of the three cases and far beyond what double precision can take the logarithm of directly.
JOINTS = [
    -1e8,
    -1e6,
    -1e4,
    -1000.5,
    -1000.0,
    -999.5,
    -100.0,
    -38.5,
    -37.0,
    -10.0,
    -1.5,
    -1.0,
    -0.5,
    0.0,
    1.0,
    8.0,
    40.0,
]


def exact_h(z: Any) -> Any:
    """phi(z) + z Phi(z); the difference takes 2 log10(z) of the digits away, 16 at the most here."""
    t = mpmath.mpf(z)
    return mpmath.exp(-t * t / 2) / mpmath.sqrt(2 * mpmath.pi) + t * mpmath.erfc(-t / mpmath.sqrt(2)) / 2


@QUICK
@given(st.one_of(st.sampled_from(JOINTS), st.floats(-2000, 40), st.floats(-1.01, -0.99), st.floats(-1001, -999)))
def test_log_of_the_improvement(z: float) -> None:
    with mpmath.workdps(100):
        expected = float(mpmath.log(exact_h(z)))
    assert log_h(np.array([z]))[0] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@QUICK
@given(st.floats(-1e4, 40), st.floats(-8, 8))
def test_derivatives_of_the_logarithm_of_expected_improvement(z: float, log_sigma: float) -> None:
    """By mean -Phi / (h sigma), by variance phi / (2 h sigma^2)."""
    sigma = float(np.exp(log_sigma))
    mean = np.array([-z * sigma])
    value, by_mean, by_variance = log_expected_improvement(mean, np.array([sigma**2]), 0.0)
    with mpmath.workdps(100):
        spread = mpmath.sqrt(mpmath.mpf(sigma**2))
        at = -mpmath.mpf(float(mean[0])) / spread
        h = exact_h(at)
        density = mpmath.exp(-at * at / 2) / mpmath.sqrt(2 * mpmath.pi)
        distribution = mpmath.erfc(-at / mpmath.sqrt(2)) / 2
        expected = [mpmath.log(h * spread), -distribution / (h * spread), density / (2 * h * spread**2)]
    assert value[0] == pytest.approx(float(expected[0]), rel=1e-9, abs=1e-9)
    assert by_mean[0] == pytest.approx(float(expected[1]), rel=1e-6)
    assert by_variance[0] == pytest.approx(float(expected[2]), rel=1e-6, abs=1e-12 / sigma**2)


@QUICK
@given(st.one_of(st.sampled_from(JOINTS[2:]), st.floats(-1e4, 30)))
def test_log_of_the_chance_of_success(z: float) -> None:
    value, by_mean, _ = log_success(np.array([z]), np.array([1.0]))
    with mpmath.workdps(400):
        t = mpmath.mpf(z)
        chance = mpmath.erfc(-t / mpmath.sqrt(2)) / 2
        hazard = mpmath.exp(-t * t / 2) / mpmath.sqrt(2 * mpmath.pi) / chance
    assert value[0] == pytest.approx(float(mpmath.log(chance)), rel=1e-12, abs=1e-300)
    assert by_mean[0] == pytest.approx(float(hazard), rel=1e-6, abs=1e-300)


@QUICK
@given(st.floats(-700, -1e-12))
def test_log_of_one_minus_an_exponential(a: float) -> None:
    with mpmath.workdps(400):
        expected = float(mpmath.log(1 - mpmath.exp(mpmath.mpf(a))))
    assert log1mexp(np.array([a]))[0] == pytest.approx(expected, rel=1e-12, abs=1e-300)
