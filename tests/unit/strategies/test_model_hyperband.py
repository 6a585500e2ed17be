from __future__ import annotations

import numpy as np
import pytest

from pegbox.domain.ranges import Continuous, Space
from pegbox.strategies.base import Strategy, Study, Trial, TrialState
from pegbox.strategies.model_hyperband import RANDOM, ModelHyperband
from pegbox.strategies.random import Random
from pegbox.testing.strategy_suite import StrategySuite, finished, study_of

LINE = Space((Continuous("x", 0.0, 1.0),))
BEST = 0.8


class TestModelHyperband(StrategySuite):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return ModelHyperband()


def x_of(study: Study) -> float:
    (candidate,) = ModelHyperband().ask(study, 1, np.random.default_rng(0))
    return float(candidate.values["x"])


def stopped(number: int, x: float, epochs: int) -> Trial:
    """Its loss grows from epoch to epoch, so that who came far has a greater one than who was stopped at once."""
    curve = tuple((epoch, abs(x - BEST) + 10.0 * epoch) for epoch in range(1, epochs + 1))
    return Trial(number=number, values={"x": str(x)}, state=TrialState.STOPPED, objective=curve[-1][1], curve=curve)


def test_every_fourth_trial_is_random() -> None:
    trials: list[Trial] = []
    drawn = []
    for number in range(1, 33):
        study = study_of(LINE, trials, seed=3, most=40)
        (candidate,) = ModelHyperband().ask(study, 1, np.random.default_rng(0))
        (random,) = Random().ask(study, 1, np.random.default_rng(0))
        drawn.append(candidate.values == random.values)
        trials.append(finished(number, candidate.values, abs(float(candidate.values["x"]) - BEST)))
    assert drawn[4:] == [number % RANDOM == 0 for number in range(5, 33)]


def test_what_was_proposed_at_once_is_what_is_proposed_one_by_one() -> None:
    """In the random trials; a draw depends on no other trial."""
    study = study_of(LINE, [stopped(n, n / 20, 1) for n in range(1, 14)], seed=3)
    several = ModelHyperband().ask(study, 3, np.random.default_rng(0))
    assert several[2] == Random().ask(study, 3, np.random.default_rng(0))[2]


def test_a_search_of_which_nothing_ran_to_its_end_is_guided_by_what_its_trials_had_at_one_rung() -> None:
    """Those near the best came to the third epoch, where values are greater; one more is still running."""
    places = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.86, 0.92, 0.98]
    trials = [stopped(number, x, 3 if abs(x - BEST) < 0.15 else 1) for number, x in enumerate(places, 1)]
    trials.append(Trial(number=12, values={"x": "0.05"}, state=TrialState.RUNNING))
    assert abs(x_of(study_of(LINE, trials)) - BEST) < 0.1
    assert x_of(study_of(LINE, trials)) == x_of(study_of(LINE, trials[::-1]))
