"""Whatever a study looks like: an answer inside the ranges, and nothing twice in a finite space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.domain.ranges import Categorical, Continuous, Integer, Parameter, Scaling, Space
from pegbox.strategies.base import Candidate, Exhausted, Goal, Trial, TrialState
from pegbox.strategies.bayesian import Bayesian
from pegbox.strategies.tried import Tried
from pegbox.testing.strategy_suite import check_candidate, finished, key, study_of, trials_in

ANY = np.random.default_rng(0)
LARGEST = 1.7976931348623157e308
VALUES = st.one_of(
    st.none(),
    st.floats(-1, 1),
    st.sampled_from([0.0, -0.0, 1.0, 1.0, 1e308, -1e308, LARGEST, -LARGEST, 5e-324, math.nan, math.inf, -math.inf]),
)
CURVES = st.lists(st.floats(-1, 1) | st.sampled_from([0.0, 1.0, 1e308, -1e308, LARGEST, 5e-324]), max_size=3)
STATES = st.sampled_from([TrialState.FINISHED, *TrialState])


@st.composite
def parameters(draw: st.DrawFn, name: str, finite: bool) -> Parameter:
    kinds = ["integer", "single", "choice", "constant choice"] + ["wide", "log", "constant", "narrow"] * (not finite)
    match draw(st.sampled_from(kinds)):
        case "integer":
            return Integer(name, -1, draw(st.integers(0, 4)))
        case "single":
            return Integer(name, 7, 7)
        case "choice":
            return Categorical(name, tuple(map(str, range(draw(st.sampled_from([2, 3] if finite else [2, 30]))))))
        case "constant choice":
            return Categorical(name, ("only",))
        case "wide":
            return Continuous(name, -LARGEST, LARGEST, Scaling.LINEAR)
        case "log":
            return Continuous(name, 5e-324, 1e300, Scaling.LOGARITHMIC)
        case "constant":
            return Continuous(name, 0.1, 0.1)
    return Continuous(name, 1.0, math.nextafter(1.0, 2.0))


@st.composite
def spaces(draw: st.DrawFn, most: int, finite: bool = False) -> Space:
    count = draw(st.integers(1, most))
    return Space(tuple(draw(parameters(f"p{place}", finite)) for place in range(count)))


def checked(
    space: Space, trials: Sequence[Trial], count: int, goal: Goal, early_stopping: bool = False
) -> Sequence[Candidate]:
    study = replace(study_of(space, trials), goal=goal, early_stopping=early_stopping)
    candidates = Bayesian().ask(study, count, ANY)
    for candidate in candidates:
        check_candidate(space, candidate)
        assert candidate.expected is None or 0.0 <= candidate.expected <= LARGEST
    return candidates


@settings(deadline=None, max_examples=60)
@given(st.data(), spaces(30), st.sampled_from(Goal))
def test_any_study_is_answered(data: st.DataObject, space: Space, goal: Goal) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    trials = [
        Trial(number=number, values=space.decode(rng.random(len(space.parameters)).tolist()), state=state, objective=it)
        for number, (state, it) in enumerate(data.draw(st.lists(st.tuples(STATES, VALUES), max_size=16)), 1)
    ]
    tried = Tried(space, (trial.values for trial in trials))
    if tried.exhausted:
        with pytest.raises(Exhausted):
            checked(space, trials, 2, goal)
        return
    candidates = checked(space, trials, 2, goal)
    assert candidates
    if tried.size is not None:
        assert not any(candidate.values in tried for candidate in candidates)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(STATES, CURVES), min_size=4, max_size=16), spaces(3), st.sampled_from(Goal))
def test_any_study_of_a_search_with_early_stopping_is_answered(
    told: list[tuple[TrialState, list[float]]], space: Space, goal: Goal
) -> None:
    rng = np.random.default_rng(len(told))
    trials = [
        Trial(
            number=number,
            values=space.decode(rng.random(len(space.parameters)).tolist()),
            state=state,
            objective=curve[-1] if curve else None,
            curve=tuple(enumerate(curve, 1)),
        )
        for number, (state, curve) in enumerate(told, 1)
    ]
    if not Tried(space, (trial.values for trial in trials)).exhausted:
        assert checked(space, trials, 2, goal, early_stopping=True)


@settings(deadline=None, max_examples=25)
@given(st.data(), spaces(3, finite=True), st.integers(1, 5))
def test_a_small_finite_space_is_finished(data: st.DataObject, space: Space, at_once: int) -> None:
    size = space.size() or 0
    trials: list[Trial] = []
    while len(trials) < size:
        candidates = checked(space, trials, at_once, Goal.MINIMIZE)
        assert len(candidates) == min(at_once, size - len(trials))
        for candidate in candidates:
            state, value = data.draw(STATES), data.draw(VALUES)
            trials.append(Trial(number=len(trials) + 1, values=candidate.values, state=state, objective=value))
    assert len({key(trial.values) for trial in trials}) == size
    with pytest.raises(Exhausted):
        checked(space, trials, at_once, Goal.MINIMIZE)


def test_no_more_is_expected_than_a_number_can_say() -> None:
    space = Space((Continuous("x", 0.0, 1.0, Scaling.LINEAR),))
    for third in range(2, 10):
        values = (LARGEST, 0.0, -LARGEST, 0.0, None)
        trials = [finished(n, {"x": f"{n / third % 1}"}, value) for n, value in enumerate(values, 1)]
        assert checked(space, trials, 1, Goal.MINIMIZE)


THIRTY = Space(
    (
        *(Continuous(f"c{place}", 1e-6, 1.0) for place in range(10)),
        *(Integer(f"i{place}", 1, 10 ** (1 + place % 5)) for place in range(8)),
        *(Categorical(f"k{place}", tuple(f"v{at}" for at in range(30))) for place in range(8)),
        Continuous("constant", 3.0, 3.0),
        Integer("single", 5, 5),
        Categorical("only", ("one",)),
        Categorical("none", ("",)),
    )
)


def bad(trials: Sequence[Trial], state: TrialState) -> list[Trial]:
    return [replace(trial, state=state, objective=None) for trial in trials]


@pytest.mark.parametrize(
    "trials",
    [
        trials_in(THIRTY, 60, lambda number: math.sin(number)),
        trials_in(THIRTY, 40, lambda number: 1.0),
        trials_in(THIRTY, 40, lambda number: float(number % 2)),
        trials_in(THIRTY, 40, lambda number: 1e308 * (-1) ** number),
        trials_in(THIRTY, 40, lambda number: (math.nan, math.inf, -math.inf, 1.0 / number)[number % 4]),
        bad(trials_in(THIRTY, 60), TrialState.FAILED),
        bad(trials_in(THIRTY, 60), TrialState.STOPPED),
        bad(trials_in(THIRTY, 100), TrialState.RUNNING),
        [*trials_in(THIRTY, 3), *bad(trials_in(THIRTY, 103)[3:], TrialState.RUNNING)],
    ],
    ids=["waves", "constant", "ties", "largest", "no numbers", "failed", "stopped", "running", "running and three"],
)
def test_thirty_parameters(trials: list[Trial]) -> None:
    candidates = checked(THIRTY, trials, 3, Goal.MINIMIZE)
    seen = {key(trial.values) for trial in trials}
    assert len(candidates) == 3 == len({key(candidate.values) for candidate in candidates} - seen)


def test_a_hundred_are_asked_for_before_any_result() -> None:
    """Also one at a time, each with those before it running."""
    batch = checked(THIRTY, [], 100, Goal.MINIMIZE)
    assert len({key(candidate.values) for candidate in batch}) == 100
    running = [finished(number, candidate.values, None) for number, candidate in enumerate(batch, 1)]
    for count in (0, 1, 9, 10, 11, 99):
        (candidate,) = checked(THIRTY, bad(running[:count], TrialState.RUNNING), 1, Goal.MINIMIZE)
        assert candidate == batch[count]
