"""Covariance matrices are positive definite, whatever is compared."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.kernel import matern52, squared_distances
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.likelihood import JITTER
from pegbox.strategies.gp.posterior import cholesky

FINITE = {"allow_nan": False, "allow_infinity": False}
PARAMETERS = st.one_of(
    st.just(Continuous("c", 0.0, 1.0, Scaling.LINEAR)),
    st.builds(lambda high: Integer("i", 1, high), st.integers(2, 10_000)),
    st.builds(lambda count: Categorical("k", tuple(map(str, range(count)))), st.integers(2, 30)),
)


@st.composite
def features(draw: st.DrawFn) -> tuple[Array, Array]:
    """Points of some space, of which some come twice or almost, and lengthscales within the bounds of the fit."""
    layout = Layout(Space(tuple(draw(st.lists(PARAMETERS, min_size=1, max_size=30)))))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = rng.random((draw(st.integers(1, 60)), layout.dimensions))
    copies = rng.integers(len(points), size=draw(st.integers(0, 20)))
    apart = draw(st.sampled_from([0.0, 1e-15, 1e-9, 1e-4]))
    points = layout.snap(np.concatenate([points, points[copies] + apart * rng.standard_normal((len(copies), 1))]))
    scales = np.exp(rng.uniform(np.log(0.025), np.log(100.0), layout.dimensions))
    return layout.features(points), scales[layout.group]


@settings(deadline=None)
@given(features())
def test_the_covariance_is_positive_definite(drawn: tuple[Array, Array]) -> None:
    x, scales = drawn
    correlation = matern52(squared_distances(x / scales, x / scales))[0]
    np.fill_diagonal(correlation, 1.0)
    assert np.allclose(correlation, correlation.T, rtol=0, atol=1e-12)
    assert np.linalg.eigvalsh(correlation).min() > -1e-7  # rounding of distances, before anything is added
    assert (correlation <= 1.0 + 1e-12).all() and (correlation >= 0.0).all()


@settings(deadline=None)
@given(features(), st.floats(np.log(0.02), np.log(50.0)), st.floats(np.log(1e-6), np.log(2.0)))
def test_the_factor_of_a_covariance_gives_it_back(drawn: tuple[Array, Array], signal: float, noise: float) -> None:
    """For all hyperparameters that a fit may find, the smallest noise included."""
    x, scales = drawn
    covariance = np.exp(signal) * matern52(squared_distances(x / scales, x / scales))[0]
    covariance[np.diag_indices_from(covariance)] = np.exp(signal) + np.exp(noise) + JITTER
    factor = cholesky(covariance)
    assert (np.diag(factor) > 0).all()
    assert np.allclose(factor @ factor.T, covariance, rtol=0, atol=1e-4 * np.exp(signal))


@given(st.lists(st.floats(0, 1e300, **FINITE), min_size=1, max_size=50))
def test_the_kernel_falls_with_the_distance(squares: list[float]) -> None:
    near_first = np.sort(np.array(squares))
    values, slopes = matern52(near_first)
    assert (np.diff(values) <= 1e-15).all() and (values >= 0).all() and (values <= 1).all()
    assert (slopes >= 0).all() and np.isfinite(slopes).all()
