"""Bent numbers, and when a fit bends them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pegbox.strategies.gp.fit import Prior, fit
from pegbox.strategies.gp.input_warping import InputWarping

BENDS = st.floats(-2.0, 2.0)
COLUMNS = np.array([0, 2])
GROUP = np.arange(3)


@given(BENDS, BENDS, st.lists(st.floats(0.0, 1.0), min_size=2, max_size=20))
def test_numbers_keep_their_order_and_their_ends(a: float, b: float, places: list[float]) -> None:
    warping = InputWarping.of(np.array([0]), np.array([a, b]))
    at = np.sort([0.0, *places, 1.0])[:, None]
    bent = warping(at)[:, 0]
    assert bent[0] == 0.0 and bent[-1] == 1.0
    assert np.all(np.diff(bent) >= 0.0)


def test_no_logarithm_bends_nothing_and_other_columns_and_places_outside_stay() -> None:
    features = np.random.default_rng(0).uniform(-0.5, 1.5, (50, 3))
    assert np.allclose(InputWarping.of(COLUMNS, np.zeros(4))(features), features)
    bent = InputWarping.of(COLUMNS, np.array([1.0, -1.0, 0.5, 0.7]))(features)
    assert np.array_equal(bent[:, 1], features[:, 1])
    outside = (features < 0.0) | (features > 1.0)
    assert np.array_equal(bent[outside], features[outside])
    assert not np.allclose(bent[:, COLUMNS], features[:, COLUMNS])


def test_slopes_are_those_of_differences() -> None:
    features, step = np.random.default_rng(1).uniform(0.01, 0.99, (30, 3)), 1e-7
    warping = InputWarping.of(COLUMNS, np.array([0.8, -0.6, -1.0, 0.4]))
    numeric = (warping(features + step) - warping(features - step)) / (2.0 * step)
    assert np.allclose(warping.slopes(features), numeric, rtol=1e-5)


def fitted(power: float) -> InputWarping | None:
    """Of an objective that swings evenly along the power of its first number."""
    rng = np.random.default_rng(3)
    x = rng.random((60, 3))
    y = np.sin(12.0 * x[:, 0] ** power) + 0.01 * rng.standard_normal(60)
    return fit(x, GROUP, (y - y.mean()) / y.std(), Prior(), rng, numbers=GROUP).warping


def test_what_varies_evenly_is_not_bent_and_what_does_not_is() -> None:
    assert fitted(1.0) is None
    found = fitted(0.2)
    assert found is not None
    assert found.a[0] < 0.5  # steep at 0
