"""Searches that wait for their strategies: what goes on meanwhile, and what becomes of late answers."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import rows
from engines import DEADLINE, has_ended, insert, running
from pegbox.domain.tuning import TuningJob
from pegbox.domain.tuning_request import normalise
from pegbox.engine.context import Context
from pegbox.engine.proposer import Answer, Closing, Proposer, Question
from pegbox.testing.requests import LOSS, tuning_request
from running import wait_for


def insert_search(context: Context, tmp_path: Path, name: str) -> None:
    request = tuning_request(name, "any", f"file://{tmp_path}/output", jobs=1, at_once=1)
    job = TuningJob(most=1, at_once=1, seconds=None, created=1.0, seed=1)
    rows.insert(context, normalise(request, [[LOSS]]), job, name)


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
        "print(f'loss={x};', f'loss={x};', sep='\\n', flush=True)  # nobody is judged before a second value\n"
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
