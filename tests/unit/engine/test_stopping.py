"""Rules that stop jobs hear each piece of news once, and say what the pure rules say of everything."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain import early_stopping, rungs
from pegbox.domain.progress import Progress
from pegbox.domain.searches import Search
from pegbox.engine.followed import Followed, FollowedJobs
from pegbox.engine.stopping import HyperbandRule, MedianRule, Rule

SEARCH = Search(name="only", definition={}, ranges={}, objective={"Type": "Minimize", "MetricName": "loss"})
RESOURCE = rungs.Resource(1, 9)
SEED = 3


@dataclass(slots=True)
class Job:
    curve: list[float] = field(default_factory=list)
    ended: bool = False
    completed: bool = False


news = st.lists(
    st.tuples(
        st.sampled_from(["launch", "launch", "publish", "publish", "publish", "try again", "complete", "end"]),
        st.integers(0, 11),
        st.lists(st.integers(0, 9).map(float), min_size=1, max_size=4),
    ),
    max_size=60,
)


def happen(rule: Rule, jobs: list[Job], what: str, which: int, values: list[float]) -> None:
    """One piece of news, told to the rule and noted."""
    if what == "launch":
        jobs.append(Job())
        rule.launched(len(jobs), 0)
        return
    running = [number for number, job in enumerate(jobs, 1) if not job.ended]
    if not running:
        return
    number = running[which % len(running)]
    job = jobs[number - 1]
    if what == "publish":
        job.curve += values
        rule.published(number, values)
    elif what == "try again":
        job.curve = []
        rule.restarted(number)
    else:
        job.ended, job.completed = True, what == "complete" and bool(job.curve)
        rule.ended(number, job.completed)


def progress(jobs: list[Job]) -> list[Progress]:
    return [Progress(number, job.curve, job.completed, job.ended) for number, job in enumerate(jobs, 1)]


@given(news=news, maximize=st.booleans())
def test_the_median_rule_is_the_one_that_knows_everything(
    news: list[tuple[str, int, list[float]]], maximize: bool
) -> None:
    rule, jobs = MedianRule(maximize), list[Job]()
    for each in news:
        happen(rule, jobs, *each)
        assert set(rule.to_stop()) == early_stopping.to_stop(maximize, progress(jobs))


def test_whoever_published_once_is_judged_when_others_turn_out_to_publish_more() -> None:
    rule = MedianRule(False)
    for number in range(1, 7):
        rule.launched(number, 0)
        rule.published(number, [float(number)])
        if number < 4:
            rule.ended(number, completed=True)
        assert rule.to_stop() == []
    rule.published(6, [1.0])
    rule.ended(6, completed=True)
    assert rule.to_stop() == [4, 5]


@given(news=news)
def test_hyperband_is_the_one_that_knows_everything(news: list[tuple[str, int, list[float]]]) -> None:
    rule, jobs = HyperbandRule([SEARCH], [RESOURCE], SEED), list[Job]()
    is_judged = False
    for each in news:
        happen(rule, jobs, *each)
        is_judged = is_judged or any(len(job.curve) > 1 for job in jobs)
        expected = rungs.to_stop(RESOURCE, SEED, False, progress(jobs)) if is_judged else frozenset()
        assert set(rule.to_stop()) == expected


def test_hyperband_stops_nobody_while_all_have_published_but_once() -> None:
    """Else programs that print a value at their end would be stopped before they have saved their models."""
    rule = HyperbandRule([SEARCH, SEARCH], [rungs.Resource(1, 2)] * 2, SEED)
    for number in range(1, 11):
        rule.launched(number, number % 2)
        rule.published(number, [float(number)])
        assert rule.to_stop() == []
        if number < 4:
            rule.ended(number, completed=True)
    rule.published(8, [1.0])
    assert rule.to_stop() == [4, 6, 8, 10]


@pytest.mark.parametrize("rule", [MedianRule(False), HyperbandRule([SEARCH], [rungs.Resource(1, 9000)], SEED)])
def test_what_a_stopped_job_has_published_is_not_kept(rule: Rule) -> None:
    rule.launched(1, 0)
    rule.published(1, [1.0] * 9000)
    assert rule.kept >= 9000
    rule.ended(1, completed=False)
    assert rule.kept <= 6561  # up to the last rung


def test_values_count_for_what_is_remembered_of_searches() -> None:
    known = FollowedJobs(most=1000)
    for identity in (1, 2):
        rule = MedianRule(False)
        rule.launched(1, 0)
        rule.published(1, [1.0] * 100_000)
        known.keep(identity, Followed([SEARCH], rule))
    assert known.take(1) is None
    assert known.take(2) is not None


def test_a_value_costs_no_more_among_thousands_of_curves() -> None:
    rule = MedianRule(False)
    for number in range(1, 4001):
        rule.launched(number, 0)
        rule.published(number, [number % 7 + 1 / (1 + epoch) for epoch in range(50)])
        rule.ended(number, completed=True)
    for number in range(4001, 4101):
        rule.launched(number, 0)
        rule.published(number, [0.0] * (number % 40))
    rule.to_stop()
    best = float("inf")
    for number in range(4001, 4021):
        rule.published(number, [0.0])
        begun = time.perf_counter()
        assert rule.to_stop() == []
        best = min(best, time.perf_counter() - begun)
    assert best < 3e-4  # to judge all would take a hundred times as long


def test_a_completed_job_has_the_others_judged_in_no_time() -> None:
    rule = MedianRule(False)
    for number in range(1, 4001):
        rule.launched(number, 0)
        if number > 3950:
            continue
        rule.published(number, [number % 7 + 1 / (1 + epoch) for epoch in range(50)])
        rule.ended(number, completed=True)
    for number in range(3951, 4001):
        rule.published(number, [0.0] * (number % 40 + 1))
    rule.to_stop()
    best = float("inf")
    for number in range(3951, 3961):
        rule.ended(number, completed=True)
        begun = time.perf_counter()
        assert rule.to_stop() == []
        best = min(best, time.perf_counter() - begun)
    assert best < 5e-3
