"""A context with a real store, real processes and files of this machine as objects."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.engine.ballast import Ballast
from pegbox.engine.context import Context
from pegbox.engine.outage import Outage
from pegbox.engine.proposer import ProcessProposer
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.objects.local import LocalStore
from pegbox.settings import Settings
from pegbox.store.sql import SqlStore

HOST = "here"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    executor = SubprocessExecutor(zygote=False, containment="off")  # programs leave marks beside their folder
    proposer = ProcessProposer(10)
    yield Context(
        settings=Settings(home=tmp_path / "home", slots=2, stop_grace=1.0),
        host=HOST,
        store=store,
        executor=executor,
        objects=LocalStore([tmp_path]),
        proposer=proposer,
        find_image=store.images.find,
        clock=time.time,
        poke=lambda _: None,
        database=Outage("the database", time.monotonic),
        ballast=Ballast(tmp_path / "home"),
    )
    proposer.close()
    executor.close()
    store.close()
