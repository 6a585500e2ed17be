"""Servers and databases for all tests."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the server's own processes; before numpy is imported
sys.path.insert(0, str(Path(__file__).parent))
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell leaves it to what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

from pegbox.store.sql import SqlStore
from postgres import Cluster, find_binaries
from running import RunningServer


@pytest.fixture(autouse=True)
def machine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The machine is shared by tests that run at the same time; those marked `alone` use up all of it.

    Whoever waits to be alone holds the turn, so that no other test begins before it.
    """
    folder = Path(__file__).parent.parent / ".pytest_cache"
    folder.mkdir(exist_ok=True)
    with open(folder / "turn.lock", "w") as turn, open(folder / "machine.lock", "w") as machine:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if request.node.get_closest_marker("alone"):
            fcntl.flock(machine, fcntl.LOCK_EX)
        else:
            fcntl.flock(machine, fcntl.LOCK_SH)
            fcntl.flock(turn, fcntl.LOCK_UN)
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL cluster, if its binaries are installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    cluster = Cluster(binaries)
    yield cluster
    cluster.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database') / 'pegbox.db'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database(f"pegbox_{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], dict[str, str]]:
    """Makes databases of each kind: the environment of a server that is to use one."""

    def make() -> dict[str, str]:
        if request.param == "sqlite":
            return {"PEGBOX_DATABASE_URL": f"sqlite:///{tmp_path_factory.mktemp('database')}/pegbox.db"}
        cluster = request.getfixturevalue("postgres")
        return {"PEGBOX_DATABASE_URL": cluster.database(f"made_{uuid.uuid4().hex[:8]}")}

    return make


@pytest.fixture
def store(database: Callable[[], dict[str, str]]) -> Iterator[SqlStore]:
    """A store of each kind that nobody else has, for one test."""
    store = SqlStore(database()["PEGBOX_DATABASE_URL"])
    yield store
    store.close()


@pytest.fixture(scope="module")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningServer]]:
    """Start servers in homes of their own; all end with the module: even idle ones cost time."""
    servers: list[RunningServer] = []

    def start(*arguments: str, **options: Any) -> RunningServer:
        servers.append(RunningServer(tmp_path_factory.mktemp("server") / "home", *arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for all tests that leave it as it is, started as users do."""
    server = RunningServer(tmp_path_factory.mktemp("server") / "home", forked=False)
    yield server
    server.kill()
