from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.domain.progress import Progress
from pegbox.domain.rungs import Resource, bracket, inferred_most, rungs, to_stop

LONG = Resource(1, 81)
#: One bracket with the single rung 1: least * 3 is above most.
SHORT = Resource(1, 2)


def running(number: int, *curve: float) -> Progress:
    return Progress(number, curve)


def ended(number: int, *curve: float) -> Progress:
    return Progress(number, curve, ended=True)


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (LONG, [(1, 3, 9, 27), (3, 9, 27), (9, 27)]),
        (Resource(1, 52), [(1, 3, 9, 27), (3, 9, 27)]),
        (Resource(4, 52), [(4, 12, 36), (12, 36)]),
        (Resource(1, 1000), [tuple(3**k for k in range(first, 7)) for first in range(4)]),
        (Resource(1, 9), [(1, 3), (3,)]),
        (Resource(1, 8), [(1, 3)]),
        (Resource(1, 3), [(1,)]),
        (Resource(1, 2), [(1,)]),
        (Resource(5, 5), [()]),
    ],
)
def test_rungs(resource: Resource, expected: list[tuple[int, ...]]) -> None:
    assert [rungs(resource, place) for place in range(len(expected))] == expected
    assert {bracket(number, resource, 0) for number in range(1, 200)} == set(range(len(expected)))


@pytest.mark.parametrize("pair", [(0, 1), (2, 1), (-1, 5)])
def test_what_is_no_resource(pair: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not 1 <="):
        Resource(*pair)


@pytest.mark.parametrize("seed", [0, 1, 12345678901234567890])
def test_brackets_get_equally_many(seed: int) -> None:
    counts = Counter(bracket(number, LONG, seed) for number in range(1, 1001))
    for place in range(3):
        assert math.isclose(counts[place] / 1000, 1 / 3, abs_tol=0.005)


@pytest.mark.parametrize("seed", range(5))
def test_every_stretch_of_trials_is_shared_evenly(seed: int) -> None:
    for first in range(1, 400, 13):
        counts = Counter(bracket(number, LONG, seed) for number in range(first, first + 30))
        assert all(abs(counts[place] - 10) <= 2 for place in range(3))


def test_the_seed_moves_brackets() -> None:
    rows = {tuple(bracket(number, LONG, seed) for number in range(1, 30)) for seed in range(20)}
    assert len(rows) > 10


def test_brackets_are_the_same_everywhere() -> None:
    assert [bracket(number, LONG, 7) for number in range(1, 11)] == [0, 2, 0, 2, 1, 0, 2, 1, 0, 1]


class TestOneRung:
    def stopped(self, *jobs: Progress, maximize: bool = True) -> frozenset[int]:
        return to_stop(SHORT, 0, maximize, jobs)

    def test_the_best_third_of_itself_and_those_before_passes(self) -> None:
        values = [5.0, 4.0, 6.0, 5.5, 5.2, 5.6, 5.7, 5.3, 5.55]
        # of three to five one passes; then there are two places from the sixth on, three from the ninth on
        assert self.stopped(*(running(n, value) for n, value in enumerate(values, 1))) == {1, 2, 4, 5, 8, 9}

    def test_minimising_turns_it_round(self) -> None:
        values = [5.0, 4.0, 6.0, 5.5, 5.2, 5.6]
        jobs = [running(n, -value) for n, value in enumerate(values, 1)]
        assert self.stopped(*jobs, maximize=False) == {1, 2, 4, 5}

    def test_ties_pass(self) -> None:
        assert self.stopped(*(running(n, 1.0) for n in range(1, 30))) == frozenset()

    def test_jobs_launched_later_do_not_count(self) -> None:
        before = [ended(n, 0.0) for n in (1, 2, 3)]
        assert self.stopped(*before, running(4, 1.0), *(ended(n, 9.0) for n in range(5, 20))) == frozenset()

    def test_the_first_three_are_compared_with_each_other(self) -> None:
        assert self.stopped(running(1, 1.0)) == frozenset()
        assert self.stopped(running(1, 1.0), running(2, 2.0)) == {1}
        assert self.stopped(running(1, 2.0), running(2, 1.0)) == {2}
        assert self.stopped(running(1, 2.0), running(2, 1.0), running(3, 3.0)) == {1, 2}
        assert self.stopped(running(1, 2.0), running(2), running(3, 3.0), running(4, 9.0)) == {1}
        assert self.stopped(running(1, 2.0), ended(2), ended(3)) == frozenset()

    def test_what_has_ended_counts_and_is_not_stopped(self) -> None:
        assert self.stopped(ended(1, 2.0), ended(2, 1.0), running(3, 0.0)) == {3}

    def test_a_verdict_waits_for_those_before(self) -> None:
        before = [ended(1, 5.0), ended(2, 4.0), ended(3, 3.0), ended(4, 2.0)]
        # the second of six passes, the second of five does not
        assert self.stopped(*before, running(5), running(6, 4.5)) == frozenset()
        assert self.stopped(*before, ended(5), running(6, 4.5)) == {6}
        assert self.stopped(*before, ended(5, 4.6), running(6, 4.5)) == {6}
        assert self.stopped(*before, running(5, 1.0), running(6, 4.5)) == {5}

    def test_a_verdict_that_nothing_can_change_does_not_wait(self) -> None:
        before = [ended(1, 5.0), ended(2, 4.0), ended(3, 3.0), ended(4, 2.0)]
        assert self.stopped(*before, running(5), running(6, 1.0)) == {6}

    def test_beyond_the_most_is_the_end(self) -> None:
        assert self.stopped(running(1, 5.0, 5.0, 5.0), ended(2, 1.0, 1.0), ended(3, 3.0)) == {1}

    def test_a_job_may_save_its_model_after_its_last_epoch(self) -> None:
        assert self.stopped(running(1, 5.0, 5.0), ended(2, 1.0, 1.0), ended(3, 3.0)) == frozenset()


def test_nothing_is_stopped_before_the_least() -> None:
    resource = Resource(4, 40)
    jobs = [running(n, *[-float(n)] * 3) for n in range(1, 200)]
    assert to_stop(resource, 0, True, jobs) == frozenset()


def test_a_rung_is_one_for_all_brackets() -> None:
    """Who begins at a later rung is compared there with those that have come from lower ones, and only there."""
    resource, seed = Resource(1, 9), 0
    quick, patient = ([n for n in range(4, 50) if bracket(n, resource, seed) == place] for place in (0, 1))
    last = next(n for n in patient if n > quick[2])
    climbed = {n: ended(n, 1.0, 1.0, 5.0) for n in quick[:3]}
    before = [climbed.get(n, ended(n)) for n in range(1, last)]
    assert to_stop(resource, seed, True, [*before, running(last, 0.0)]) == frozenset()
    assert to_stop(resource, seed, True, [*before, running(last, 0.0, 0.0, 4.0)]) == {last}
    assert to_stop(resource, seed, True, [*before, running(last, 0.0, 0.0, 6.0)]) == frozenset()
    first = next(n for n in quick if n > last)
    jobs = [*before, *(ended(n) for n in range(last, first)), running(first, 0.0)]
    assert to_stop(resource, seed, True, jobs) == {first}


def test_a_value_after_a_lost_rung_does_not_count() -> None:
    # all in a bracket that is judged at 1 and 3; job b lost at 1, so its brilliant third value counts for nothing
    resource, seed = Resource(1, 9), 0
    a, b, c = [n for n in range(1, 50) if bracket(n, resource, seed) == 0][:3]
    others = [ended(n) for n in range(1, c) if n not in (a, b)]
    jobs = [*others, ended(a, 5.0, 5.0, 5.0), ended(b, 1.0, 1.0, 99.0), running(c, 6.0, 6.0, 6.0)]
    assert to_stop(resource, seed, True, jobs) == frozenset()


curves = st.lists(st.integers(0, 6).map(float), min_size=0, max_size=14)
SPARSE = Resource(1, 99)  #: rungs 1, 3, 9 and beyond what `curves` reach


def losers(jobs: Mapping[int, Progress], seed: int, maximize: bool) -> set[int]:
    """Who has lost a rung, those that have ended included."""

    def lost(number: int) -> bool:
        reopened = {**jobs, number: replace(jobs[number], ended=False)}
        return number in to_stop(SPARSE, seed, maximize, list(reopened.values()))

    return {number for number in jobs if lost(number)}


@settings(deadline=None)
@given(st.lists(curves, min_size=1, max_size=20), st.integers(0, 5), st.randoms(use_true_random=False), st.booleans())
def test_verdicts_do_not_depend_on_the_order_of_arrival(
    whole: list[list[float]], seed: int, random: Random, maximize: bool
) -> None:
    """Jobs run side by side at any speed; one that is told to stop may still publish; no verdict is taken back."""
    state = {number: running(number) for number in range(1, len(whole) + 1)}
    stopping: set[int] = set()
    while active := [number for number, job in state.items() if not job.ended]:
        number = random.choice(active)
        curve = whole[number - 1][: len(state[number].curve) + random.choice((1, 2))]
        over = len(curve) == len(whole[number - 1]) or (number in stopping and random.random() < 0.5)
        state[number] = Progress(number, curve, ended=over)
        now = to_stop(SPARSE, seed, maximize, list(state.values()))
        assert {number for number in stopping if not state[number].ended} <= now
        stopping |= now
    expected = losers({number: ended(number, *curve) for number, curve in enumerate(whole, 1)}, seed, maximize)
    assert losers(state, seed, maximize) == expected
    assert stopping <= expected


@settings(deadline=None)
@given(st.lists(curves, max_size=25), st.integers(0, 5), st.booleans())
def test_jobs_may_be_given_in_any_order(final: list[list[float]], seed: int, maximize: bool) -> None:
    jobs = [running(number, *curve) for number, curve in enumerate(final, 1)]
    assert to_stop(Resource(1, 13), seed, maximize, jobs) == to_stop(Resource(1, 13), seed, maximize, jobs[::-1])


def test_a_third_passes_of_many() -> None:
    random = Random(4)
    jobs = [running(n, random.random()) for n in range(1, 3001)]
    assert 0.65 < len(to_stop(SHORT, 0, True, jobs)) / 3000 < 0.69


@pytest.mark.parametrize(
    ("static", "most"),
    [
        ({}, None),
        ({"rounds": "5"}, None),
        ({"epochs": "52"}, 52),
        ({"numepochs": "5"}, 5),
        ({"n-epochs": "5"}, 5),
        ({"n_epochs": "5"}, 5),
        ({"num_epochs": "5"}, 5),
        ({"num_epochs": "7", "n_epochs": "6", "epochs": "5"}, 5),
        ({"num_epochs": "7", "numepochs": "6"}, 6),
        ({"num_epochs": "7", "epochs": "many"}, None),
        ({"epochs": "0"}, None),
        ({"epochs": "-3"}, None),
        ({"epochs": "1.5"}, None),
        ({"epochs": "1e3"}, None),
        ({"epochs": ""}, None),
        ({"epochs": " 5"}, None),
        ({"epochs": "\u0665"}, None),
        ({"epochs": "+005"}, 5),
        ({"epochs": "20000"}, 20000),
        ({"epochs": "20001"}, 20001),
        pytest.param({"epochs": "9" * 2500}, 10**2500 - 1, id="2,500 digits"),
    ],
)
def test_inferred_most(static: dict[str, str], most: int | None) -> None:
    assert inferred_most(static) == most


def test_no_numerical_library_is_loaded() -> None:
    modules = "pegbox.domain.rungs, pegbox.domain.early_stopping, pegbox.domain.completion, pegbox.strategies.grid"
    program = f"import sys, {modules}; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
