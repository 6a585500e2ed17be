"""A server that all tests of a module damage and repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from examination import found
from running import RunningServer

Start = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def live(start_server: Start) -> RunningServer:
    """A server that goes on while its home is damaged and repaired."""
    server = start_server(environment={"PEGBOX_TICK": "0.2", "PEGBOX_CONTAINMENT": "off"})
    server.client("s3").create_bucket(Bucket="kept")
    return server


@pytest.fixture(autouse=True)
def healthy_in_the_end(live: RunningServer) -> Iterator[None]:
    yield
    assert found(live) == []
