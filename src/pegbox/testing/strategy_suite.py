"""What every search strategy must do: subclass, give a `strategy` fixture, inherit the tests.

class TestRandom(StrategySuite):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Random()
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.base import (
    Candidate,
    Exhausted,
    Goal,
    Limits,
    ParentKind,
    ParentStudy,
    Strategy,
    Study,
    Trial,
    TrialState,
)

#: Every kind of range and scale, constants included.
MIXED = Space(
    (
        Integer("depth", 1, 10),
        Integer("rounds", 1, 100_000, Scaling.LOGARITHMIC),
        Integer("offset", -(2**63), 2**63 - 1, Scaling.LINEAR),
        Integer("fixed_integer", 7, 7),
        Continuous("eta", 1e-5, 1.0, Scaling.LOGARITHMIC),
        Continuous("momentum", 0.0, 0.9999, Scaling.REVERSE_LOGARITHMIC),
        Continuous("subsample", 0.1, 0.1 + 0.2, Scaling.LINEAR),
        Continuous("fixed_float", 0.5, 0.5),
        Categorical("optimizer", ('"sgd"', '"adam"', "")),
        Categorical("fixed_choice", ("only",)),
    )
)
FINITE = Space((Integer("layers", 1, 4), Categorical("activation", ("relu", "tanh", "selu"))))
CHOICES = Space(tuple(Categorical(name, ("a", "b", "c")) for name in ("first", "second", "third")))
CONSTANT = Space((Continuous("x", 2.0, 2.0), Categorical("y", ("z",))))
SINGLE = Space((Continuous("x", -1.0, 1.0, Scaling.LINEAR),))
#: Finite, and with room for a long search.
WIDE = Space(tuple(Categorical(name, tuple("abcde")) for name in ("first", "second", "third", "fourth", "fifth")))


def study_of(space: Space, trials: Sequence[Trial] = (), *, seed: int = 1, most: int = 100, at_once: int = 10) -> Study:
    """A study that minimises over a space."""
    limits = Limits(most=most, at_once=at_once)
    return Study(space=space, goal=Goal.MINIMIZE, limits=limits, seed=seed, trials=tuple(trials))


def trials_in(space: Space, count: int, objective: Callable[[int], float] = float, *, seed: int = 0) -> list[Trial]:
    """Finished trials at random distinct configurations; `objective` is a function of the trial's number."""
    rng = np.random.default_rng(seed)
    found: dict[tuple[str, ...], Mapping[str, str]] = {}
    while len(found) < count:
        values = space.decode(rng.random(len(space.parameters)).tolist())
        found[tuple(values.values())] = values
    return [finished(number, values, objective(number)) for number, values in enumerate(found.values(), 1)]


def finished(number: int, values: Mapping[str, str], objective: float | None) -> Trial:
    """A trial with a final value."""
    return Trial(number=number, values=values, state=TrialState.FINISHED, objective=objective)


def parent_of(space: Space, trials: Sequence[Trial], kind: ParentKind = ParentKind.IDENTICAL) -> ParentStudy:
    """A parent that searched this space."""
    return ParentStudy(kind=kind, space=space, static={}, trials=tuple(trials))


def check_candidate(space: Space, candidate: Candidate) -> None:
    """The candidate gives every hyperparameter, and every value re-parses inside its range."""
    assert tuple(candidate.values) == space.names
    for parameter in space.parameters:
        value = candidate.values[parameter.name]
        if isinstance(parameter, Categorical):
            assert value in parameter.values
        elif isinstance(parameter, Integer):
            assert str(int(value)) == value
            assert parameter.low <= int(value) <= parameter.high
        else:
            assert repr(float(value)) == value
            assert math.isfinite(float(value))
            assert parameter.low <= float(value) <= parameter.high


def key(values: Mapping[str, str]) -> tuple[str, ...]:
    """A configuration as something hashable."""
    return tuple(values.values())


class FiniteStrategySuite:
    """The contract of `Strategy`, as tests, for one that knows finite spaces only and may ignore the seed."""

    space = WIDE  #: of most tests
    spaces: Sequence[Space] = (FINITE, CHOICES, WIDE)  #: of those that try several

    @pytest.fixture
    def strategy(self) -> Strategy:
        """The strategy under test."""
        raise NotImplementedError("give a `strategy` fixture")

    def ask(self, strategy: Strategy, study: Study, count: int = 1) -> list[Candidate]:
        """Ask with the generator that belongs to the study, and check what comes back."""
        rng = np.random.default_rng([study.seed, len(study.trials)])
        candidates = list(strategy.ask(study, count, rng))
        assert len(candidates) <= count
        for candidate in candidates:
            check_candidate(study.space, candidate)
        return candidates

    @pytest.mark.parametrize("told", [0, 1, 9])
    def test_values_lie_in_their_ranges(self, strategy: Strategy, told: int) -> None:
        """Whatever the range: inside its bounds, in its form."""
        for space in self.spaces:
            assert self.ask(strategy, study_of(space, trials_in(space, told)), 3)

    def test_a_search_from_the_start_stays_in_range(self, strategy: Strategy) -> None:
        """The same while a search goes on."""
        for space in self.spaces:
            trials: list[Trial] = []
            for number in range(1, 13):
                (candidate,) = self.ask(strategy, study_of(space, trials))
                trials.append(finished(number, candidate.values, math.sin(number)))

    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_never_more_than_asked_for(self, strategy: Strategy, count: int) -> None:
        """`count` is a limit."""
        for told in (0, 12):
            assert 1 <= len(self.ask(strategy, study_of(self.space, trials_in(self.space, told)), count)) <= count

    def test_candidates_of_one_ask_differ(self, strategy: Strategy) -> None:
        """One ask proposes nothing twice."""
        for told in (0, 12):
            candidates = self.ask(strategy, study_of(self.space, trials_in(self.space, told)), 8)
            assert len({key(candidate.values) for candidate in candidates}) == len(candidates)

    @pytest.mark.parametrize("told", [0, 12])
    def test_the_same_study_gives_the_same_answer(self, strategy: Strategy, told: int) -> None:
        """No hidden state, no hidden randomness."""
        study = study_of(self.space, trials_in(self.space, told))
        assert self.ask(strategy, study, 3) == self.ask(strategy, study, 3)

    def test_trials_may_be_told_in_any_order(self, strategy: Strategy) -> None:
        """Results arrive as they arrive."""
        trials = trials_in(self.space, 14, lambda number: math.cos(number))
        trials[3] = replace(trials[3], state=TrialState.FAILED, objective=None)
        trials[8] = replace(trials[8], state=TrialState.RUNNING, objective=None)
        answers = [
            self.ask(strategy, study_of(self.space, order), 2)
            for order in (trials, trials[::-1], [trials[place] for place in np.random.default_rng(5).permutation(14)])
        ]
        assert answers[0] == answers[1] == answers[2]

    def test_names_do_not_matter(self, strategy: Strategy) -> None:
        """A range is what it spans, not what it is called."""
        trials = trials_in(FINITE, 6)
        renamed = Space((replace(FINITE.parameters[0], name="zz"), replace(FINITE.parameters[1], name="aa")))
        moved = [replace(trial, values=dict(zip(("zz", "aa"), key(trial.values), strict=True))) for trial in trials]
        (one,), (other,) = (self.ask(strategy, study_of(*pair)) for pair in ((FINITE, trials), (renamed, moved)))
        assert key(one.values) == key(other.values)

    @pytest.mark.parametrize("state", TrialState)
    def test_a_finite_space_is_used_up_without_repeats(self, strategy: Strategy, state: TrialState) -> None:
        """All configurations once, then Exhausted, whatever became of the trials."""
        trials: list[Trial] = []
        for number in range(1, 13):
            (candidate,) = self.ask(strategy, study_of(FINITE, trials))
            objective = float(number % 3) if state is TrialState.FINISHED else None
            trials.append(Trial(number=number, values=candidate.values, state=state, objective=objective))
        assert len({key(trial.values) for trial in trials}) == FINITE.size() == 12
        with pytest.raises(Exhausted):
            self.ask(strategy, study_of(FINITE, trials))

    def test_the_last_configurations_come_even_when_more_are_asked_for(self, strategy: Strategy) -> None:
        """What is left is given before Exhausted is raised."""
        trials = trials_in(FINITE, 10)
        seen = {key(trial.values) for trial in trials}
        candidates = self.ask(strategy, study_of(FINITE, trials), 5)
        assert len(seen | {key(candidate.values) for candidate in candidates}) == 12
        assert len(candidates) == 2

    def test_a_space_of_constants_has_one_configuration(self, strategy: Strategy) -> None:
        """Equal bounds are constants."""
        candidates = self.ask(strategy, study_of(CONSTANT), 3)
        assert [candidate.values for candidate in candidates] == [{"x": "2.0", "y": "z"}]
        with pytest.raises(Exhausted):
            self.ask(strategy, study_of(CONSTANT, [finished(1, candidates[0].values, 1.0)]))

    def test_nothing_is_repeated_in_a_large_space(self, strategy: Strategy) -> None:
        """Nor are configurations repeated where there are many."""
        trials = trials_in(self.space, 20, lambda number: 1.0 / number)
        candidates = self.ask(strategy, study_of(self.space, trials), 5)
        assert not {key(candidate.values) for candidate in candidates} & {key(trial.values) for trial in trials}

    def test_a_hundred_running_trials(self, strategy: Strategy) -> None:
        """Many workers, few results or none."""
        trials = [
            trial if trial.number <= 20 else replace(trial, state=TrialState.RUNNING, objective=None)
            for trial in trials_in(self.space, 120)
        ]
        assert self.ask(strategy, study_of(self.space, trials, most=500, at_once=100), 2)
        only_running = [trial for trial in trials if trial.state is TrialState.RUNNING]
        assert self.ask(strategy, study_of(self.space, only_running, most=500, at_once=101))

    @pytest.mark.parametrize("failed", [1, 4, 15])
    def test_failures_are_survived(self, strategy: Strategy, failed: int) -> None:
        """Some or all trials failed."""
        trials = [
            replace(trial, state=TrialState.FAILED, objective=None) if trial.number <= failed else trial
            for trial in trials_in(self.space, 15)
        ]
        assert self.ask(strategy, study_of(self.space, trials), 2)

    @pytest.mark.parametrize(
        "objective",
        [
            lambda number: 0.0,
            lambda number: 0.1 + 0.2,
            lambda number: float(number % 2),
            lambda number: 1e9 if number % 2 else 1.0 / number,
            lambda number: 1e308 * (-1) ** number,
            lambda number: 5e-324 * number,
            lambda number: math.nan if number % 3 else float(number),
            lambda number: math.inf if number == 1 else -float(number),
            lambda number: math.nan,
        ],
        ids=["zero", "constant", "ties", "huge", "largest", "smallest", "nan", "inf", "all nan"],
    )
    def test_any_objective_is_survived(self, strategy: Strategy, objective: Callable[[int], float]) -> None:
        """Constants, ties, extremes and what is no number."""
        for space in self.spaces:
            trials = trials_in(space, min(14, space.size() or 14) - 1, objective)
            for goal in Goal:
                assert self.ask(strategy, replace(study_of(space, trials), goal=goal), 2)

    def test_stopped_trials_and_missing_values_are_survived(self, strategy: Strategy) -> None:
        """Trials that ended early, with or without a value."""
        trials = trials_in(self.space, 12)
        for place, value in ((0, None), (1, 3.0), (2, math.nan)):
            trials[place] = replace(trials[place], state=TrialState.STOPPED, objective=value)
        trials[3] = replace(trials[3], objective=None)
        assert self.ask(strategy, study_of(self.space, trials), 2)

    def test_study_and_answer_can_be_pickled(self, strategy: Strategy) -> None:
        """An ask may happen in another process."""
        study = study_of(self.space, trials_in(self.space, 12))
        sent = pickle.loads(pickle.dumps(study))
        answer = self.ask(strategy, sent, 2)
        assert sent == study
        assert pickle.loads(pickle.dumps(answer)) == self.ask(strategy, study, 2)

    @pytest.mark.parametrize("kind", ParentKind)
    @pytest.mark.parametrize("told", [0, 8])
    def test_parents_may_be_told_in_any_order(self, strategy: Strategy, kind: ParentKind, told: int) -> None:
        """Neither the order of parents matters nor that of their trials."""
        parents = [
            parent_of(self.space, trials_in(self.space, 9, np.sin, seed=1), kind),
            parent_of(self.space, trials_in(self.space, 7, np.cos, seed=2), kind),
            parent_of(self.space, [], kind),
        ]
        turned = [replace(parent, trials=parent.trials[::-1]) for parent in parents[::-1]]
        study = study_of(self.space, trials_in(self.space, told, np.tan))
        one, other = (self.ask(strategy, replace(study, parents=tuple(each)), 2) for each in (parents, turned))
        assert one == other

    @pytest.mark.parametrize("kind", ParentKind)
    def test_strange_parents_are_survived(self, strategy: Strategy, kind: ParentKind) -> None:
        """Hyperparameters that it lacks, values from outside the ranges, values that are none, one trial, none."""
        trials = trials_in(MIXED, 9, lambda number: math.nan if number % 3 else 1e308 * (-1) ** number)
        strange = [
            finished(number, {"depth": text, "eta": text, "first": text, "x": text}, float(number))
            for number, text in enumerate(("-1e300", "99999999999999999999", "not a number", "a", "nan"), 1)
        ]
        for space in self.spaces:
            parents = [parent_of(MIXED, told, kind) for told in (trials, strange, trials[:1], [])]
            parents[0] = replace(parents[0], static={"layers": "2", "activation": "gelu", "first": "a"})
            study = replace(study_of(space, trials_in(space, 6)), parents=tuple(parents), static={"offset": "0"})
            assert self.ask(strategy, study, 2)
            assert self.ask(strategy, replace(study, trials=()), 2)

    def test_what_identical_parents_have_tried_is_not_tried_again(self, strategy: Strategy) -> None:
        """In a finite space; what a related search has tried is."""
        tried = trials_in(FINITE, 9)
        study = replace(study_of(FINITE), parents=(parent_of(FINITE, tried),))
        fresh = self.ask(strategy, study, 12)
        assert len({key(trial.values) for trial in tried} | {key(candidate.values) for candidate in fresh}) == 12
        assert len(fresh) == 3
        with pytest.raises(Exhausted):
            self.ask(strategy, replace(study, trials=tuple(finished(n, c.values, 0.0) for n, c in enumerate(fresh, 1))))
        related = parent_of(FINITE, trials_in(FINITE, 12), ParentKind.TRANSFER)
        assert len(self.ask(strategy, replace(study, parents=(related,)), 12)) == 12

    def test_global_randomness_is_left_alone(self, strategy: Strategy) -> None:
        """The generators of NumPy belong to the user."""
        np.random.seed(11)
        self.ask(strategy, study_of(self.space, trials_in(self.space, 12)), 2)
        after = np.random.random()
        np.random.seed(11)
        assert after == np.random.random()


class StrategySuite(FiniteStrategySuite):
    """The contract of `Strategy`, as tests."""

    space = MIXED
    spaces = (MIXED, FINITE, CHOICES, SINGLE)

    def test_another_seed_gives_another_answer(self, strategy: Strategy) -> None:
        """The seed decides."""
        assert self.ask(strategy, study_of(MIXED, seed=1), 3) != self.ask(strategy, study_of(MIXED, seed=2), 3)

    def test_trials_from_outside_the_space_are_survived(self, strategy: Strategy) -> None:
        """Values that lie outside the ranges or cannot be read."""
        strange = [{"x": "5.0"}, {"x": "-1e300"}, {"x": "not a number"}, {"other": "1"}]
        trials = [finished(number, values, float(number)) for number, values in enumerate(strange, 1)]
        assert self.ask(strategy, study_of(SINGLE, trials + [replace(t, number=t.number + 4) for t in trials]), 2)
