from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pegbox.domain import early_stopping
from pegbox.domain.progress import Outliner, Progress
from pegbox.domain.ranges import Continuous, Scaling, Space
from pegbox.strategies.base import Study, Trial, TrialState
from pegbox.strategies.gp.extrapolation import Curve
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.model import Model
from pegbox.strategies.gp.observations import Observations
from pegbox.strategies.gp.survival import Hurdles, running
from pegbox.strategies.inheritance import used_up
from pegbox.testing.strategy_suite import finished, study_of

#: All epochs of these are in an outline.
SHORT = st.lists(st.floats(-10, 10).map(lambda value: round(value, 2)), min_size=1, max_size=8)
LINE = Space((Continuous("x", 0.0, 1.0, Scaling.LINEAR),))


def curve_of(values: Sequence[float]) -> Curve:
    return dict(enumerate(values, 1))


@given(st.lists(SHORT, min_size=3, max_size=7), SHORT)
def test_a_margin_is_negative_if_the_rule_stops(whole: list[list[float]], values: list[float]) -> None:
    jobs = [Progress(number, each, completed=True, ended=True) for number, each in enumerate(whole, 1)]
    number = len(whole) + 1
    stopped = any(
        early_stopping.to_stop(False, [*jobs, Progress(number, values[:epochs])])
        for epochs in range(1, len(values) + 1)
    )
    curves = [curve_of(each) for each in [*whole, values]]
    margin = Hurdles(curves[:-1], curves).margin(curves[-1])
    assume(not abs(margin) < 1e-9)  # equality, but for rounding
    assert (margin < 0) == stopped


@example([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 2.0]], 1.0, 1e-45)
@given(st.lists(SHORT, min_size=3, max_size=7), st.floats(0.1, 1e3), st.floats(-100, 100))
def test_unit_and_zero_of_values_do_not_matter(whole: list[list[float]], unit: float, zero: float) -> None:
    before = [curve_of(each) for each in whole]
    after = [curve_of([zero + unit * value for value in each]) for each in whole]
    margins, others = ([Hurdles(curves, curves).margin(curve) for curve in curves] for curves in (before, after))
    assert np.allclose(margins, others, rtol=1e-6, atol=1e-6, equal_nan=True)


def test_what_does_not_move_is_not_stopped() -> None:
    curves = [curve_of([0.1] * 8)] * 4 + [curve_of([0.1] * 7 + [0.2])]
    hurdles = Hurdles(curves, curves)
    assert [hurdles.margin(curve) for curve in curves[:4]] == [0.0] * 4
    assert hurdles.margin(curves[4]) < 0


@example([[1.7976931348623157e308] * 4])
@given(st.lists(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8), max_size=6))
def test_extreme_values_give_no_warnings(whole: list[list[float]]) -> None:
    curves = [curve_of(each) for each in whole]
    hurdles = Hurdles(curves, curves)
    assert not any(math.isnan(np.tanh(margin)) for margin in map(hurdles.margin, curves) if not math.isnan(margin))


def test_a_failed_trial_may_have_published_what_no_other_has() -> None:
    hurdles = Hurdles(
        [{1: 1e-3, 2: 1e-3 * place} for place in range(4)], [{1: 1e-3, 2: 1e-3 * place} for place in range(4)]
    )
    assert -np.inf < hurdles.margin({1: 1e-3, 2: 1e308}) < -100


@pytest.mark.parametrize("worst", [1e9, 1e15, 1e30, 1e308])
def test_one_that_diverges_leaves_the_others_apart(worst: float) -> None:
    curves = [curve_of([5.0, 1.0 + 0.1 * place]) for place in range(6)]
    expected = Hurdles(curves, [*curves, curve_of([5.0, 1e6])])
    found = Hurdles(curves, [*curves, curve_of([5.0, worst])])
    assert np.allclose([*map(found.margin, curves)], [*map(expected.margin, curves)], rtol=1e-3)
    assert found.margin(curve_of([5.0, worst])) < -100


def test_nothing_is_known_without_three_that_ended() -> None:
    curves = [{1: 1.0}, {1: 2.0}, {1: 3.0}]
    assert math.isnan(Hurdles(curves[:2], curves).margin({1: 1.0}))
    assert math.isnan(Hurdles(curves, curves).margin({}))
    assert math.isnan(Hurdles(curves, curves).margin({2: 1.0}))


def test_between_the_epochs_of_an_outline_a_curve_is_straight() -> None:
    values = [10.0 - 0.3 * epoch for epoch in range(30)]
    outliner = Outliner()
    outliner.add(values)
    found = running(dict(outliner.outline()))
    assert set(found) == {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 22, 27, 30}
    for epoch, average in found.items():
        assert average == pytest.approx(np.mean(values[:epoch]))


def judged(stopped: Sequence[float], **how: bool) -> Study:
    """What learns slowly ends best: the farther right, the worse the first value and the better the last one."""
    whole = [
        replace(finished(number, {"x": f"{x}"}, 1.0 - x), curve=((1, 4.0 + 4.0 * x), (2, 1.0 - x)))
        for number, x in enumerate((0.05, 0.15, 0.25, 0.35, 0.45, 0.5), 1)
    ]
    lost = [
        Trial(
            number=number,
            values={"x": f"{x}"},
            state=TrialState.STOPPED,
            objective=4.0 + 4.0 * x,
            curve=((1, 4.0 + 4.0 * x),),
        )
        for number, x in enumerate(stopped, 7)
    ]
    return replace(study_of(LINE, [*whole, *lost]), **how)


def test_margins_are_known_where_the_rule_is() -> None:
    layout = Layout(LINE)
    assert np.isnan(Observations.of(judged([0.7]), layout).margins).all()
    margins = Observations.of(judged([0.7], early_stopping=True), layout).margins
    assert np.isfinite(margins).all()
    assert (margins < 0).tolist() == [False] * 3 + [True] * 4


def test_what_is_published_once_meets_no_hurdles() -> None:
    curves = [curve_of([value]) for value in (1.0, 2.0, 3.0, 9.0)]
    assert math.isnan(Hurdles(curves[:3], curves).margin(curves[3]))


def test_a_result_of_zero_is_a_result() -> None:
    whole = [
        replace(finished(number, {"x": f"0.{number}"}, 0.0), curve=((1, float(number)), (2, float(number))))
        for number in (1, 2, 3)
    ]
    for told in (whole, whole[::-1], whole * 2):
        seen = Observations.of(replace(study_of(LINE, told), early_stopping=True), Layout(LINE))
        assert np.allclose(seen.margins, [1.0, 0.0, -1.0])


@pytest.mark.parametrize("slow", [0.0, 1.0])
def test_of_two_regions_that_promise_alike_the_one_that_is_not_stopped_is_searched(slow: float) -> None:
    """Values become better towards both ends; at one of them all learn slowly."""
    early = {x: 4.0 - abs(x - slow) for x in np.linspace(0.3, 0.7, 9).round(2).tolist()}
    trials = [
        replace(finished(number, {"x": f"{x}"}, -abs(x - 0.5)), curve=((1, value), (2, -abs(x - 0.5))))
        for number, (x, value) in enumerate(early.items(), 1)
    ]
    study, layout = replace(study_of(LINE, trials), early_stopping=True), Layout(LINE)
    model = Model(layout, Observations.of(study, layout), np.random.default_rng(0))
    first = float(model.ranked(used_up(study), np.random.default_rng(0)).points[0, 0])
    assert abs(first - slow) > 0.7


def test_a_guess_that_says_nothing_is_no_evidence_of_values() -> None:
    """How early values of the stopped are spread says nothing of where they would have ended."""
    layout, at = Layout(LINE), np.array([[0.7], [0.9]])

    def mean(study: Study) -> np.ndarray:
        posterior = Model(layout, Observations.of(study, layout), np.random.default_rng(0)).posterior()
        return posterior.predict(layout.features(at)).mean

    without = mean(judged([], early_stopping=True))
    assert np.allclose(mean(judged([0.6, 0.8], early_stopping=True)), without)
    assert not np.allclose(mean(judged([0.6, 0.8])), without)
