"""The states of a training job and the legal moves between them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pegbox.domain import training
from pegbox.domain.training import (
    Begin,
    EndUnstarted,
    IllegalMove,
    Instruction,
    Outcome,
    Pack,
    Phase,
    Rest,
    Stage,
    StopReason,
    TrainingJob,
    Watch,
    decide,
)


def through(*steps: str) -> TrainingJob:
    job = training.created(100.0)
    for number, step in enumerate(steps, start=1):
        now = 100.0 + number
        if step == "stop":
            job = training.ask_to_stop(job, StopReason.USER, now)
        else:
            job = training.enter(job, step, Phase.RUNNING, now)
    return job


def test_the_usual_way_leaves_its_history() -> None:
    job = training.complete(through("Starting", "Downloading", "Training", "Uploading"), 200.0)
    assert [entry["Status"] for entry in job.transitions] == [
        "Pending", "Starting", "Downloading", "Training", "Uploading", "Completed",
    ]  # fmt: skip
    assert all(before["EndTime"] == after["StartTime"] for before, after in pairwise(job.transitions))
    assert job.transitions[-1]["EndTime"] == 200.0
    assert (job.status, job.secondary, job.outcome) == ("Completed", "Completed", Outcome.COMPLETED)


def test_only_the_last_entry_of_a_live_job_is_open() -> None:
    job = through("Starting", "Training")
    assert ["EndTime" in entry for entry in job.transitions] == [True, True, False]
    assert job.transitions[-1]["Status"] == job.secondary


def test_a_stopped_job_saves_what_it_has_and_stays_stopping_meanwhile() -> None:
    job = training.enter(through("Training", "stop"), "Uploading", Phase.PACKING, 150.0)
    assert (job.status, job.secondary) == ("Stopping", "Uploading")
    job = training.complete(job, 151.0)
    assert (job.status, job.secondary, job.outcome) == ("Stopped", "Stopped", Outcome.STOPPED)


def test_a_job_that_ran_too_long_says_so() -> None:
    job = training.ask_to_stop(through("Training"), StopReason.MAX_RUNTIME, 150.0)
    job = training.complete(job, 151.0)
    assert (job.status, job.secondary) == ("Stopped", "MaxRuntimeExceeded")


@pytest.mark.parametrize("end", ["complete", "fail", "stop", "enter"])
def test_nothing_follows_the_end(end: str) -> None:
    job = training.complete(through("Training"), 200.0)
    with pytest.raises(IllegalMove):
        match end:
            case "complete":
                training.complete(job, 201.0)
            case "fail":
                training.fail(job, "why", 201.0)
            case "stop":
                training.ask_to_stop(job, StopReason.USER, 201.0)
            case _:
                training.enter(job, "Training", Phase.RUNNING, 201.0)


def test_a_failure_reason_is_cut_to_what_the_api_takes() -> None:
    job = training.fail(through("Training"), "x" * 5000, 200.0)
    assert job.failure == "x" * 1024
    assert job.outcome is Outcome.NON_RETRYABLE
    assert training.fail(through("Training"), "x", 200.0, retryable=True).outcome is Outcome.RETRYABLE


def test_another_try_starts_afresh() -> None:
    job = replace(through("Training"), cursor=99, started=101.0, latest={"auc": (0.5, 120.0)})
    job = training.retry(job, 150.0)
    assert (job.attempt, job.cursor, job.started, job.latest, job.phase) == (2, 0, None, None, Phase.WAITING)
    assert (job.secondary, job.used) == ("Restarting", 49.0)
    assert training.retry(replace(job, started=200.0), 210.0).used == 59.0


@pytest.mark.parametrize(
    ("phase", "stop", "instruction"),
    [
        (Phase.WAITING, None, Begin()),
        (Phase.WAITING, StopReason.USER, EndUnstarted()),
        (Phase.STAGING, None, Stage()),
        (Phase.STAGING, StopReason.USER, EndUnstarted()),
        (Phase.RUNNING, None, Watch(stop=False)),
        (Phase.RUNNING, StopReason.TUNING, Watch(stop=True)),
        (Phase.PACKING, None, Pack()),
        (Phase.PACKING, StopReason.USER, Pack()),
        (Phase.ENDED, None, Rest()),
    ],
)
def test_what_comes_next(phase: Phase, stop: StopReason | None, instruction: Instruction) -> None:
    assert decide(replace(training.created(1.0), phase=phase, stop=stop)) == instruction


def test_a_job_that_the_system_broke_is_stopped_first() -> None:
    job = replace(through("Training"), phase=Phase.RUNNING, failure="why", broken=True)
    assert decide(job) == Watch(stop=True)


def test_a_job_survives_being_stored() -> None:
    job = replace(
        training.fail(through("Training"), "why", 200.0),
        latest={"auc": (0.5, 150.0)},
        tuned={"eta": "0.1"},
        objective="auc",
        stop=StopReason.USER,
    )
    assert TrainingJob.parse(job.dump()) == job


def test_the_objective_counts_only_for_jobs_that_ended_well() -> None:
    job = replace(through("Training"), latest={"auc": (0.5, 150.0)}, objective="auc")
    assert job.objective_value() is None
    assert training.complete(job, 200.0).objective_value() == 0.5
    assert training.fail(job, "why", 200.0).objective_value() is None
    assert training.complete(training.ask_to_stop(job, StopReason.USER, 199.0), 200.0).objective_value() == 0.5
