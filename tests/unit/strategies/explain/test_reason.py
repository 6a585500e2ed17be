from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from known_functions import SQUARE, bowl, told
from pegbox.strategies.base import Goal, Limits, Study, Trial, TrialState
from pegbox.strategies.bayesian import Bayesian, initial_size
from pegbox.strategies.explain.answers import document
from pegbox.strategies.explain.reason import reason
from pegbox.testing.strategy_suite import finished, study_of

GOOD = {"x": "0.3", "y": "0.8"}


def test_the_first_trials_have_no_other_reason() -> None:
    study = study_of(SQUARE, most=100)
    (candidate,) = Bayesian().ask(study, 1, np.random.default_rng(0))
    why = reason(study, 1, candidate.values)
    assert (why.kind, why.results, why.predicted, why.best) == ("initial", 0, None, None)
    size = initial_size(2, Limits(most=100, at_once=1))
    few = told(SQUARE, bowl, size)
    assert reason(few, size, GOOD).kind == "initial"
    assert reason(few, size + 1, GOOD).kind != "initial"


def test_where_the_model_expects_the_best_it_exploits() -> None:
    for goal, sign in ((Goal.MINIMIZE, 1.0), (Goal.MAXIMIZE, -1.0)):
        study = told(SQUARE, lambda values, sign=sign: sign * bowl(values), 40, goal)  # type: ignore[misc]
        why = reason(study, 41, GOOD)
        assert why.kind == "exploit"
        assert why.predicted is not None and why.best is not None
        assert sign * why.predicted.median < sign * why.best
        assert why.predicted.low <= why.predicted.median <= why.predicted.high
        assert why.chance_of_improvement is not None and why.chance_of_improvement >= 0.5
        assert why.expected_improvement is not None and 0 < why.expected_improvement < 20
        assert "expected" in why.text
        assert (why.results, why.chance_of_success) == (40, None)


def test_where_it_expects_worse_and_knows_little_it_explores() -> None:
    study = told(SQUARE, bowl, 40)
    near = replace(study, trials=tuple(trial for trial in study.trials if float(trial.values["x"]) < 0.6))
    why = reason(near, 41, {"x": "1.0", "y": "0.8"})
    assert why.kind == "explore"
    assert why.predicted is not None and why.best is not None and why.predicted.median > why.best
    assert why.chance_of_improvement is not None and why.chance_of_improvement < 0.5


def test_where_nothing_better_seemed_possible_it_says_so() -> None:
    """The search trusts its model less than the explanation does, and looks where this one sees no chance."""
    study = told(SQUARE, bowl, 60)
    why = reason(study, 61, {"x": study.trials[0].values["x"], "y": study.trials[0].values["y"]})
    assert why.kind == "explore" and why.predicted is not None and why.best is not None
    assert why.predicted.low > why.best
    assert "possible" not in why.text
    assert f"{why.predicted.low:.4g} at best" in why.text and "looked again" in why.text


def test_it_is_told_by_what_was_known_then() -> None:
    study = told(SQUARE, bowl, 40)
    assert reason(study, 21, GOOD) == reason(replace(study, trials=study.trials[:20]), 21, GOOD)


def test_a_running_trial_at_the_same_place_leaves_less_to_gain() -> None:
    study = told(SQUARE, bowl, 30, noise=3.0)
    running = Trial(number=31, values={"x": "0.31", "y": "0.8"}, state=TrialState.RUNNING)
    before, after = reason(study, 32, GOOD), reason(replace(study, trials=(*study.trials, running)), 32, GOOD)
    assert before.expected_improvement is not None and after.expected_improvement is not None
    assert after.expected_improvement < before.expected_improvement


def test_failures_lower_the_chance_of_success_around_them() -> None:
    study = told(SQUARE, bowl, 40)
    bad = [
        replace(trial, state=TrialState.FAILED, objective=None) if float(trial.values["x"]) > 0.7 else trial
        for trial in study.trials
    ]
    failing = replace(study, trials=tuple(bad))
    good, poor = (reason(failing, 41, {"x": x, "y": "0.5"}).chance_of_success for x in ("0.1", "0.9"))
    assert good is not None and poor is not None
    assert poor < 0.3 < 0.7 < good


@pytest.mark.parametrize("early", [True, False], ids=["by the median rule", "by somebody"])
def test_trials_that_were_stopped_lower_the_chance_as_they_do_for_the_strategy(early: bool) -> None:
    """By the median rule those that come near its hurdles as well; where no curve is known, nothing is."""

    def ended(trial: Trial) -> Trial:
        x, final = float(trial.values["x"]), trial.objective
        assert final is not None
        curve = tuple((epoch, final + 100.0 * max(0.0, x - 0.5) / epoch) for epoch in (1, 2, 3))
        if x <= 0.7:
            return replace(trial, curve=curve)
        return replace(trial, state=TrialState.STOPPED, objective=curve[0][1], curve=curve[:1], cut_short=True)

    study = told(SQUARE, bowl, 40)
    stopping = replace(study, trials=tuple(map(ended, study.trials)), early_stopping=early)
    good, poor = (reason(stopping, 41, {"x": x, "y": "0.5"}).chance_of_success for x in ("0.1", "0.95"))
    assert good is not None and poor is not None
    assert poor < 0.3 < 0.7 < good
    assert reason(study, 41, GOOD).chance_of_success is None


@pytest.mark.parametrize("strategy", ["Random", "Grid", "Hyperband"])
def test_other_strategies_are_unguided_but_judged(strategy: str) -> None:
    why = reason(told(SQUARE, bowl, 30), 31, GOOD, strategy)
    assert why.kind == "unguided"
    assert why.text.startswith(strategy)
    assert why.predicted is not None
    assert reason(study_of(SQUARE), 1, GOOD, strategy).kind == "unguided"


def test_the_strategys_own_suggestions_have_both_reasons() -> None:
    """Along a search that knows the ground better and better."""
    kinds = []
    study: Study = study_of(SQUARE, most=40)
    for number in range(1, 26):
        (candidate,) = Bayesian().ask(study, 1, np.random.default_rng(0))
        why = reason(study, number, candidate.values)
        json.dumps(document(why), allow_nan=False)
        kinds.append(why.kind)
        study = replace(study, trials=(*study.trials, finished(number, candidate.values, bowl(candidate.values))))
    assert set(kinds) == {"initial", "explore", "exploit"}
