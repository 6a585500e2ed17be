"""The engine as a whole, in trouble: long work, lost leases, silent hosts, an object store that is away."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import rows
from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.domain.tuning import TuningJob
from pegbox.domain.tuning_request import normalise
from pegbox.engine.context import Context
from pegbox.engine.loop import Engine
from pegbox.engine.mailbox import Mailbox
from pegbox.engine.owners import Owner
from pegbox.engine.proposer import Answer, Closing, Proposer, Question
from pegbox.executors.base import Executor, Observation
from pegbox.objects.base import ObjectStore, Unreachable
from pegbox.store.base import Beat, Store, Unavailable
from pegbox.testing.requests import LOSS, tuning_request
from running import wait_for

DEADLINE = 30.0


@contextmanager
def running(context: Context, **settings: Any) -> Iterator[Engine]:
    mailbox = Mailbox()
    given = {"tick": 0.05, "lease": 5.0, **settings}
    engine = Engine(replace(context, settings=replace(context.settings, **given), poke=mailbox.poke), mailbox)
    engine.start()
    yield engine
    engine.stop(5)


def insert(context: Context, tmp_path: Path, script: str = "pass", name: str = "job", **columns: Any) -> int:
    """Of a job with a channel; `job` are changes of its state."""
    program = [sys.executable, "-c", script]
    document = rows.training_document(
        tmp_path,
        name,
        AlgorithmSpecification={"TrainingImage": "any", "TrainingInputMode": "File", "ContainerEntrypoint": program},
        InputDataConfig=[rows.channel_of(tmp_path)],
    )
    job = replace(training.created(1.0), **columns.pop("job", {}))
    return rows.insert(context, document, job, name, **columns).id


def insert_search(context: Context, tmp_path: Path, name: str) -> None:
    request = tuning_request(name, "any", f"file://{tmp_path}/output", jobs=1, at_once=1)
    job = TuningJob(most=1, at_once=1, seconds=None, created=1.0, seed=1)
    rows.insert(context, normalise(request, [[LOSS]]), job, name)


def has_ended(context: Context, identity: int) -> Callable[[], bool]:
    return lambda: rows.read(context, identity)[1].phase is Phase.ENDED


class Watched:
    """An executor that counts how often an attempt was looked at."""

    def __init__(self, inner: Executor) -> None:
        self._inner, self.looks = inner, 0

    def observe(self, *arguments: Any) -> Observation:
        self.looks += 1
        return self._inner.observe(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def training_on(context: Context, tmp_path: Path) -> Iterator[tuple[Watched, int, Path]]:
    """An executor, and a job that trains until a file is there."""
    watched, go = Watched(context.executor), tmp_path / "go"
    script = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    identity = insert(context, tmp_path, script)
    try:
        yield watched, identity, go
    finally:
        go.touch()


class SlowStore:
    """An object store whose fetches wait at a gate, and are counted."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.gate = threading.Event()
        self.begun = 0

    def fetch(self, *arguments: Any) -> None:
        self.begun += 1
        self.gate.wait(DEADLINE)
        self._inner.fetch(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class AwayStore:
    """An object store that cannot store anything for a while."""

    def __init__(self, inner: ObjectStore, times: int) -> None:
        self._inner, self.left = inner, times

    def put(self, *arguments: Any) -> str:
        if self.left > 0:
            self.left -= 1
            raise Unreachable("the object store is away")
        return self._inner.put(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class FlappingStore:
    """A database that does not answer those who look, as often as the test says."""

    def __init__(self, inner: Store) -> None:
        self._inner, self.left = inner, 0

    def reading(self) -> Any:
        if self.left > 0:
            self.left -= 1
            raise Unavailable("cut")
        return self._inner.reading()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_a_step_that_goes_on_is_not_begun_again_when_the_database_is_away(context: Context, tmp_path: Path) -> None:
    slow, store = SlowStore(context.objects), FlappingStore(context.store)
    identity = insert(context, tmp_path)
    with running(replace(context, objects=slow, store=store), tick=0.01):
        wait_for("the transfers", lambda: slow.begun == 1)
        store.left = 5
        wait_for("the store", lambda: store.left == 0)
        slow.gate.set()
        wait_for("the end", has_ended(context, identity))
    assert slow.begun == 1
    assert rows.read(context, identity)[0].status == "Completed"


def test_work_in_hand_is_not_begun_again_when_its_lease_is_lost(context: Context, tmp_path: Path) -> None:
    slow = SlowStore(context.objects)
    identity = insert(context, tmp_path)
    with running(replace(context, objects=slow), lease=0.3):
        wait_for("the transfers", lambda: slow.begun == 1)
        for _ in range(3):
            with sqlite3.connect(tmp_path / "pegbox.db", isolation_level=None) as other:
                other.execute("BEGIN IMMEDIATE")  # no lease can be renewed now
                time.sleep(0.5)
                other.execute("ROLLBACK")
            time.sleep(0.2)
        assert slow.begun == 1
        slow.gate.set()
        wait_for("the end", has_ended(context, identity))
    assert rows.read(context, identity)[0].status == "Completed"


def test_a_job_that_trains_is_claimed_once_and_looked_at_again_and_again(context: Context, tmp_path: Path) -> None:
    with training_on(context, tmp_path) as (watched, identity, go), running(replace(context, executor=watched)):
        wait_for("the training", lambda: rows.read(context, identity)[1].started)
        epoch, seen = rows.read(context, identity)[0].epoch, watched.looks
        wait_for("more looks", lambda: watched.looks > seen + 3)
        assert rows.read(context, identity)[0].epoch == epoch
        go.touch()
        wait_for("the end", has_ended(context, identity))
        assert rows.read(context, identity)[0].epoch == epoch
        wait_for("its lease to be given up", lambda: context.store.owners() == [])


def test_a_stop_of_a_job_that_trains_is_heard_from_another_server(context: Context, tmp_path: Path) -> None:
    with training_on(context, tmp_path) as (watched, identity, _), running(replace(context, executor=watched)):
        wait_for("the training", lambda: rows.read(context, identity)[1].started)
        with context.store.transaction() as tx:
            row = tx.by_id(identity)
            job = training.ask_to_stop(TrainingJob.parse(row.state), training.StopReason.USER, 2.0)
            tx.save(replace(row, status=job.status, state=job.dump()))
            tx.mark_due([identity])
        wait_for("the end", has_ended(context, identity))
    assert rows.read(context, identity)[0].status == "Stopped"


def test_a_job_that_trains_is_let_go_of_when_the_engine_stops(context: Context, tmp_path: Path) -> None:
    with training_on(context, tmp_path) as (watched, identity, go):
        with running(replace(context, executor=watched)):
            wait_for("the training", lambda: rows.read(context, identity)[1].started)
        assert context.store.owners() == []
        go.touch()
        with running(context):
            wait_for("the end", has_ended(context, identity))


def test_a_job_that_trains_and_was_taken_by_another_server_is_left_to_it(context: Context, tmp_path: Path) -> None:
    with training_on(context, tmp_path) as (watched, identity, go):
        with running(replace(context, executor=watched)) as engine:
            wait_for("the training", lambda: rows.read(context, identity)[1].started)
            (owner,) = context.store.owners()
            context.store.expire(owner)
            (taken,) = context.store.claim("another", context.host, 3600, 10)
            seen = watched.looks
            go.touch()
            assert engine.stop(10)
            assert watched.looks <= seen + 1  # one that had begun
        row, job = rows.read(context, identity)
        assert (row.epoch, job.phase) == (taken.epoch, Phase.RUNNING)


def test_long_transfers_of_all_slots_leave_room_for_the_rest(context: Context, tmp_path: Path) -> None:
    slow = SlowStore(context.objects)
    for number in range(2):
        insert(context, tmp_path, name=f"slow-{number}")
    with running(replace(context, objects=slow)):
        wait_for("the transfers", lambda: slow.begun == 2)
        waiting = insert(context, tmp_path, name="waiting")
        stopped = insert(context, tmp_path, name="stopped")
        with context.store.transaction() as tx:
            row = tx.by_id(stopped)
            job = training.ask_to_stop(TrainingJob.parse(row.state), training.StopReason.USER, 2.0)
            tx.save(replace(row, status=job.status, state=job.dump()))
            tx.mark_due([stopped])
        wait_for("the end", has_ended(context, stopped))
        assert rows.read(context, waiting)[1].phase is Phase.WAITING
        slow.gate.set()
        wait_for("the end", has_ended(context, waiting))


def test_a_finished_model_outlasts_trouble_with_the_object_store(context: Context, tmp_path: Path) -> None:
    script = "import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('weights')"
    away = AwayStore(context.objects, times=6)
    identity = insert(context, tmp_path, script)
    with running(replace(context, objects=away), tick=0.01, patience=0.0):
        wait_for("the end", has_ended(context, identity))
    assert away.left == 0
    assert rows.read(context, identity)[0].status == "Completed"
    assert (tmp_path / "output" / "job" / "output" / "model.tar.gz").exists()


def test_a_job_of_a_home_that_is_gone_fails_and_gives_its_slot_back(context: Context, tmp_path: Path) -> None:
    lost = {"phase": Phase.RUNNING, "secondary": "Training", "home": str(tmp_path / "gone"), "started": 1.0}
    identity = insert(context, tmp_path, host="a-home-that-is-gone", job=lost)
    with running(context):
        wait_for("the end", has_ended(context, identity))
    row, job = rows.read(context, identity)
    assert (row.status, row.host, job.outcome) == ("Failed", None, training.Outcome.RETRYABLE)
    assert job.failure is not None
    assert job.failure.startswith("InternalServerError")


def test_a_job_of_a_home_that_lives_is_left_alone(context: Context, tmp_path: Path) -> None:
    lost = {"phase": Phase.RUNNING, "secondary": "Training", "home": str(tmp_path / "there"), "started": 1.0}
    context.store.beat("there")
    theirs = insert(context, tmp_path, name="theirs", host="there", job=lost)
    ours = insert(context, tmp_path, name="ours")
    with running(context):
        wait_for("the end", has_ended(context, ours))
    assert rows.read(context, theirs)[1].phase is Phase.RUNNING


@pytest.mark.parametrize("busy", [False, True])
def test_the_engine_stops_in_time_and_says_whether_it_was_idle(context: Context, tmp_path: Path, busy: bool) -> None:
    slow = SlowStore(context.objects)
    with running(replace(context, objects=slow)) as engine:
        if busy:
            insert(context, tmp_path)
            wait_for("the transfers", lambda: slow.begun == 1)
        began = time.monotonic()
        assert engine.stop(1.0) is not busy
        assert time.monotonic() - began < 5
        slow.gate.set()
        assert engine.stop(10.0)


def test_what_was_given_up_is_looked_for_until_the_database_answers(context: Context, tmp_path: Path) -> None:
    job = {"phase": Phase.RUNNING, "home": "/elsewhere", "attempt": 2}
    identity = insert(context, tmp_path, host="elsewhere", job=job)
    context.store.beat("elsewhere")
    given_up = context.settings.home / "attempts" / str(identity) / "1"
    (given_up / "algo-1" / "ml").mkdir(parents=True)
    (given_up / "attempt.json").write_text("{}")
    store = FlappingStore(context.store)
    store.left = 1
    with running(replace(context, store=store)):
        wait_for("the removal", lambda: not (given_up / "algo-1").exists())
    assert store.left == 0


class SteppedStore:
    """A database whose clock is stepped, and which knows when it was asked for work."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.ahead = 0.0
        self.told: list[tuple[float, float]] = []  # (monotonic, how far ahead the clock was)
        self.asked: list[float] = []  # monotonic

    def beat(self, host: str) -> Beat:
        ahead = self.ahead
        beat = self._inner.beat(host)
        self.told.append((time.monotonic(), ahead))
        return replace(beat, at=beat.at + ahead)

    def claim(self, *arguments: Any, **more: Any) -> Any:
        self.asked.append(time.monotonic())
        return self._inner.claim(*arguments, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("step", [60.0, -60.0])
def test_after_a_step_of_the_clock_other_homes_may_beat_before_anything_is_claimed(
    context: Context, step: float
) -> None:
    store, lease = SteppedStore(context.store), 1.0
    with running(replace(context, store=store), lease=lease):
        wait_for("the store", lambda: store.asked)
        store.ahead = step
        wait_for("the store", lambda: store.told[-1][1] == step)
        since = next(at for at, ahead in store.told if ahead == step)
        wait_for("the store", lambda: store.asked[-1] > since + 0.02)
        asked = next(at for at in store.asked if at > since + 0.02)  # a look that had begun may still come
        assert asked >= since + lease / 2


def test_the_beats_of_another_server_of_the_home_are_no_step_of_the_clock(context: Context) -> None:
    """They change how long ago the home has beaten, by a third of the lease, and say nothing of the clock."""
    store = SteppedStore(context.store)
    with capture_logs() as log, running(replace(context, store=store), lease=0.3):
        for seconds in (-20, 20):
            wait_for("the store", lambda: len(store.told) > 1)
            with context.store.transaction() as tx:
                store.told.clear()
                tx.connection.exec_driver_sql(f"UPDATE host SET seen_at = seen_at + {seconds}")
        wait_for("the store", lambda: len(store.told) > 1)
    assert [line["event"] for line in log if line["log_level"] == "warning"] == []


def test_a_dead_server_of_the_same_home_is_not_waited_for(context: Context, tmp_path: Path) -> None:
    dead = Owner(context.host, context.settings.home, os.getpid())  # with our own pid, as in a container
    identity = insert(context, tmp_path)
    assert len(context.store.claim(dead.name, context.host, 3600, 10)) == 1
    with running(context):
        wait_for("the end", has_ended(context, identity))


def test_tuning_jobs_that_wait_for_a_strategy_leave_room_for_training_jobs(context: Context, tmp_path: Path) -> None:
    gate = threading.Event()

    class Silent:
        """A proposer that does not answer yet."""

        def ask(self, _: object) -> Any:
            gate.wait(DEADLINE)
            raise Closing

        def close(self) -> None:
            pass

    for number in range(20):
        insert_search(context, tmp_path, f"search-{number}")
    try:
        with running(replace(context, proposer=Silent())):
            wait_for("the end", has_ended(context, insert(context, tmp_path)))
    finally:
        gate.set()


class Thinking:
    """A proposer that answers its first question, and thinks about the others until it is closed."""

    def __init__(self, inner: Proposer) -> None:
        self._inner, self.gate = inner, threading.Event()
        self.asked = 0

    def ask(self, question: Question) -> Answer:
        self.asked += 1
        if self.asked > 1:
            self.gate.wait()
            raise Closing
        return self._inner.ask(replace(question, count=3))

    def close(self) -> None:
        self.gate.set()


@contextmanager
def thinking(context: Context) -> Iterator[Thinking]:
    proposer = Thinking(context.proposer)
    try:
        yield proposer
    finally:
        proposer.close()


def insert_hyperband(context: Context, tmp_path: Path, name: str, script: str, jobs: int = 4) -> int:
    """A search that compares its first three jobs at their first value, and has a place for one more."""
    request = tuning_request(name, "any", f"file://{tmp_path}/output", jobs=jobs, at_once=jobs)
    request["HyperParameterTuningJobConfig"] |= {
        "Strategy": "Hyperband",
        "StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 2}},
    }
    algorithm = request["TrainingJobDefinition"]["AlgorithmSpecification"]
    algorithm["ContainerEntrypoint"] = [sys.executable, "-c", script]
    job = TuningJob(most=jobs, at_once=jobs, seconds=None, created=1.0, seed=1)
    return rows.insert(context, normalise(request, [[LOSS]]), job, name).id


def statuses(context: Context, search: int) -> list[str]:
    with context.store.reading() as tx:
        return sorted(child.status for child in tx.children(search))


def test_verdicts_do_not_wait_for_strategies(context: Context, tmp_path: Path) -> None:
    """Not for the search's own, nor for those of as many others as there are."""
    go = tmp_path / "go"
    script = (
        "import json, pathlib, time\n"
        "x = json.load(open('/opt/ml/input/config/hyperparameters.json'))['x']\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
        "print(f'loss={x};', flush=True)\n"
        f"while pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)\n"
    )
    context = replace(context, settings=replace(context.settings, slots=3))
    with thinking(context) as proposer, running(replace(context, proposer=proposer)):
        search = insert_hyperband(context, tmp_path, "search", script)
        wait_for("the training", lambda: statuses(context, search) == ["InProgress"] * 3)
        for number in range(5):
            insert_search(context, tmp_path, f"other-{number}")
        wait_for("the question", lambda: proposer.asked > 1)
        go.touch()
        wait_for("the verdicts", lambda: statuses(context, search).count("Stopped") == 2, DEADLINE)
        assert statuses(context, search) == ["InProgress", "Stopped", "Stopped"]
        go.unlink()
        wait_for("the end", lambda: statuses(context, search) == ["Completed", "Stopped", "Stopped"])


def test_a_late_answer_is_used_once_it_is_there(context: Context, tmp_path: Path) -> None:
    asked, gate = threading.Event(), threading.Event()
    inner = context.proposer

    class Slow:
        """A proposer that takes its time."""

        def ask(self, question: Question) -> Answer:
            asked.set()
            gate.wait(DEADLINE)
            return inner.ask(question)

        def close(self) -> None:
            pass

    with running(replace(context, proposer=Slow())):
        search = insert_hyperband(context, tmp_path, "search", "print('loss=1;')", jobs=2)
        assert asked.wait(DEADLINE)
        assert statuses(context, search) == []
        gate.set()
        wait_for("the end", lambda: statuses(context, search) == ["Completed", "Completed"])


def test_a_log_that_cannot_be_written_stops_no_work(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pegbox.observe.logging import configure\n"
        "import structlog\n"
        "configure('info')\n"
        "structlog.get_logger().warning('lost')\n"
        "os._exit(7)\n"
    )
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", program], stderr=full).returncode == 7


class LateProposer:
    """Answers everybody at once, when the gate opens."""

    def __init__(self, inner: Proposer) -> None:
        self._inner, self.gate = inner, threading.Event()

    def ask(self, question: Question) -> Answer:
        self.gate.wait(DEADLINE)
        return self._inner.ask(question)

    def close(self) -> None:
        self._inner.close()


def test_who_was_poked_while_there_was_no_room_is_looked_at_when_there_is(context: Context, tmp_path: Path) -> None:
    """All searches have their answers at once, and are due long after it."""
    late = LateProposer(context.proposer)
    for number in range(20):
        insert_search(context, tmp_path, f"search-{number}")

    def count(condition: str) -> int:
        with sqlite3.connect(tmp_path / "pegbox.db") as database:
            found: int = database.execute(f"SELECT count(*) FROM resource WHERE {condition}").fetchone()[0]
        return found

    with running(replace(context, proposer=late), tick=2 * DEADLINE, lease=4 * DEADLINE):
        wait_for("the questions", lambda: count("parent_id IS NULL AND epoch > 0 AND lease_owner IS NULL") == 20)
        late.gate.set()
        wait_for("the training jobs", lambda: count("parent_id IS NOT NULL") == 20)
