from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

from pegbox.strategies.gp.fit import Kernel
from pegbox.strategies.gp.likelihood import JITTER
from pegbox.strategies.gp.posterior import Posterior

GROUP = np.array([0, 1, 1])
KERNEL = Kernel(np.array([0.4, 0.9]), 1.3, 0.02)


def dense(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    scale = KERNEL.lengthscales[GROUP]
    root = np.sqrt(5) * np.sqrt((((a[:, None, :] - b[None, :, :]) / scale) ** 2).sum(axis=2))
    return np.asarray(KERNEL.signal * (1 + root + root**2 / 3) * np.exp(-root))


def solve(known: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.linalg.solve(dense(known, known) + (KERNEL.noise + JITTER) * np.eye(len(known)), right)


@pytest.fixture
def points() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("running", [0, 6])
def test_mean_and_variance_are_those_of_the_textbook(points: np.random.Generator, running: int) -> None:
    finished, pending, new = points.random((12, 3)), points.random((running, 3)), points.random((5, 3))
    y = points.standard_normal(12)
    prediction = Posterior(KERNEL, GROUP, finished, y, pending).predict(new)
    everything = np.concatenate([finished, pending])
    assert np.allclose(prediction.mean, dense(new, finished) @ solve(finished, y))
    variance = KERNEL.signal - np.diag(dense(new, everything) @ solve(everything, dense(everything, new)))
    assert np.allclose(prediction.variance, variance)


def test_moments_of_many_points_are_those_of_each(points: np.random.Generator) -> None:
    posterior = Posterior(KERNEL, GROUP, points.random((12, 3)), points.standard_normal(12), points.random((3, 3)))
    new = points.random((600, 3))
    mean, variance = posterior.moments(new)
    alone = [posterior.predict(each[None, :]) for each in new]
    assert np.allclose(mean, [each.mean[0] for each in alone], rtol=1e-12)
    assert np.allclose(variance, [each.variance[0] for each in alone], rtol=1e-12)
    assert np.allclose(posterior.mean(new), mean, rtol=1e-12)


def test_a_running_trial_moves_no_mean_and_removes_variance(points: np.random.Generator) -> None:
    finished, pending, y = points.random((12, 3)), points.random((1, 3)), points.standard_normal(12)
    before = Posterior(KERNEL, GROUP, finished, y, pending[:0]).predict(pending)
    after = Posterior(KERNEL, GROUP, finished, y, pending).predict(pending)
    assert np.allclose(before.mean, after.mean)
    assert after.variance[0] < min(before.variance[0], 1.01 * KERNEL.noise)


def test_gradients(points: np.random.Generator) -> None:
    finished, pending, y = points.random((12, 3)), points.random((3, 3)), points.standard_normal(12)
    posterior = Posterior(KERNEL, GROUP, finished, y, pending)
    at = points.random(3)
    prediction = posterior.predict(at[None, :])
    one, none = np.ones(1), np.zeros(1)
    by_mean = approx_fprime(at, lambda x: posterior.predict(x[None, :]).mean[0], 1e-7)
    by_variance = approx_fprime(at, lambda x: posterior.predict(x[None, :]).variance[0], 1e-7)
    assert np.allclose(posterior.pull_back(prediction, one, none)[0], by_mean, atol=1e-5)
    assert np.allclose(posterior.pull_back(prediction, none, one)[0], by_variance, atol=1e-5)


def test_repeated_points_without_noise_are_survived() -> None:
    kernel = Kernel(np.array([0.4, 0.9]), 1.0, 0.0)
    x = np.full((30, 3), 0.5)
    prediction = Posterior(kernel, GROUP, x, np.ones(30), x[:0]).predict(x[:1])
    assert prediction.mean[0] == pytest.approx(1, abs=1e-3)
    assert prediction.variance[0] > 0


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(0, 30), st.floats(-9, 0.5), st.booleans())
def test_any_posterior_is_that_of_the_textbook(
    seed: int, seen: int, running: int, log_noise: float, repeated: bool
) -> None:
    """The mean as if nothing ran, the variance as if everything that runs had ended; repeated points too."""
    rng = np.random.default_rng(seed)
    kernel = replace(KERNEL, noise=float(np.exp(log_noise)))
    finished, pending, new = rng.random((seen, 3)), rng.random((running, 3)), rng.random((5, 3))
    if repeated:
        pending[: min(seen, running)] = finished[: min(seen, running)]
        finished[-1] = finished[0]
    y = rng.standard_normal(seen)
    everything = np.concatenate([finished, pending])

    def solved(known: np.ndarray, right: np.ndarray) -> np.ndarray:
        return np.linalg.solve(dense(known, known) + (kernel.noise + JITTER) * np.eye(len(known)), right)

    prediction = Posterior(kernel, GROUP, finished, y, pending).predict(new)
    variance = KERNEL.signal - np.diag(dense(new, everything) @ solved(everything, dense(everything, new)))
    assert np.allclose(prediction.mean, dense(new, finished) @ solved(finished, y), rtol=1e-6, atol=1e-6)
    assert np.allclose(prediction.variance, variance, rtol=1e-6, atol=1e-7)
    assert (prediction.variance > 0).all() and (prediction.variance <= KERNEL.signal + 1e-9).all()
