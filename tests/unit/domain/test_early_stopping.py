from __future__ import annotations

import time
from statistics import fmean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.early_stopping import Averages, to_stop
from pegbox.domain.progress import Progress


def done(number: int, *curve: float) -> Progress:
    return Progress(number, curve, completed=True, ended=True)


def running(number: int, *curve: float) -> Progress:
    return Progress(number, curve)


THREE = (done(1, 1.0, 3.0), done(2, 2.0, 4.0), done(3, 3.0, 5.0))  # averages at epoch 2: 2, 3, 4


def test_the_current_value_is_compared_with_the_median_of_averages() -> None:
    assert to_stop(True, [*THREE, running(4, 9.0, 2.9)]) == {4}
    assert to_stop(True, [*THREE, running(4, 0.0, 3.1)]) == frozenset()
    assert to_stop(False, [*THREE, running(4, 9.0, 2.9)]) == frozenset()
    assert to_stop(False, [*THREE, running(4, 0.0, 3.1)]) == {4}


def test_equality_keeps_running() -> None:
    for maximize in (True, False):
        assert to_stop(maximize, [*THREE, running(4, 0.0, 3.0)]) == frozenset()


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e16 / 7, -0.7])
def test_equality_survives_rounding(value: float) -> None:
    jobs = [done(number, *[value] * 100) for number in range(1, 8)]
    for epoch in range(1, 101):
        jobs.append(running(100 + epoch, *[value] * epoch))
    assert to_stop(True, jobs) == to_stop(False, jobs) == frozenset()


def test_an_even_count_takes_the_mean_of_the_middle_two() -> None:
    jobs = [*THREE, done(4, 8.0, 8.0)]  # averages at epoch 2: 2, 3, 4, 8
    assert to_stop(True, [*jobs, running(5, 0.0, 3.4)]) == {5}
    assert to_stop(True, [*jobs, running(5, 0.0, 3.5)]) == frozenset()


def test_three_completed_jobs_launched_earlier_are_needed() -> None:
    bad = (0.0, 0.0)
    assert to_stop(True, [*THREE[:2], running(4, *bad)]) == frozenset()
    assert to_stop(True, [*THREE[:2], running(4, *bad), done(5, 9.0, 9.0)]) == frozenset()
    assert to_stop(True, [*THREE[:2], done(3, 9.0), running(4, *bad)]) == frozenset()
    assert to_stop(True, [*THREE[:2], Progress(3, (9.0, 9.0), ended=True), running(4, *bad)]) == frozenset()
    assert to_stop(True, [*THREE[:2], running(3, 9.0, 9.0), running(4, *bad)]) == frozenset()
    assert to_stop(True, [*THREE, running(4, *bad)]) == {4}


def test_what_has_ended_or_not_begun_is_not_stopped() -> None:
    assert to_stop(True, [*THREE, Progress(4, (0.0,), ended=True), running(5), done(6, 0.0)]) == frozenset()


def test_nothing_is_stopped_beyond_what_others_have_reached() -> None:
    assert to_stop(True, [*THREE, running(4, 0.0, 0.0, 0.0)]) == frozenset()


def test_what_is_published_once_is_never_stopped() -> None:
    once = [done(number, 9.0) for number in range(1, 9)]
    assert to_stop(True, [*once, running(9, 0.0)]) == frozenset()
    assert to_stop(True, [*once, done(9, 9.0, 9.0), running(10, 0.0)]) == {10}


def test_a_head_start_is_a_share_of_the_median_length() -> None:
    jobs = [done(1, *[9.0] * 10), done(2, *[9.0] * 30), done(3, *[9.0] * 300)]
    for epoch, stopped in ((1, set()), (2, set()), (3, {4}), (4, {4})):
        assert to_stop(True, [*jobs, running(4, *[0.0] * epoch)], head_start=0.1) == stopped
    short = [done(number, *[9.0] * 10) for number in (1, 2, 3)]
    assert to_stop(True, [*short, running(4, 0.0)], head_start=0.1) == {4}


def test_a_job_is_learned_once() -> None:
    averages = Averages(maximize=True)
    for job in (*THREE, *THREE, running(9, 1.0)):
        averages.add(job)
    assert averages.known == {1, 2, 3}
    assert averages.condemns(running(4, 0.0, 2.9))


curves = st.lists(st.floats(-100, 100), max_size=6)
sets_of_jobs = st.lists(
    st.tuples(curves, st.sampled_from(["running", "completed", "ended"])), max_size=12
).map(
    lambda found: [
        Progress(number, curve, completed=state == "completed", ended=state != "running")
        for number, (curve, state) in enumerate(found, 1)
    ]
)  # fmt: skip


@given(sets_of_jobs, st.randoms(use_true_random=False))
def test_the_rule_as_it_is_written(jobs: list[Progress], random: object) -> None:
    expected = set()
    for job in jobs:
        epoch = len(job.curve)
        peers = [p for p in jobs if p.completed and p.number < job.number and len(p.curve) >= epoch]
        if job.ended or not epoch or len(peers) < 3 or not any(p.completed and len(p.curve) > 1 for p in jobs):
            continue
        middle = median(fmean(peer.curve[:epoch]) for peer in peers)
        if middle - job.curve[-1] > 1e-9:
            expected.add(job.number)
        elif abs(middle - job.curve[-1]) <= 1e-9:
            return  # the reference rounds otherwise
    random.shuffle(jobs)  # type: ignore[attr-defined]
    assert to_stop(True, jobs) == expected


def test_one_judgement_is_fast() -> None:
    averages = Averages(maximize=True)
    for number in range(750):
        averages.add(done(number, *[(number * 37 % 101) / 100 + place / 100 for place in range(100)]))
    job = running(751, *[0.5] * 100)
    best = float("inf")
    for _ in range(20):
        begun = time.perf_counter()
        averages.condemns(job)
        best = min(best, time.perf_counter() - begun)
    assert best < 1e-3
