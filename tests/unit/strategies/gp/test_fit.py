from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import lognorm, multivariate_normal

from pegbox.strategies.gp.fit import Kernel, Prior, fit, subset
from pegbox.strategies.gp.kernel import matern52, squared_distances, weighted_differences
from pegbox.strategies.gp.likelihood import JITTER, Likelihood
from pegbox.strategies.gp.posterior import cholesky, inverse

GROUP = np.array([0, 1, 1, 1, 2])


def data(count: int = 25, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.random((count, len(GROUP)))
    return x, np.sin(6 * x[:, 0]) + x[:, 4] + 0.1 * rng.standard_normal(count)


@pytest.mark.parametrize("theta", [[-1.0, 0.3, 1.0, 0.2, -3.0], [0.5, -2.0, 3.0, -1.0, -0.5]])
def test_gradient_of_the_likelihood(theta: list[float]) -> None:
    x, y = data()
    at = np.array(theta)
    numeric = approx_fprime(at, lambda t: Likelihood(x, GROUP, y).at(t)[0], 1e-6)
    assert np.allclose(Likelihood(x, GROUP, y).at(at)[1], numeric, rtol=1e-4, atol=1e-4)


def test_likelihood_is_that_of_a_normal_distribution() -> None:
    x, y = data()
    theta = np.array([-1.0, 0.3, 1.0, 0.2, -3.0])
    scaled = x / np.exp(theta[:3])[GROUP]
    distance = np.sqrt(((scaled[:, None, :] - scaled[None, :, :]) ** 2).sum(axis=2))
    a = np.sqrt(5) * distance
    covariance = np.exp(0.2) * (1 + a + a**2 / 3) * np.exp(-a) + (np.exp(-3.0) + JITTER) * np.eye(len(y))
    expected = -multivariate_normal(np.zeros(len(y)), covariance).logpdf(y) - 0.5 * len(y) * np.log(2 * np.pi)
    assert Likelihood(x, GROUP, y).at(theta)[0] == pytest.approx(expected)


def test_gradient_of_the_prior() -> None:
    at = np.array([-1.0, 0.3, 1.0, 0.2, -3.0])
    numeric = approx_fprime(at, lambda t: Prior().negative_log(t)[0], 1e-7)
    assert np.allclose(Prior().negative_log(at)[1], numeric, atol=1e-5)


def test_the_prior_is_a_density_over_lengthscales_not_over_their_logarithms() -> None:
    dimensions = 4
    mean = np.sqrt(2) + 0.5 * np.log(dimensions)
    density = lognorm(s=np.sqrt(3), scale=np.exp(mean))
    one, other = np.zeros(6), np.zeros(6)
    one[0], other[0] = np.log(0.3), np.log(5.0)
    difference = Prior().negative_log(one)[0] - Prior().negative_log(other)[0]
    assert difference == pytest.approx(density.logpdf(5.0) - density.logpdf(0.3))
    assert np.exp(Prior().mode(dimensions)[0]) == pytest.approx(np.exp(mean - 3))
    assert np.allclose(Prior().negative_log(Prior().mode(dimensions))[1], 0)


def test_kernel_is_positive_semidefinite_and_one_at_no_distance() -> None:
    rng = np.random.default_rng(1)
    for scale in (0.01, 1.0, 100.0):
        x = rng.random((60, 5)) * scale
        x[30:40] = x[:10]
        covariance = matern52(squared_distances(x, x))[0]
        assert np.linalg.eigvalsh(covariance).min() > -1e-7
        assert np.allclose(np.diag(covariance), 1, atol=1e-6)


def test_slope_of_the_kernel() -> None:
    squared = np.array([1e-3, 0.1, 1.0, 9.0])
    step = 1e-6 * squared
    numeric = -2 * (matern52(squared + step)[0] - matern52(squared - step)[0]) / (2 * step)
    assert np.allclose(matern52(squared)[1], numeric, rtol=1e-4)


def test_sums_without_the_large_array() -> None:
    rng = np.random.default_rng(2)
    x, z, weights = rng.random((7, 3)), rng.random((4, 3)), rng.random((4, 7))
    expected = np.einsum("ij,ijk->ik", weights, z[:, None, :] - x[None, :, :])
    assert np.allclose(weighted_differences(weights, z, x), expected)


def test_a_likelihood_that_is_asked_again_says_the_same() -> None:
    rng = np.random.default_rng(4)
    x, y, theta = rng.random((9, 3)), rng.standard_normal(9), np.array([0.1, -0.4, 0.3, 0.2, -3.0])
    likelihood = Likelihood(x, np.arange(3), y, 0.1)
    expected, slope = likelihood.at(theta)
    likelihood.warped(np.concatenate([np.full(4, 0.5), theta]), np.array([0, 2]))
    likelihood.at(theta - 1.0)
    value, gradient = likelihood.at(theta)
    assert value == expected
    assert np.array_equal(gradient, slope)


def test_inverse_and_cholesky_of_a_singular_matrix() -> None:
    rng = np.random.default_rng(3)
    half = rng.random((5, 5))
    covariance = half @ half.T + np.eye(5)
    assert np.allclose(inverse(cholesky(covariance)), np.linalg.inv(covariance))
    assert np.allclose(cholesky(np.ones((4, 4))) @ cholesky(np.ones((4, 4))).T, 1, atol=1e-4)
    with pytest.raises(np.linalg.LinAlgError):
        cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_fit_finds_what_matters_and_the_noise() -> None:
    x, y = data(150)
    y = (y - y.mean()) / y.std()
    kernel = fit(x, GROUP, y, Prior(), np.random.default_rng(0))
    assert kernel.lengthscales[1] > 3 * kernel.lengthscales[0]
    assert 0.005 < kernel.noise < 0.05
    likelihood = Likelihood(x, GROUP, y)
    found = likelihood.at(np.log([*kernel.lengthscales, kernel.signal, kernel.noise]))[0]
    assert found < likelihood.at(Prior().mode(3))[0]


def test_fit_of_a_constant() -> None:
    x, y = data(10)
    kernel = fit(x, GROUP, np.zeros_like(y), Prior(), np.random.default_rng(0))
    assert np.isfinite([*kernel.lengthscales, kernel.signal, kernel.noise]).all()


def test_kernel_of_logarithms() -> None:
    kernel = Kernel.of(np.log([1.0, 2.0, 3.0, 4.0]))
    assert np.allclose(kernel.lengthscales, [1, 2])
    assert (kernel.signal, kernel.noise) == (pytest.approx(3), pytest.approx(4))


def test_subset_keeps_the_best_half() -> None:
    y = np.random.default_rng(0).permutation(50).astype(float)
    rows = subset(y, 20, np.random.default_rng(1))
    assert len(set(rows.tolist())) == 20
    assert set(range(10)) <= set(y[rows].astype(int).tolist())
    assert subset(y, 60, np.random.default_rng(1)).tolist() == list(range(50))
