from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from pegbox.domain.ranges import Categorical, Continuous, Scaling, Space
from pegbox.strategies.base import Goal, ParentKind, ParentStudy, Trial, TrialState
from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.lesson import Lesson, Trend
from pegbox.testing.strategy_suite import finished, parent_of


def numbers(*names: str) -> tuple[Continuous, ...]:
    return tuple(Continuous(name, 0.0, 1.0, Scaling.LINEAR) for name in names)


COLOUR = Categorical("colour", ("red", "blue"))
XY = Layout(Space(numbers("x", "y")))


def tried(space: Space, function: Callable[[Mapping[str, str]], float], count: int = 40) -> ParentStudy:
    rng = np.random.default_rng(0)
    configurations = [space.decode(rng.random(len(space.parameters)).tolist()) for _ in range(count)]
    trials: Sequence[Trial] = [finished(number, each, function(each)) for number, each in enumerate(configurations, 1)]
    return parent_of(space, trials, ParentKind.TRANSFER)


def lowest(lesson: Lesson, layout: Layout) -> dict[str, str]:
    points = np.random.default_rng(1).random((2000, layout.dimensions))
    return layout.decode(points[np.argmin(lesson.mean(layout.features(layout.snap(points))))])


def bowl(values: Mapping[str, str]) -> float:
    return (float(values["x"]) - 0.3) ** 2 + (float(values["y"]) - 0.8) ** 2


def test_a_lesson_says_where_the_parent_was_good() -> None:
    for goal, sign in ((Goal.MINIMIZE, 1.0), (Goal.MAXIMIZE, -1.0)):
        lesson = Lesson(tried(XY.space, lambda values, sign=sign: sign * bowl(values)), XY, {}, goal)  # type: ignore[misc]
        found = lowest(lesson, XY)
        assert (float(found["x"]), float(found["y"])) == pytest.approx((0.3, 0.8), abs=0.05)


def test_a_parent_is_asked_at_the_value_that_is_fixed_now() -> None:
    """Its best x depends on z and on the colour, which are not tuned any more."""
    space = Space((*numbers("x", "z"), COLOUR))

    def objective(values: Mapping[str, str]) -> float:
        wanted = 0.5 * float(values["z"]) + (0.4 if values["colour"] == "blue" else 0.0)
        return (float(values["x"]) - wanted) ** 2

    parent, layout = tried(space, objective, 100), Layout(Space(numbers("x")))
    for z, colour, wanted in (("0.2", "red", 0.1), ("1", "red", 0.5), ("0.2", "blue", 0.5)):
        lesson = Lesson(parent, layout, {"z": z, "colour": colour}, Goal.MINIMIZE)
        assert float(lowest(lesson, layout)["x"]) == pytest.approx(wanted, abs=0.1)


def test_what_the_parent_did_not_tune_does_not_matter_to_it() -> None:
    lesson = Lesson(tried(Space(numbers("x")), lambda values: float(values["x"])), XY, {}, Goal.MINIMIZE)
    points = np.array([[0.5, 0.0], [0.5, 1.0], [0.1, 1.0]])
    one, two, three = lesson.mean(XY.features(points))
    assert one == two > three


def test_other_ranges_are_other_places() -> None:
    """The parent searched [0, 1], the study [0.5, 2.5]: what was best lies outside, and lower is still better."""
    layout = Layout(Space((Continuous("x", 0.5, 2.5, Scaling.LINEAR),)))
    lesson = Lesson(tried(Space(numbers("x")), lambda values: float(values["x"])), layout, {}, Goal.MINIMIZE)
    assert float(lowest(lesson, layout)["x"]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("space", [Space(()), Space((COLOUR,)), Space((Continuous("x", 1.0, 1.0),))])
def test_a_parent_that_tuned_nothing_of_this_teaches_nothing(space: Space) -> None:
    lesson = Lesson(tried(space, lambda _: 1.0, 5), XY, {"colour": "red"}, Goal.MINIMIZE)
    features = XY.features(np.full((2, 2), 0.5))
    assert not lesson.mean(features).any()
    assert not lesson.pull_back(features, np.ones(2)).any()


def test_a_parent_whose_results_do_not_foretell_each_other_has_nothing_to_tell() -> None:
    rng = np.random.default_rng(6)
    for count, objective, is_telling in (
        (40, bowl, True),
        (300, bowl, True),
        (40, lambda _: rng.random(), False),
        (40, lambda _: 1.0, False),
        (12, lambda _: rng.random(), True),  # who knows?
    ):
        lesson = Lesson(tried(XY.space, objective, count), XY, {}, Goal.MINIMIZE)
        assert lesson.is_telling is is_telling


@pytest.mark.parametrize("published", [True, False])
def test_what_a_parent_cut_short_does_not_hide_what_is_good_there(published: bool) -> None:
    """It is guessed from the curves, or says nothing where there are none: its last value is far from its end."""

    def told(trial: Trial) -> Trial:
        end = trial.objective or 0.0
        curve = ((1, end + 10.0), (2, end))
        if trial.number % 2:
            return replace(trial, curve=curve if published else ())
        cut = replace(trial, state=TrialState.STOPPED, objective=curve[0][1], cut_short=True)
        return replace(cut, curve=curve[:1] if published else ())

    whole = tried(XY.space, bowl)
    lesson, wanted = (
        Lesson(replace(whole, trials=trials), XY, {}, Goal.MINIMIZE)
        for trials in (tuple(map(told, whole.trials)), whole.trials if published else whole.trials[::2])
    )
    at = XY.features(np.random.default_rng(7).random((200, 2)))
    assert lesson.is_telling
    assert np.corrcoef(lesson.mean(at), wanted.mean(at))[0, 1] > (0.99 if published else 1.0 - 1e-12)


def test_gradients() -> None:
    mixed = Space((*numbers("x"), COLOUR, *numbers("y")))
    parents = [tried(Space((*numbers("y", "z"), COLOUR)), lambda v: np.sin(float(v["y"]) + float(v["z"])))]
    parents.append(tried(mixed, bowl))
    layout = Layout(mixed)
    lessons = [Lesson(parent, layout, {"z": "0.4"}, Goal.MINIMIZE) for parent in parents]
    rng = np.random.default_rng(2)
    seen = rng.random((9, 3))
    trend = Trend(lessons, layout.features(seen), rng.standard_normal(9))
    at = layout.features(rng.random((1, 3)))
    trend.weights = np.array([0.7, 1.3])
    by_features = approx_fprime(at[0], lambda x: trend.mean(x[None, :])[0], 1e-7)
    assert np.allclose(trend.pull_back(at, np.ones(1))[0], by_features, atol=1e-5)


def test_results_decide_how_much_a_parent_counts() -> None:
    good, bad = (Lesson(tried(XY.space, lambda v, s=s: s * bowl(v)), XY, {}, Goal.MINIMIZE) for s in (1, -1))  # type: ignore[misc]
    points = np.random.default_rng(3).random((20, 2))
    values = np.array([bowl(XY.decode(point)) for point in points])

    def weights(lessons: Sequence[Lesson], count: int) -> Array:
        seen = values[:count]
        return Trend(lessons, XY.features(points[:count]), (seen - seen.mean()) / seen.std()).weights

    assert weights([good], 4)[0] > 0.6
    assert weights([good], 20)[0] < weights([good], 4)[0]  # they fade
    assert weights([bad], 8)[0] == 0.0
    both = weights([good, bad], 20)
    assert both[0] > 0.2 and both[1] == 0.0


def test_a_trend_is_zero_on_average_over_what_was_seen() -> None:
    lesson = Lesson(tried(XY.space, bowl), XY, {}, Goal.MINIMIZE)
    features = XY.features(np.random.default_rng(4).random((7, 2)))
    assert Trend([lesson], features, lesson.mean(features)).mean(features).mean() == pytest.approx(0.0, abs=1e-12)
