from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pegbox.domain.progress import Outliner
from pegbox.strategies.gp.extrapolation import UNKNOWN, Extrapolation, foretell, foretell_each

WHOLE = [{1: 9.0, 2: 5.0, 4: 1.0}, {1: 8.0, 2: 6.0, 4: 2.0}, {1: 7.0, 2: 7.0, 4: 3.0}, {1: 6.0, 2: 8.0, 4: 4.0}]
FINITE = st.floats(allow_nan=False, allow_infinity=False)
FINALS = [1.0, 2.0, 3.0, 4.0]


def test_a_trial_ends_where_the_one_of_its_rank_ended() -> None:
    found, misses = Extrapolation(WHOLE, FINALS).of({1: 5.0, 2: 6.5})
    assert found == pytest.approx(2.5)
    assert np.allclose(misses.reached, FINALS)
    assert np.allclose(misses.foretold, [1.0, 2.0, 3.0, 4.0], atol=1.1)


def test_a_trial_beyond_all_others_keeps_its_distance() -> None:
    assert foretell(10.0, np.array([1.0, 3.0]), np.array([0.0, 1.0])) == pytest.approx(1.0 + 0.5 * 7.0)
    assert foretell(0.0, np.array([1.0, 3.0]), np.array([0.0, 1.0])) == pytest.approx(-0.5)
    assert foretell(10.0, np.array([1.0, 1.0]), np.array([0.0, 1.0])) == pytest.approx(10.0)


def test_what_was_reached_already_is_not_taken_back() -> None:
    assert Extrapolation(WHOLE, [10.0, 20.0, 30.0, 40.0]).of({2: 6.0})[0] == 6.0


def test_without_others_that_came_so_far_the_value_counts_little() -> None:
    found, misses = Extrapolation(WHOLE[:2], FINALS[:2]).of({1: 5.0, 2: 6.5})
    assert (found, misses) == (6.5, UNKNOWN)
    assert misses.variance(np.array([1.0, 2.0]), np.array([-1.0, 1.0])) == 1.0


def test_the_latest_epoch_that_can_be_compared_counts() -> None:
    """At the first epoch everything is the other way round, at the third there is nobody."""
    found, _ = Extrapolation(WHOLE, FINALS).of({1: 9.0, 2: 9.0, 3: 9.0})
    assert found >= 4.0


def test_guesses_from_an_epoch_that_says_nothing_are_doubted_more() -> None:
    told = Extrapolation(WHOLE, FINALS)
    scale = np.array(FINALS), np.array([-1.3, -0.4, 0.4, 1.3])
    misleading, telling = (told.of({epoch: 7.0})[1].variance(*scale) for epoch in (1, 2))
    assert misleading > 1.5 * telling


@example([(0.0, 0.0), (1.0, 0.0), (2.0, 2.225073858507203e-309)], 0.0)
@given(
    st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), min_size=3), st.floats(-1e308, 1e308)
)
def test_extreme_values_give_finite_guesses_and_doubts(pairs: list[tuple[float, float]], value: float) -> None:
    told = Extrapolation([{1: early} for early, _ in pairs], [final for _, final in pairs])
    found, misses = told.of({1: value})
    assert np.isfinite(found) and found <= value
    values = np.array([final for _, final in pairs])
    ranks = np.argsort(np.argsort(values)).astype(float)
    assert np.isfinite(misses.variance(values, ranks))


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 1.0, 1.5, 2.0, 1e-320, 1e308, -1e308]) | FINITE] * 2), min_size=3)
)
def test_all_are_foretold_as_each_is_from_the_others(pairs: list[tuple[float, float]]) -> None:
    values, finals = np.array(pairs).T
    each = []
    for row in range(len(pairs)):
        others = np.arange(len(pairs)) != row
        each.append(foretell(values[row], np.sort(values[others]), np.sort(finals[others])))
    assert foretell_each(values, finals).tolist() == each


def test_outlines_of_all_curves_have_the_same_epochs() -> None:
    short, long = Outliner(), Outliner()
    short.add(range(1, 24))
    for value in range(1, 1001):
        long.add([value])
    assert [epoch for epoch, _ in short.outline()] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 23]
    assert set(short.outline()[:-1]) <= set(long.outline())
    assert all(epoch == value for epoch, value in long.outline())
    assert long.outline()[-1] == (1000, 1000) and len(long.outline()) < 40
    assert Outliner().outline() == ()
