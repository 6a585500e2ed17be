"""What a tuning job does next: one table of situations."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.searches import DEFINITION_NAME
from pegbox.domain.standing import Child, Standing
from pegbox.domain.training import Outcome
from pegbox.domain.tuning import (
    ALL_FAILED,
    TIME_IS_UP,
    Criteria,
    End,
    Fail,
    Finish,
    Instruction,
    NoteConvergence,
    Propose,
    StopChildren,
    TuningJob,
    Wait,
    decide,
)

NOON = 1_000_000.0


def a_tuning_job(**changes: Any) -> TuningJob:
    return replace(TuningJob(most=20, at_once=3, seconds=None, created=NOON, seed=7), **changes)


def done(number: int, objective: float = 0.5) -> Child:
    return Child(number=number, outcome=Outcome.COMPLETED, objective=objective)


def failed(number: int, outcome: Outcome = Outcome.NON_RETRYABLE) -> Child:
    return Child(number=number, outcome=outcome)


def stopped(number: int, objective: float | None = None) -> Child:
    return Child(number=number, outcome=Outcome.STOPPED, objective=objective)


def exhausted(count: int) -> str:
    return f"The search space is exhausted: all of its configurations ({count}) have been tried."


def running(number: int, *, stopping: bool = False, has_value: bool = False) -> Child:
    return Child(number=number, outcome=None, stopping=stopping, has_value=has_value)


TEN_FAILED = [failed(number) for number in range(1, 11)]


@pytest.mark.parametrize(
    ("job", "children", "instruction"),
    [
        (a_tuning_job(), [], Propose(3)),
        (a_tuning_job(most=2), [], Propose(2)),
        (a_tuning_job(), [done(1), running(2), running(3)], Propose(1)),
        (a_tuning_job(), [running(1), running(2), running(3)], Wait(None)),
        (a_tuning_job(most=3), [done(1), done(2), running(3)], Wait(None)),
        (a_tuning_job(most=2), [done(1), done(2)], Finish("Completed")),
        (a_tuning_job(most=2), [done(1), failed(2)], Finish("Completed")),
        (a_tuning_job(most=2), [failed(1), failed(2)], Finish("Failed", ALL_FAILED)),
        (a_tuning_job(most=2), [failed(1), failed(2, Outcome.RETRYABLE)], Finish("Failed", ALL_FAILED)),
        (a_tuning_job(most=2), [failed(1), stopped(2)], Finish("Failed", ALL_FAILED)),
        (a_tuning_job(most=2), [failed(1), stopped(2, 0.5)], Finish("Completed")),
        (a_tuning_job(most=1), [stopped(1)], Finish("Completed")),
        (a_tuning_job(failure="why"), [done(1), running(2)], StopChildren((2,))),
        (a_tuning_job(failure="why"), [done(1), running(2, stopping=True)], Wait(None)),
        (a_tuning_job(failure="why", status="Stopping"), [done(1)], Finish("Failed", "why")),
        (a_tuning_job(exhausted=(DEFINITION_NAME,)), [done(1), running(2)], Wait(None)),
        (a_tuning_job(exhausted=(DEFINITION_NAME,)), [done(1), done(2)], Finish("Completed", exhausted(2))),
        (a_tuning_job(exhausted=(DEFINITION_NAME,)), [], Finish("Completed", exhausted(0))),
        (a_tuning_job(status="Stopping"), [done(1), running(2), running(3)], StopChildren((2, 3))),
        (a_tuning_job(status="Stopping"), [done(1), running(2, stopping=True)], Wait(None)),
        (a_tuning_job(status="Stopping"), [], Finish("Stopped")),
        (a_tuning_job(seconds=120, created=NOON - 100), [running(1), running(2), running(3)], Wait(20.0)),
        (a_tuning_job(seconds=120, created=NOON - 120), [done(1), running(2)], End(TIME_IS_UP)),
        (a_tuning_job(ending="why"), [done(1), running(2)], StopChildren((2,))),
        (a_tuning_job(ending="why"), [done(1), running(2, stopping=True)], Wait(None)),
        (a_tuning_job(ending="why"), [done(1)], Finish("Completed", "why")),
        (a_tuning_job(ending="why"), [failed(1)], Finish("Failed", ALL_FAILED)),
        (a_tuning_job(ending="why", status="Stopping"), [done(1)], Finish("Stopped")),
        (a_tuning_job(), TEN_FAILED, Finish("Failed", ALL_FAILED)),
        (a_tuning_job(), [*TEN_FAILED, running(11)], Fail(ALL_FAILED)),
        (a_tuning_job(), [*TEN_FAILED, running(11), running(12, has_value=True)], Propose(1)),
        (a_tuning_job(), [*TEN_FAILED, stopped(11), running(12)], Fail(ALL_FAILED)),
        (a_tuning_job(), [*TEN_FAILED, running(11, stopping=True)], Fail(ALL_FAILED)),
        (a_tuning_job(failure=ALL_FAILED), [*TEN_FAILED, running(11)], StopChildren((11,))),
        (a_tuning_job(failure=ALL_FAILED), [*TEN_FAILED, stopped(11, 0.5)], Finish("Failed", ALL_FAILED)),
        (a_tuning_job(), [failed(number) for number in range(1, 10)], Propose(3)),
        (a_tuning_job(), [done(1), *(failed(number) for number in range(2, 12))], Propose(3)),
    ],
)
def test_what_comes_next(job: TuningJob, children: list[Child], instruction: Instruction) -> None:
    assert decide(job, Standing.of(children), Criteria(), NOON) == instruction


TARGET = "A training job has reached TargetObjectiveMetricValue [0.25]."
IDLE = "The best objective has not improved for 3 training jobs."
CONVERGED = "The search has converged."
LITTLE = [0.00004] * 10  #: what a model expected at its last asks: less than 0.01 % of a best of 0.5


@pytest.mark.parametrize(
    ("job", "criteria", "objectives", "instruction"),
    [
        (a_tuning_job(), Criteria(target=0.25), [0.5, 0.25], End(TARGET)),
        (a_tuning_job(), Criteria(target=0.25), [0.5, 0.2500001], Propose(3)),
        (a_tuning_job(), Criteria(not_improving=3), [0.5, 0.497, 0.6, 0.496], End(IDLE)),
        (a_tuning_job(), Criteria(not_improving=3), [0.5, 0.497, 0.6, 0.494], Propose(3)),
        (a_tuning_job(most=40), Criteria(), [0.5] * 20, NoteConvergence()),
        (a_tuning_job(most=40), Criteria(dimensions=3), [0.5] * 29, Propose(3)),
        (a_tuning_job(most=40), Criteria(), [*[0.5] * 10, 0.4, *[0.5] * 9], Propose(3)),
        (a_tuning_job(most=40), Criteria(has_model=True), [0.5] * 20, Propose(3)),
        (
            a_tuning_job(most=40, expected={DEFINITION_NAME: LITTLE}),
            Criteria(has_model=True),
            [0.5] * 20,
            NoteConvergence(),
        ),
        (
            a_tuning_job(most=40, expected={DEFINITION_NAME: LITTLE[1:]}),
            Criteria(has_model=True),
            [0.5] * 20,
            Propose(3),
        ),
        (
            a_tuning_job(most=40, expected={DEFINITION_NAME: [*LITTLE[:4], 0.00006, *LITTLE[5:]]}),
            Criteria(has_model=True),
            [0.5] * 20,
            Propose(3),
        ),
        (
            a_tuning_job(most=40, expected={"a": LITTLE}),
            Criteria(has_model=True, definitions=("a", "b")),
            [0.5] * 20,
            Propose(3),
        ),
        (
            a_tuning_job(most=40, expected={"a": LITTLE, "b": [0.1]}, exhausted=("b",)),
            Criteria(has_model=True, definitions=("a", "b")),
            [0.5] * 20,
            NoteConvergence(),
        ),
        (a_tuning_job(most=40, converged=NOON), Criteria(), [0.5] * 20, Propose(3)),
        (a_tuning_job(most=40, converged=NOON), Criteria(on_convergence=True), [0.5] * 20, End(CONVERGED)),
    ],
)
def test_criteria_end_a_search(
    job: TuningJob, criteria: Criteria, objectives: list[float], instruction: Instruction
) -> None:
    children = [done(number, value) for number, value in enumerate(objectives, 1)]
    assert decide(job, Standing.of(children), criteria, NOON) == instruction


@given(
    most=st.integers(1, 30),
    at_once=st.integers(1, 30),
    ends=st.lists(st.sampled_from([*Outcome]), min_size=40, max_size=40),
    order=st.randoms(use_true_random=False),
    stop_after=st.none() | st.integers(0, 30),
)
def test_whatever_happens_the_limits_hold_and_the_job_ends(
    most: int, at_once: int, ends: list[Outcome], order: Any, stop_after: int | None
) -> None:
    job = a_tuning_job(most=most, at_once=min(at_once, most))
    children: list[Child] = []
    for step in range(500):
        if step == stop_after:
            job = replace(job, status="Stopping")
        match decide(job, Standing.of(children), Criteria(), NOON):
            case Propose(count=count):
                assert count > 0
                children += [running(len(children) + place) for place in range(1, count + 1)]
            case StopChildren(numbers=numbers):
                children = [replace(child, stopping=child.stopping or child.number in numbers) for child in children]
            case Wait():
                active = [child for child in children if child.active]
                assert active, "it would wait for ever"
                chosen = order.choice(active)
                outcome = Outcome.STOPPED if chosen.stopping else ends[chosen.number]
                children[chosen.number - 1] = replace(chosen, outcome=outcome)
            case NoteConvergence():
                job = replace(job, converged=NOON)
            case Fail(reason=reason):
                job = replace(job, failure=reason)
            case Finish(status=status):
                assert not any(child.active for child in children)
                assert (status == "Stopped") == (job.status == "Stopping" and job.failure is None)
                return
        assert len(children) <= most
        assert sum(child.active for child in children) <= at_once
    raise AssertionError("the job does not end")


def test_only_the_last_asks_of_a_model_are_kept() -> None:
    job = a_tuning_job()
    for gain in range(25):
        job = job.expecting("a", float(gain)).expecting("b", 0.5)
    assert job.expected == {"a": [float(gain) for gain in range(15, 25)], "b": [0.5] * 10}
    assert TuningJob.parse("InProgress", json.loads(json.dumps(job.dump()))).expected == job.expected


def test_a_row_that_kept_one_ask_only_goes_on_from_it() -> None:
    row = {**a_tuning_job().dump(), "expected": {"a": 0.25}}
    assert TuningJob.parse("InProgress", row).expecting("a", 0.5).expected == {"a": [0.25, 0.5]}
