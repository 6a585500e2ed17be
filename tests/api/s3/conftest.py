"""One server for each module of tests, one bucket for each test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from s3_client import client
from s3_server import running


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("objects")) as address:
        yield address


@pytest.fixture(scope="module")
def s3(url: str) -> Any:
    return client(url)


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = f"b-{abs(hash(request.node.nodeid)):x}"
    s3.create_bucket(Bucket=name)
    return name
