"""Jobs that train: the engine keeps their leases between two looks, and hears what happens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rows
from engines import DEADLINE, ask_to_stop, has_ended, insert, running
from pegbox.domain.training import Phase
from pegbox.engine.context import Context
from pegbox.engine.loop import Engine
from pegbox.engine.mailbox import Mailbox
from pegbox.executors.base import Executor, Observation
from pegbox.store.base import Store, Unavailable
from pegbox.store.resources import Resource
from running import wait_for


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
        ask_to_stop(context, identity)
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


class CountingStore:
    """A database that counts how often work that is held is looked at again."""

    def __init__(self, inner: Store) -> None:
        self._inner, self.looks = inner, 0

    def look_again(self, held: Sequence[Resource]) -> Sequence[Resource]:
        self.looks += len(held)
        return self._inner.look_again(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_the_row_is_read_for_a_poke_and_not_for_news_of_processes(
    context: Context, tmp_path: Path, is_stopped: bool
) -> None:
    store, mailbox = CountingStore(context.store), Mailbox()
    settings = replace(context.settings, tick=4 * DEADLINE)
    engine = Engine(replace(context, store=store, settings=settings, poke=mailbox.poke), mailbox)

    def heard_until(condition: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: mailbox.heard(f"{identity}-1") or condition()

    with training_on(context, tmp_path) as (_, identity, go):
        engine.start()
        wait_for("the training", heard_until(lambda: rows.read(context, identity)[1].started))
        assert store.looks == 0
        if is_stopped:
            ask_to_stop(context, identity)
            mailbox.poke([identity])
            wait_for("the poke", lambda: store.looks)
        go.touch()
        wait_for("the end", heard_until(has_ended(context, identity)))
        engine.stop(5)
    assert store.looks == int(is_stopped)
    assert rows.read(context, identity)[0].status == ("Stopped" if is_stopped else "Completed")


class AwayStore:
    """A database that does not answer when work that is held is looked at again, as long as the test says."""

    def __init__(self, inner: Store) -> None:
        self._inner, self.is_away = inner, False

    def look_again(self, held: Sequence[Resource]) -> Sequence[Resource]:
        if self.is_away:
            raise Unavailable("cut")
        return self._inner.look_again(held)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_what_ends_while_a_look_fails_is_let_go_of(context: Context, tmp_path: Path) -> None:
    store = AwayStore(context.store)
    context = replace(context, store=store, settings=replace(context.settings, slots=4))
    with training_on(context, tmp_path) as (_, identity, go), running(context, tick=0.02):
        wait_for("the training", lambda: rows.read(context, identity)[1].started)
        store.is_away = True
        for name in ("first", "second", "third"):
            wait_for("the end", has_ended(context, insert(context, tmp_path, name=name)))
        store.is_away = False
        go.touch()
        wait_for("the end", has_ended(context, identity))
        wait_for("all leases to be given up", lambda: context.store.owners() == [])
