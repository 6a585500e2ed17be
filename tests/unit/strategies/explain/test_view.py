from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from known_functions import MIXED, SQUARE, bowl, told
from pegbox.domain.ranges import Continuous, Integer, Scaling, Space
from pegbox.strategies.base import Goal, ParentKind
from pegbox.strategies.explain.answers import document
from pegbox.strategies.explain.belief import Belief
from pegbox.strategies.explain.view import view
from pegbox.testing.strategy_suite import parent_of


def test_the_view_along_one_parameter_is_that_of_the_function() -> None:
    """The average of the bowl over y is (x - 0.3)^2 and the mean of (y - 0.8)^2, 0.1733, in hundreds."""
    seen = view(told(SQUARE, bowl, 60), ["x"])
    xs = np.array([float(place.values["x"]) for place in seen.places])
    assert xs.tolist() == pytest.approx(np.linspace(0, 1, 21).tolist())
    averages = np.array([place.average.median for place in seen.places])
    assert np.allclose(averages, 100 * (xs - 0.3) ** 2 + 17.33, atol=2.0)
    best_y = float(seen.best["y"])
    through = np.array([place.at_best.median for place in seen.places])
    assert np.allclose(through, 100 * (xs - 0.3) ** 2 + 100 * (best_y - 0.8) ** 2, atol=2.0)


@pytest.mark.parametrize("noise", [0.0, 2.0, 10.0])
def test_intervals_hold_the_truth(noise: float) -> None:
    seen = view(told(SQUARE, bowl, 60, noise=noise), ["x"])
    held = 0
    for place in seen.places:
        truth = bowl({**seen.best, "x": place.values["x"]})
        assert place.average.low <= place.average.median <= place.average.high
        held += place.at_best.low - 0.1 <= truth <= place.at_best.high + 0.1
    assert held >= 18  # of 21


def test_where_nothing_was_tried_little_is_known() -> None:
    study = told(SQUARE, bowl, 60)
    near = [trial for trial in study.trials if float(trial.values["x"]) < 0.6]
    seen = view(replace(study, trials=tuple(near)), ["x"])
    widths = [place.at_best.high - place.at_best.low for place in seen.places]
    assert widths[-1] > 3 * max(widths[2:10])


def test_what_is_maximised_is_seen_upside_down() -> None:
    down = view(told(SQUARE, bowl), ["y"])
    up = view(told(SQUARE, lambda values: -bowl(values), goal=Goal.MAXIMIZE), ["y"])
    for one, other in zip(down.places, up.places, strict=True):
        for band, turned in ((one.average, other.average), (one.at_best, other.at_best)):
            assert (-turned.median, -turned.high, -turned.low) == (band.median, band.low, band.high)


def test_categories_and_integers_have_their_values() -> None:
    study = told(MIXED, lambda values: float(values["x"]) + int(values["n"]) + (values["kind"] == "b"))
    assert [place.values["kind"] for place in view(study, ["kind"]).places] == ["a", "b", "c"]
    assert [place.values["n"] for place in view(study, ["n"]).places] == ["1", "2", "3", "4", "5"]
    assert [place.values["x"] for place in view(study, ["x"], places=3).places] == ["0.0", "0.5", "1.0"]
    plane = view(study, ["n", "kind"])
    assert len(plane.places) == 15
    lowest = min(plane.places, key=lambda place: place.average.median)
    assert lowest.values["n"] == "1" and lowest.values["kind"] != "b"


@pytest.mark.parametrize("size", range(2, 8))
@pytest.mark.parametrize("scaling", [Scaling.LINEAR, Scaling.LOGARITHMIC])
def test_of_integers_that_have_room_none_is_left_out(size: int, scaling: Scaling) -> None:
    space = Space((Integer("n", 1, size, scaling), Continuous("x", 0.0, 1.0)))
    study = told(space, lambda values: int(values["n"]) + float(values["x"]), 5)
    assert [place.values["n"] for place in view(study, ["n"], places=7).places] == [str(n + 1) for n in range(size)]


def test_of_many_integers_those_are_seen_that_lie_evenly() -> None:
    space = Space((Integer("n", 1, 13, Scaling.LINEAR), Continuous("x", 0.0, 1.0)))
    study = told(space, lambda values: int(values["n"]) + float(values["x"]), 5)
    seen = [place.values["n"] for place in view(study, ["n"], places=7).places]
    assert seen == ["1", "3", "5", "7", "9", "11", "13"]


def test_huge_values_stay_finite() -> None:
    for objective in (lambda values: 1e308 * (float(values["x"]) - 0.5), lambda values: 1e9 ** float(values["x"])):
        seen = view(told(SQUARE, objective), ["x"])
        json.dumps(document(seen), allow_nan=False)
        medians = [place.at_best.median for place in seen.places]
        assert np.all(np.diff(medians) > -1e-6 * max(map(abs, medians)))


def test_a_parent_is_heard() -> None:
    parent = parent_of(SQUARE, told(SQUARE, bowl, 40).trials, ParentKind.TRANSFER)
    few = told(SQUARE, bowl, 4)
    alone = view(few, ["x"]).places
    taught = view(replace(few, parents=(parent,)), ["x"]).places

    def error(places: object) -> float:
        return sum(abs(p.average.median - 100 * (float(p.values["x"]) - 0.3) ** 2 - 17.33) for p in places)  # type: ignore[attr-defined]

    assert error(taught) < error(alone)


def test_names_are_checked() -> None:
    belief = Belief(told(SQUARE, bowl, 5))
    for names in ([], ["z"], ["x", "x"], ["x", "y", "x"]):
        with pytest.raises(ValueError):
            view(belief, names)
