"""Two servers of one home on each kind of database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest

from histories.job_clients import prepare
from histories.recording import Door
from running import RunningServer

ENVIRONMENT = {"PEGBOX_TICK": "0.3", "PEGBOX_LEASE": "2", "PEGBOX_SLOTS": "2", "PEGBOX_STOP_GRACE": "1"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def doors(start_server: Callable[..., RunningServer], request: pytest.FixtureRequest) -> Iterator[list[Door]]:
    """Two servers of one home; nothing that they are asked may meet a fault of theirs."""
    environment = dict(ENVIRONMENT)
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgres")
        environment["PEGBOX_DATABASE_URL"] = cluster.database(f"races_{uuid.uuid4().hex[:8]}")
    first = start_server(environment=environment)
    second = RunningServer(first.home, environment=environment)
    doors = [Door(first), Door(second)]
    prepare(doors[0])
    yield doors
    second.kill()
    assert "level=error" not in first.log.read_text()
