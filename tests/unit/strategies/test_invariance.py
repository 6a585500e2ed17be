"""What must not matter to the Bayesian strategy: units, order, names, repeats, and the process that asks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.base import Candidate, Goal, ParentKind, Study, Trial, TrialState
from pegbox.strategies.bayesian import Bayesian
from pegbox.testing.strategy_suite import MIXED, WIDE, finished, parent_of, study_of, trials_in

ANY = np.random.default_rng(0)
SQUARE = Space(tuple(Continuous(name, 0.0, 1.0, Scaling.LINEAR) for name in "xy"))
MIX = Space(
    (
        Continuous("a", 0.0, 1.0, Scaling.LINEAR),
        Continuous("b", 1e-4, 1.0),
        Integer("n", 1, 40),
        Categorical("c", ("p", "q", "r", "s")),
    )
)
SPACES = [MIX, MIXED, WIDE]
#: Suggestions may differ by what rounding does to a climb, on every coordinate of the unit cube.
ROUNDING = 1e-3


def wavy(number: int) -> float:
    return float(np.sin(3 * number) + 0.1 * number)


def situations(space: Space) -> list[list[Trial]]:
    """Few and more results; with failures, running and stopped trials; a number of trials that is even and odd."""
    few, more = trials_in(space, 11, wavy), trials_in(space, 24, wavy)
    messy = [_became(trial) for trial in trials_in(space, 25, wavy)]
    return [few, more, messy]


def _became(trial: Trial) -> Trial:
    state = {0: TrialState.FAILED, 1: TrialState.RUNNING, 2: TrialState.STOPPED}.get(trial.number % 6)
    if state is None:
        return trial
    return replace(trial, state=state, objective=trial.objective if state is TrialState.STOPPED else None)


def ask(space: Space, trials: Sequence[Trial], goal: Goal = Goal.MINIMIZE) -> Sequence[Candidate]:
    return Bayesian().ask(replace(study_of(space, trials), goal=goal), 2, ANY)


def apart(space: Space, one: Sequence[Candidate], other: Sequence[Candidate]) -> float:
    """The largest difference of a coordinate."""
    assert len(one) == len(other)
    points = [np.array([space.encode(candidate.values) for candidate in each]) for each in (one, other)]
    return float(np.abs(points[0] - points[1]).max())


def changed(trials: Sequence[Trial], how: Callable[[float], float]) -> list[Trial]:
    return [replace(each, objective=None if each.objective is None else how(each.objective)) for each in trials]


@pytest.mark.parametrize("space", SPACES, ids=["mix", "mixed", "wide"])
@pytest.mark.parametrize(
    "how",
    [
        lambda value: 1e9 * value,
        lambda value: 1e-9 * value,
        lambda value: value - 17.3,
        lambda value: value + 1e9,
        lambda value: 1e9 * (value + 1e3),
        lambda value: 1e-9 * value + 1.0,
    ],
    ids=["1e9", "1e-9", "-17.3", "+1e9", "both large", "both small"],
)
def test_units_and_zero_of_the_objective_do_not_matter(space: Space, how: Callable[[float], float]) -> None:
    for trials in situations(space):
        assert apart(space, ask(space, trials), ask(space, changed(trials, how))) < ROUNDING


@pytest.mark.parametrize("space", SPACES, ids=["mix", "mixed", "wide"])
def test_units_by_which_nothing_is_rounded_change_nothing_at_all(space: Space) -> None:
    for trials in situations(space):
        expected = ask(space, trials)
        larger = ask(space, changed(trials, lambda value: value * 2.0**40))
        assert expected == ask(space, changed(trials, lambda value: -value), Goal.MAXIMIZE)
        assert [each.values for each in expected] == [each.values for each in larger]
        gains = [None if each.expected is None else each.expected * 2.0**40 for each in expected]
        assert gains == [each.expected for each in larger]


@pytest.mark.parametrize("space", SPACES, ids=["mix", "mixed", "wide"])
def test_order_does_not_matter(space: Space) -> None:
    rng = np.random.default_rng(3)
    for trials in situations(space):
        expected = ask(space, trials)
        for _ in range(2):
            assert ask(space, [trials[place] for place in rng.permutation(len(trials))]) == expected


@pytest.mark.parametrize("space", SPACES, ids=["mix", "mixed", "wide"])
def test_being_told_twice_does_not_matter(space: Space) -> None:
    for trials in situations(space):
        again = [replace(trial, values=dict(trial.values)) for trial in trials]
        assert ask(space, [*trials, *again[::2], *again[::-3]]) == ask(space, trials)


@pytest.mark.parametrize("space", SPACES, ids=["mix", "mixed", "wide"])
def test_names_of_parameters_and_categories_do_not_matter(space: Space) -> None:
    """Nor the order in which a trial gives its values, nor how a number is written."""
    renamed = Space(tuple(_renamed(place, each) for place, each in enumerate(space.parameters)))

    def told(trial: Trial) -> Trial:
        pairs = zip(space.parameters, renamed.parameters, strict=True)
        values = {new.name: _value(old, new, trial.values[old.name]) for old, new in pairs}
        return replace(trial, values=dict(reversed(values.items())))

    for trials in situations(space):
        expected = ask(space, trials)
        got = ask(renamed, [told(trial) for trial in trials])
        for one, other in zip(expected, got, strict=True):
            assert space.encode(one.values) == renamed.encode(other.values)


def _renamed(place: int, parameter: object) -> Continuous | Integer | Categorical:
    name = f"{'zyxwvutsrqponmlkjihgfedcba'[place]}{place}"
    if isinstance(parameter, Categorical):
        return Categorical(name, tuple(f"{9 - at} {value!r}" for at, value in enumerate(parameter.values)))
    assert isinstance(parameter, Continuous | Integer)
    return replace(parameter, name=name)


def _value(old: Continuous | Integer | Categorical, new: Continuous | Integer | Categorical, value: str) -> str:
    if isinstance(old, Categorical):
        return new.value(old.index(value))
    return f"+0{value}" if not value.startswith("-") else value


def test_another_process_answers_the_same() -> None:
    """With other hashes of strings, and after another study was asked about."""
    program = f"""
import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
import importlib.util
spec = importlib.util.spec_from_file_location("again", {__file__!r})
again = importlib.util.module_from_spec(spec); spec.loader.exec_module(again)
again.ask(again.SQUARE, again.trials_in(again.SQUARE, 30, again.wavy))
for study in again.studies():
    print([dict(candidate.values) for candidate in again.Bayesian().ask(study, 3, again.ANY)])
"""
    assert os.environ.get("PYTHONHASHSEED") != "12345"
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    here = [str([dict(candidate.values) for candidate in Bayesian().ask(study, 3, ANY)]) for study in studies()]
    assert done.stdout.splitlines() == here


def studies() -> list[Study]:
    """With parents and without."""
    parents = tuple(parent_of(MIX, trials_in(MIX, 20, np.cos, seed=seed), kind) for seed, kind in enumerate(ParentKind))
    plain = [study_of(space, trials) for space in SPACES for trials in situations(space)]
    return [*plain, replace(study_of(MIX, situations(MIX)[2]), parents=parents)]


def test_a_result_that_was_measured_twice_is_two_results() -> None:
    """Another trial with the same configuration is evidence of its own."""
    trials = trials_in(SQUARE, 11, wavy)
    again = [finished(20 + trial.number, trial.values, trial.objective) for trial in trials]
    assert ask(SQUARE, [*trials, *again]) != ask(SQUARE, trials)
