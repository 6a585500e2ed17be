"""The engine as a whole, in trouble: long work, lost leases, silent hosts, an object store that is away."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import rows
from engines import FlappingStore, SlowStore, ask_to_stop, has_ended, insert, running
from pegbox.domain import training
from pegbox.domain.training import Phase
from pegbox.engine.context import Context
from pegbox.engine.owners import Owner
from pegbox.objects.base import ObjectStore, Unreachable
from pegbox.store.base import Beat, Store
from running import wait_for


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


def test_long_transfers_of_all_slots_leave_room_for_the_rest(context: Context, tmp_path: Path) -> None:
    slow = SlowStore(context.objects)
    for number in range(2):
        insert(context, tmp_path, name=f"slow-{number}")
    with running(replace(context, objects=slow)):
        wait_for("the transfers", lambda: slow.begun == 2)
        waiting = insert(context, tmp_path, name="waiting")
        stopped = insert(context, tmp_path, name="stopped")
        ask_to_stop(context, stopped)
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
