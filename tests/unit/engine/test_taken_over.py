"""Jobs of a home that is gone: what nobody can see from here is begun again or lost, never gone on with unseen."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rows
from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine import homes, staging
from pegbox.engine.context import Context, attempt_directory
from pegbox.engine.training import TrainingWork
from running import wait_for


class Crash(BaseException):
    """Stands for kill -9."""


class DyingStore:
    """An object store whose server dies when all inputs are there but the source code."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def open(self, *_: object) -> Any:
        raise Crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def document(tmp_path: Path, source: str, **changes: Any) -> dict[str, Any]:
    """Of a job with a channel and a script, which tells each of its starts to a file outside all homes."""
    script = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')\n{source}"
    return rows.script_document(tmp_path, script, InputDataConfig=[rows.channel_of(tmp_path)], **changes)


def insert(context: Context, document: dict[str, Any], host: str | None = None, **job: Any) -> int:
    return rows.insert(context, document, replace(training.created(1.0), **job), host=host).id


def turn(context: Context, identity: int) -> TrainingJob:
    """One turn of the engine, for which every other home is silent; the job as it is then."""
    context.store.beat(context.host)
    (row,) = context.store.claim("me", context.host, 60, 1, [identity], silence=0)
    context.store.release(row, TrainingWork(context, row).run())
    return rows.read(context, identity)[1]


def ended(context: Context, identity: int) -> TrainingJob:
    wait_for("the job", lambda: turn(context, identity).phase is Phase.ENDED)
    return rows.read(context, identity)[1]


@pytest.mark.parametrize("place", ["home", "other"], ids=["equal path", "other path"])
def test_a_job_whose_inputs_were_being_brought_elsewhere_is_begun_again_here(
    context: Context, tmp_path: Path, place: str
) -> None:
    """Its first home comes back and finds that it has nothing to do with the job any more."""
    gate = tmp_path / "gate"
    source = (
        "import os, pathlib, time\n"
        "print(os.listdir(os.environ['SM_CHANNEL_TRAIN']), flush=True)\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
    )
    theirs_at = rows.a_home(tmp_path / place, "theirs")
    settings = replace(context.settings, home=theirs_at)
    theirs = replace(context, host="theirs", settings=settings, objects=DyingStore(context.objects))
    identity = insert(context, document(tmp_path, source))
    with pytest.raises(Crash):
        turn(theirs, identity)
    litter = attempt_directory(str(theirs_at), identity, 1) / "staging.1"
    litter.mkdir(exist_ok=True)  # of a server that did not live to remove it
    assert rows.read(context, identity)[1].phase is Phase.STAGING
    with context.store.reading() as tx:
        context.store.release(tx.by_id(identity), 0)
    elsewhere = theirs_at.rename(tmp_path / "elsewhere")
    ours = rows.a_home(context.settings.home, context.host)
    job = turn(context, identity)
    assert (rows.read(context, identity)[0].host, job.phase, job.secondary) == (None, Phase.WAITING, "Pending")
    wait_for("the job", lambda: turn(context, identity).started)
    job = rows.read(context, identity)[1]
    assert (rows.read(context, identity)[0].host, job.home, job.attempt) == (context.host, str(ours), 1)
    if place == "other":
        assert not theirs_at.exists()
        elsewhere.rename(theirs_at)
        assert homes.tidy(theirs)
        assert not litter.exists()
    gate.touch()
    assert ended(context, identity).status == "Completed"
    assert (attempt_directory(str(ours), identity, 1) / "algo-1.log").read_text() == "['file']\n"
    assert (tmp_path / "starts").read_text() == "x"


def test_what_was_brought_for_a_job_that_another_home_of_the_same_path_has_is_litter(
    context: Context, tmp_path: Path
) -> None:
    home = rows.a_home(context.settings.home, context.host)
    identity = insert(context, document(tmp_path, ""), host="theirs", phase=Phase.RUNNING, home=str(home))
    directory = attempt_directory(str(home), identity, 1)
    (directory / "staging.1").mkdir(parents=True)
    later = directory.with_name("2")  # begun by a server of ours that was quicker than our look into the database
    (later / "algo-1" / "ml").mkdir(parents=True)
    assert homes.tidy(context)
    assert not (directory / "staging.1").exists()
    assert (later / "algo-1" / "ml").exists()


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.PACKING])
@pytest.mark.parametrize("place", ["home", "other"], ids=["equal path", "other path"])
@pytest.mark.parametrize("more", ["fails", "is tried again", "was stopped"])
def test_a_job_that_had_been_started_elsewhere_is_lost(
    context: Context, tmp_path: Path, phase: Phase, place: str, more: str
) -> None:
    rows.a_home(context.settings.home, context.host)
    changes = {"RetryStrategy": {"MaximumRetryAttempts": 1}} if more == "is tried again" else {}
    job = replace(
        training.enter(training.created(1.0), "Training", phase, 2.0), home=str(tmp_path / place), started=2.0
    )
    if more == "was stopped":
        job = training.ask_to_stop(job, training.StopReason.USER, 3.0)
    given = {name: getattr(job, name) for name in job.__slots__}
    identity = insert(context, document(tmp_path, "", **changes), host="theirs", **given)
    leftover = attempt_directory(str(context.settings.home), identity, 1)  # of ours, from before the other had the job
    (leftover / "algo-1" / "ml" / "model").mkdir(parents=True)
    job = turn(context, identity)
    assert not (tmp_path / "output").exists()
    if more == "is tried again":
        assert (job.phase, job.attempt) == (Phase.WAITING, 2)
        assert ended(context, identity).status == "Completed"
        assert (tmp_path / "starts").read_text() == "x"
        return
    assert job.status == ("Failed" if more == "fails" else "Stopped")
    assert (job.failure or "").startswith("InternalServerError" if more == "fails" else "")
    assert not (tmp_path / "starts").exists()


def test_a_job_whose_outputs_have_gone_is_lost(context: Context, tmp_path: Path) -> None:
    home = rows.a_home(context.settings.home, context.host)
    job = {"phase": Phase.PACKING, "secondary": "Uploading", "home": str(home), "started": 2.0}
    identity = insert(context, document(tmp_path, ""), host=context.host, **job)
    lost = turn(context, identity)
    assert (lost.status, lost.outcome) == ("Failed", training.Outcome.RETRYABLE)


def test_a_home_below_a_folder_of_another_user_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    home = rows.a_home(folder / "home", "theirs")
    attempt = home / "attempts" / "1" / "1"
    attempt.mkdir(parents=True)
    assert homes.is_there(home, "theirs")
    if os.geteuid() != 0:
        folder.chmod(0)
        assert (homes.is_there(home, "theirs"), staging.passing(attempt)) == (False, [])
        folder.chmod(0o700)
        return
    folder.chmod(0o700)
    if (child := os.fork()) == 0:
        seen = True
        try:
            os.setuid(65534)
            seen = homes.is_there(home, "theirs") or bool(staging.passing(attempt))
        finally:
            os._exit(seen)
    assert os.waitpid(child, 0)[1] == 0
