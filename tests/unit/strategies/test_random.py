from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.domain.ranges import Categorical, Continuous, Integer, Parameter, Scaling, Space
from pegbox.strategies.base import Exhausted, Strategy, Trial, TrialState
from pegbox.strategies.grid import Grid
from pegbox.strategies.hyperband import Hyperband
from pegbox.strategies.random import Random
from pegbox.testing.strategy_suite import MIXED, StrategySuite, finished, study_of, trials_in

ANY = np.random.default_rng(0)


class TestRandom(StrategySuite):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Random()


def test_a_draw_depends_on_seed_and_number_only() -> None:
    at_once = Random().ask(study_of(MIXED), 6, ANY)
    trials = []
    for number in range(1, 7):
        (candidate,) = Random().ask(study_of(MIXED, trials), 1, ANY)
        assert candidate == at_once[number - 1]
        state = TrialState.FAILED if number % 2 else TrialState.RUNNING
        trials.append(replace(finished(number, candidate.values, None), state=state))


def test_numbers_go_on_after_the_highest() -> None:
    later = Random().ask(study_of(MIXED), 9, ANY)[8]
    gap = replace(trials_in(MIXED, 1)[0], number=8)
    assert Random().ask(study_of(MIXED, [gap]), 1, ANY) == [later]


def test_draws_are_even_on_the_scale_of_the_range() -> None:
    space = Space(
        (
            Integer("layers", 1, 3),
            Integer("rounds", 1, 1000, Scaling.LOGARITHMIC),
            Continuous("eta", 1e-4, 1.0, Scaling.LOGARITHMIC),
            Continuous("momentum", 0.0, 0.9999, Scaling.REVERSE_LOGARITHMIC),
            Categorical("kind", ("a", "b")),
        )
    )
    drawn = [candidate.values for candidate in Random().ask(study_of(space), 2000, ANY)]
    layers, kinds = (Counter(values[name] for values in drawn) for name in ("layers", "kind"))
    assert all(580 < layers[value] < 760 for value in "123")
    assert 900 < kinds["a"] < 1100
    # the share below the middle of a logarithmic scale
    assert 0.45 < np.mean([int(values["rounds"]) <= 21 for values in drawn]) < 0.55
    assert 0.45 < np.mean([float(values["eta"]) < 1e-2 for values in drawn]) < 0.55
    assert 0.45 < np.mean([float(values["momentum"]) < 0.99 for values in drawn]) < 0.55


def test_a_skewed_finite_space_is_still_used_up() -> None:
    space = Space((Integer("rounds", 1, 3000, Scaling.LOGARITHMIC),))
    drawn = Random().ask(study_of(space), 4000, ANY)
    assert len(drawn) == 3000
    assert {int(candidate.values["rounds"]) for candidate in drawn} == set(range(1, 3001))


ranges = st.one_of(
    st.builds(
        lambda low, size, scaling: Integer("n", low, low + size, scaling),
        st.integers(1, 9),
        st.integers(0, 5),
        st.sampled_from([Scaling.AUTO, Scaling.LINEAR, Scaling.LOGARITHMIC]),
    ),
    st.lists(st.text(max_size=2), min_size=1, max_size=5, unique=True).map(
        lambda found: Categorical("c", tuple(found))
    ),
    st.just(Continuous("k", 0.5, 0.5)),
)


@given(st.lists(ranges, min_size=1, max_size=3), st.integers(0, 2**32), st.integers(1, 7))
@settings(deadline=None)  # other tests may keep the machine busy
def test_no_configuration_of_a_finite_space_comes_twice(parameters: list[Parameter], seed: int, at_once: int) -> None:
    space = Space(tuple(replace(parameter, name=f"p{place}") for place, parameter in enumerate(parameters)))
    for strategy in (Random(), Hyperband(), Grid()):
        trials: list[Trial] = []
        while len(trials) < (space.size() or 0):
            for candidate in strategy.ask(study_of(space, trials, seed=seed), at_once, ANY):
                trials.append(Trial(number=len(trials) + 1, values=candidate.values, state=TrialState.RUNNING))
        assert sorted(space.index(trial.values) for trial in trials) == list(range(len(trials)))
        with pytest.raises(Exhausted):
            strategy.ask(study_of(space, trials, seed=seed), at_once, ANY)


def test_a_huge_finite_space_is_not_listed() -> None:
    space = Space((Integer("seed", -(2**63), 2**63 - 1),))
    drawn = [int(candidate.values["seed"]) for candidate in Random().ask(study_of(space), 1000, ANY)]
    assert len(set(drawn)) == 1000
    assert min(drawn) < -(2**61)
    assert max(drawn) > 2**61


def test_two_doubles_next_to_each_other_are_a_range() -> None:
    space = Space((Continuous("x", 1.0, float(np.nextafter(1.0, 2.0)), Scaling.LINEAR),))
    assert len(Random().ask(study_of(space), 4, ANY)) == 4
