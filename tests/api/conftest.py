"""Clients of the one server that most tests share, a bucket in it, and images that run small programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import new_name, register
from running import RunningServer


@pytest.fixture(scope="session")
def sagemaker(server: RunningServer) -> Iterator[Any]:
    """A client; when all is over, nothing that it asked may have met a fault of the server."""
    yield server.client("sagemaker")
    assert "level=error" not in server.log.read_text()


@pytest.fixture(scope="session")
def s3(server: RunningServer) -> Any:
    return server.client("s3")


@pytest.fixture(scope="session")
def bucket(s3: Any) -> str:
    s3.create_bucket(Bucket="jobs")
    return "jobs"


@pytest.fixture
def here(bucket: str) -> str:
    """A place for one test's objects: s3://bucket/something."""
    return f"s3://{bucket}/{new_name('test')}"


@pytest.fixture
def image(server: RunningServer, tmp_path: Path) -> Callable[..., str]:
    """Register an image that runs the given Python source."""

    def add(source: str, *options: str) -> str:
        return register(server, tmp_path, source, *options)

    return add
