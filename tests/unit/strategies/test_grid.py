from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pegbox.domain.ranges import Categorical, Space
from pegbox.strategies.base import Exhausted, Strategy, Trial, TrialState
from pegbox.strategies.grid import Grid
from pegbox.testing.strategy_suite import CHOICES, MIXED, FiniteStrategySuite, finished, key, study_of, trials_in

ANY = np.random.default_rng(0)


class TestGrid(FiniteStrategySuite):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Grid()


def test_the_first_range_varies_slowest() -> None:
    space = Space((Categorical("a", ("x", "y")), Categorical("b", ("1", "3", "2"))))
    got = [key(candidate.values) for candidate in Grid().ask(study_of(space), 99, ANY)]
    assert got == [("x", "1"), ("x", "3"), ("x", "2"), ("y", "1"), ("y", "3"), ("y", "2")]
    assert got == list(itertools.product(("x", "y"), ("1", "3", "2")))


@pytest.mark.parametrize("state", TrialState)
@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_trial_n_gets_configuration_n_minus_1(state: TrialState, at_once: int) -> None:
    trials: list[Trial] = []
    while len(trials) < 27:
        for candidate in Grid().ask(study_of(CHOICES, trials, seed=len(trials)), at_once, ANY):
            trials.append(Trial(number=len(trials) + 1, values=candidate.values, state=state))
    assert [CHOICES.index(trial.values) for trial in trials] == list(range(27))
    with pytest.raises(Exhausted, match="all 27 configurations have been tried"):
        Grid().ask(study_of(CHOICES, trials), 1, ANY)


def test_what_another_strategy_has_tried_is_not_given_again() -> None:
    trials = trials_in(CHOICES, 20)
    given = Grid().ask(study_of(CHOICES, trials), 27, ANY)
    assert len({key(each.values) for each in [*trials, *given]}) == 27


def test_a_gap_in_the_numbers_is_filled_at_the_end() -> None:
    first, last = (finished(number, CHOICES.configuration(number - 1), 1.0) for number in (1, 27))
    given = Grid().ask(study_of(CHOICES, [first, last]), 99, ANY)
    assert [CHOICES.index(candidate.values) for candidate in given] == list(range(1, 26))


def test_values_that_the_space_does_not_have_use_nothing_up() -> None:
    strange = [finished(1, {"first": "unknown"}, 1.0), replace(finished(2, {}, 1.0), state=TrialState.FAILED)]
    assert len(Grid().ask(study_of(CHOICES, strange), 99, ANY)) == 27


def test_a_space_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        Grid().ask(study_of(MIXED), 1, ANY)
