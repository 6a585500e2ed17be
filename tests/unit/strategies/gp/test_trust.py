from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from pegbox.domain.ranges import Continuous, Scaling, Space
from pegbox.strategies.base import ParentStudy, Trial, TrialState
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.trust import believed
from pegbox.strategies.inheritance import Inheritance
from pegbox.testing.strategy_suite import finished, parent_of, study_of, trials_in

SQUARE = Space(tuple(Continuous(name, 0.0, 1.0, Scaling.LINEAR) for name in "xy"))
Objective = Callable[[Mapping[str, str]], float]


def bowl(values: Mapping[str, str]) -> float:
    return (float(values["x"]) - 0.3) ** 2 + (float(values["y"]) - 0.8) ** 2


def noisy(seed: int) -> Objective:
    rng = np.random.default_rng(seed)
    return lambda values: bowl(values) + 0.1 * rng.standard_normal()


def told(objective: Objective, count: int, seed: int) -> list[Trial]:
    return [
        finished(trial.number, trial.values, objective(trial.values)) for trial in trials_in(SQUARE, count, seed=seed)
    ]


def near_the_best(objective: Objective, count: int) -> list[Trial]:
    """Trials as a search makes them that has been told where to go."""
    rng = np.random.default_rng(7)
    places = np.clip(np.array([0.3, 0.8]) + 0.1 * rng.standard_normal((count, 2)), 0, 1)
    configurations = [SQUARE.decode(place.tolist()) for place in places]
    return [finished(number, values, objective(values)) for number, values in enumerate(configurations, 1)]


def kept(own: list[Trial], *parents: ParentStudy) -> list[ParentStudy]:
    study = study_of(SQUARE, own)
    study = type(study)(**{name: getattr(study, name) for name in study.__slots__} | {"parents": parents})
    left = believed(Inheritance.of(study), study, Layout(SQUARE))
    assert len(left.bequests) + len(left.teachers) == len(parents)
    return [bequest.parent for bequest in left.bequests]


@pytest.mark.parametrize("own", [told(bowl, 6, 1), near_the_best(bowl, 6)], ids=["anywhere", "near the best"])
def test_parents_that_are_what_they_claim_are_believed(own: list[Trial]) -> None:
    parent = parent_of(SQUARE, told(bowl, 25, 2))
    assert kept(own, parent) == [parent]


def test_too_few_results_are_no_lie() -> None:
    parent = parent_of(SQUARE, told(bowl, 2, 2))
    assert kept(told(bowl, 6, 1), parent) == [parent]


def test_noise_is_no_lie() -> None:
    parent = parent_of(SQUARE, told(noisy(1), 40, 2))
    assert kept(told(noisy(2), 12, 1), parent) == [parent]


@pytest.mark.parametrize("own", [told(bowl, 6, 1), near_the_best(bowl, 6)], ids=["anywhere", "near the best"])
def test_those_that_are_contradicted_are_teachers_from_then_on(own: list[Trial]) -> None:
    honest = parent_of(SQUARE, told(bowl, 25, 2))
    liar = parent_of(SQUARE, told(lambda values: 2.0 - bowl(values), 25, 3))
    assert kept(own, liar, honest) == [honest]


def test_nobody_is_judged_by_less_than_three_results() -> None:
    liar = parent_of(SQUARE, told(lambda values: 2.0 - bowl(values), 25, 3))
    assert kept(told(bowl, 2, 1), liar) == [liar]


def cut_short(count: int) -> list[Trial]:
    """Whose values are those of another epoch."""
    return [
        replace(trial, number=25 + trial.number, state=TrialState.STOPPED, cut_short=True)
        for trial in near_the_best(lambda values: 2.0, count)
    ]


def test_what_a_parent_cut_short_is_no_lie() -> None:
    cut = cut_short(15)
    parent = parent_of(SQUARE, [*told(bowl, 25, 2), *cut])
    assert kept(near_the_best(bowl, 6), parent) == [parent]
    few = parent_of(SQUARE, [*told(bowl, 2, 2), *cut])
    assert kept(near_the_best(bowl, 6), few) == [few]


def test_what_the_search_itself_cut_short_contradicts_nobody() -> None:
    parent = parent_of(SQUARE, told(bowl, 25, 2))
    assert kept([*near_the_best(bowl, 6), *cut_short(1)], parent) == [parent]
    assert kept(cut_short(15), parent) == [parent]
