"""Homes nearby, and what must not go on in our own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rows
from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine import homes
from pegbox.engine.context import Context, attempt_directory
from pegbox.engine.training import TrainingWork
from pegbox.executors.base import Attempt, Program
from pegbox.executors.base import Phase as Seen
from pegbox.store.base import Stale
from running import wait_for


def insert(context: Context, job: TrainingJob, name: str = "job", **columns: Any) -> int:
    return rows.insert(context, rows.training_document(context.settings.home), job, name, **columns).id


def test_a_silent_home_on_this_machine_is_near(context: Context, tmp_path: Path) -> None:
    home = rows.a_home(tmp_path / "theirs", "theirs")
    job = replace(training.created(1.0), phase=Phase.RUNNING, home=str(home))
    insert(context, job, host="theirs")
    assert homes.near(context) == {"theirs"}
    context.store.beat("theirs")
    assert homes.near(context) == frozenset()


@pytest.mark.parametrize("before", [None, "elsewhere"], ids=["none yet", "an earlier one"])
def test_a_home_is_near_if_any_of_its_jobs_names_it(context: Context, tmp_path: Path, before: str | None) -> None:
    home = rows.a_home(tmp_path / "theirs", "theirs")
    earlier = str(rows.a_home(tmp_path / before, before)) if before else None
    names = [earlier, str(home), earlier]
    for number, named in enumerate(names):
        job = replace(training.created(1.0), phase=Phase.RUNNING if named else Phase.WAITING, home=named)
        insert(context, job, name=f"job-{number}", host="theirs")
    assert homes.near(context) == {"theirs"}


def test_a_job_that_a_silent_home_has_not_begun_waits_again(context: Context) -> None:
    """Neither the home nor the machine that it is on has to be known."""
    waiting = training.created(1.0)
    states = {
        "new": waiting,
        "again": replace(waiting, attempt=2, home="/nowhere"),
        "stopping": training.ask_to_stop(waiting, training.StopReason.USER, 2.0),
        "running": replace(waiting, phase=Phase.RUNNING, home="/nowhere"),
    }
    made = {name: insert(context, job, name=name, host="theirs") for name, job in states.items()}
    context.store.beat("theirs")
    homes.give_back(context)
    assert hosts(context, made) == dict.fromkeys(states, "theirs")
    with context.store.transaction() as tx:  # beaten long ago
        tx.connection.exec_driver_sql("UPDATE host SET seen_at = seen_at - 20")
    homes.give_back(context)
    assert hosts(context, made) == {"new": None, "again": None, "stopping": None, "running": "theirs"}
    taken = context.store.claim("us", context.host, 60, 10, slots=1)
    assert {row.name for row in taken} == {"new", "stopping"}


def test_a_home_that_wakes_when_its_job_waits_again_begins_nothing(context: Context, tmp_path: Path) -> None:
    theirs = replace(context, host="theirs", settings=replace(context.settings, home=tmp_path / "theirs"))
    identity = insert(context, training.created(1.0))
    (row,) = context.store.claim("they", "theirs", 60, 1, [identity])
    homes.give_back(context)
    with pytest.raises(Stale):
        TrainingWork(theirs, row).run()
    with context.store.reading() as tx:
        found = tx.by_id(identity)
    assert (found.host, TrainingJob.parse(found.state).phase) == (None, Phase.WAITING)


def hosts(context: Context, made: dict[str, int]) -> dict[str, str | None]:
    with context.store.reading() as tx:
        return {name: tx.by_id(identity).host for name, identity in made.items()}


@pytest.mark.parametrize("change", ["identity", "boot", "no boot", "gone"])
def test_a_home_elsewhere_is_not_near(tmp_path: Path, change: str) -> None:
    home = rows.a_home(tmp_path / "theirs", "theirs")
    assert homes.is_near(home, "theirs")
    if change == "identity":
        (home / homes.IDENTITY).write_text("another")
    elif change == "boot":
        (home / homes.BOOT).write_text("another")
    elif change == "no boot":
        (home / homes.BOOT).unlink()
    else:
        home = tmp_path / "nothing"
    assert not homes.is_near(home, "theirs")


def start(context: Context, identity: int, attempt: int) -> Path:
    """An attempt whose program would go on for a minute."""
    directory = attempt_directory(str(context.settings.home), identity, attempt)
    (directory / "algo-1" / "ml").mkdir(parents=True)
    context.executor.start(
        Attempt(
            id=f"{identity}-{attempt}",
            directory=directory,
            job_name="job",
            job_arn="arn",
            region="us-east-1",
            program=Program(argv=("sleep", "60")),
            hyperparameters={},
            environment={},
            channels={},
            metrics=[],
            instance_count=1,
            instance_type="local",
            checkpoint_path=None,
            max_runtime=None,
            grace=5.0,
        )
    )
    wait_for("the program", lambda: context.executor.observe(directory, 0).phase is Seen.RUNNING)
    return directory


def test_only_what_is_given_up_is_ended(context: Context) -> None:
    home = str(context.settings.home)
    job = replace(training.created(1.0), phase=Phase.RUNNING, attempt=2, home=home)
    identity = insert(context, job, host=context.host)
    given_up, wanted = (start(context, identity, attempt) for attempt in (1, 2))
    assert not homes.tidy(context)
    wait_for("nothing to tidy", lambda: homes.tidy(context))
    assert (given_up / "exit.json").exists()
    assert not (given_up / "algo-1" / "ml").exists()
    assert context.executor.observe(wanted, 0).phase is Seen.RUNNING
    assert (wanted / "algo-1").exists()
    with context.store.transaction() as tx:
        row = tx.by_id(identity)
        ended = training.complete(training.ask_to_stop(job, training.StopReason.USER, 2.0), 3.0)
        tx.save(replace(row, status=ended.status, state=ended.dump(), ended_at=3.0, host=None))
    wait_for("nothing to tidy", lambda: homes.tidy(context))
    assert (wanted / "exit.json").exists()
    assert not (wanted / "algo-1").exists()


def test_a_failure_of_ours_keeps_the_last_attempt_and_no_earlier_one(context: Context) -> None:
    home = str(context.settings.home)
    job = replace(training.created(1.0), phase=Phase.PACKING, attempt=2, home=home, broken=True)
    identity = insert(context, training.fail(job, "InternalServerError: ours.", 3.0), ended_at=3.0)
    given_up, kept = (attempt_directory(home, identity, attempt) for attempt in (1, 2))
    for directory in (given_up, kept):
        (directory / "algo-1" / "ml").mkdir(parents=True)
        (directory / "attempt.json").write_text("{}")
    assert homes.tidy(context)
    assert not (given_up / "algo-1" / "ml").exists()
    assert (kept / "algo-1" / "ml").exists()


def test_what_runs_on_after_a_failure_of_ours_is_ended_and_keeps_what_it_made(context: Context) -> None:
    """Its end could not be asked for when the job was given up."""
    home = str(context.settings.home)
    job = replace(training.created(1.0), phase=Phase.RUNNING, home=home, broken=True)
    identity = insert(context, training.fail(job, "InternalServerError: ours.", 3.0), ended_at=3.0)
    left = start(context, identity, 1)
    made = left / "algo-1" / "ml" / "model" / "weights"
    made.parent.mkdir(exist_ok=True)
    made.touch()
    assert not homes.tidy(context)
    wait_for("nothing to tidy", lambda: homes.tidy(context))
    assert (left / "exit.json").exists()
    assert made.exists()


def test_an_attempt_that_never_started_is_no_reason_to_look_again(context: Context) -> None:
    home = str(context.settings.home)
    job = replace(training.created(1.0), phase=Phase.STAGING, home=home)
    ended = training.complete(training.ask_to_stop(job, training.StopReason.USER, 2.0), 3.0)
    identity = insert(context, ended, ended_at=3.0)
    directory = attempt_directory(home, identity, 1)
    (directory / "algo-1" / "ml").mkdir(parents=True)
    assert homes.tidy(context)
    assert os.listdir(directory) == ["stop"]
