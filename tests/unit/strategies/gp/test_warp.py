from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.warp import good_limit, spread_out, standardise, warp_with_unit
from pegbox.strategies.gp.warp import warp as warp_at


def warp(values: Array) -> Array:
    """At points far from each other."""
    return warp_at(values, np.arange(len(values), dtype=float)[:, None])


losses = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@settings(deadline=None)  # the first call imports SciPy
@given(losses)
def test_warping_keeps_the_order(values: list[float]) -> None:
    raw = np.array(values)
    warped = warp(raw)
    assert np.isfinite(warped).all()
    assert np.all(np.diff(warped[np.argsort(raw)]) >= 0)


@given(losses)
def test_warped_values_are_standardised(values: list[float]) -> None:
    warped = warp(np.array(values))
    assert abs(warped.mean()) < 1e-6
    assert warped.std() == pytest.approx(1) or not warped.any()


def test_ordinary_values_are_only_standardised() -> None:
    values = np.random.default_rng(0).random(30)
    assert np.allclose(warp(values), standardise(values))


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.8])
def test_huge_losses_leave_the_good_values_apart(share: float) -> None:
    rng = np.random.default_rng(1)
    values = rng.random(60)
    values[: int(share * 60)] = 1e9 * rng.random(int(share * 60))
    warped = warp(values)
    assert np.ptp(warped[values <= 1]) > 0.5
    assert len(np.unique(warped)) == 60


def test_good_limit_is_the_median_of_ordinary_values() -> None:
    assert good_limit(np.arange(11.0)) == 5.0


def test_equal_values() -> None:
    assert not warp(np.full(5, 0.1 + 0.2)).any()
    assert not warp(np.zeros(3)).any()


def test_closing_in_does_not_make_outliers_of_the_others() -> None:
    rng = np.random.default_rng(2)
    points, values = rng.random((40, 2)), rng.random(40)
    points[20:], values[20:] = 0.5 + 1e-4 * rng.random((20, 2)), -0.1 - 1e-9 * rng.random(20)
    assert np.corrcoef(warp_at(values, points)[:20], values[:20])[0, 1] > 0.95


def test_spread_out_keeps_the_best_of_a_cluster() -> None:
    points = np.array([[0.5, 0.5], [0.51, 0.5], [0.9, 0.5], [0.5, 0.45]])
    assert sorted(spread_out(points, np.array([2.0, 1.0, 5.0, 3.0]))) == [1, 2]


@given(st.integers(1, 60), st.integers(1, 4), st.integers(0, 99))
def test_spread_out_keeps_whom_no_better_one_is_near(count: int, dimensions: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, values = rng.integers(0, 21, (count, dimensions)) / 20, rng.integers(0, 9, count).astype(float)
    kept: list[int] = []
    for row in np.argsort(values, kind="stable"):
        if all(np.abs(points[row] - points[better]).max() >= 0.1 for better in kept):
            kept.append(int(row))
    assert spread_out(points, values).tolist() == kept


def test_the_unit_is_that_of_the_good_values() -> None:
    values = 1e3 * np.random.default_rng(1).random(60)
    values[:20] *= 1e9  # far away, and warped in another way
    points = np.arange(60.0)[:, None]
    good = np.sort(values)[:20]
    warped = np.sort(warp(values))[:20]
    assert np.allclose(np.diff(warped) * warp_with_unit(values, points)[1], np.diff(good))
    assert warp_with_unit(np.full(5, 0.1 + 0.2), np.arange(5.0)[:, None])[1] == 0


@pytest.mark.parametrize("worst", [1e155, 1e200, 1e300, 1.7976931348623157e308])
def test_the_largest_doubles_leave_the_good_values_apart(worst: float) -> None:
    """As with 1e9: programs return them where something went wrong."""
    rng = np.random.default_rng(1)
    values = rng.random(60)
    is_bad = np.arange(60) < 18
    values[is_bad] = worst * rng.uniform(0.5, 1, 18)
    warped, unit = warp_with_unit(values, np.arange(60.0)[:, None])
    values[is_bad] *= 1e9 / worst
    expected, expected_unit = warp_with_unit(values, np.arange(60.0)[:, None])
    assert np.allclose(warped, expected) and unit == pytest.approx(expected_unit)
