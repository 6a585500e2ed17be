"""What concurrent clients are told fits together as if one had been served after the other."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest

from histories.bucket_clients import MIXTURES, bucket_calls, model_of
from histories.job_clients import MODELS, jobs_of, prepare
from histories.recording import Door
from pegbox.testing.linearisability import UNANSWERED, Call, Model, check
from running import RunningServer

ENVIRONMENT = {"PEGBOX_TICK": "0.3", "PEGBOX_LEASE": "2", "PEGBOX_SLOTS": "2", "PEGBOX_STOP_GRACE": "1"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def doors(start_server: Callable[..., RunningServer], request: pytest.FixtureRequest) -> Iterator[list[Door]]:
    """Two servers of one home, on each kind of database."""
    environment = dict(ENVIRONMENT)
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgres")
        environment["PEGBOX_DATABASE_URL"] = cluster.database(f"races_{uuid.uuid4().hex[:8]}")
    first = start_server(environment=environment)
    second = RunningServer(first.home, environment=environment)
    doors = [Door(first), Door(second)]
    prepare(doors[0])
    yield doors
    for server in (first, second):
        server.kill()


def new_seed() -> str:
    return secrets.token_hex(3)


def assert_linearisable(model: Model, calls: Sequence[Call], seed: str) -> None:
    violation = check(model, calls)
    assert violation is None, f"seed {seed}: {violation}"


@pytest.mark.parametrize("kind", ["training", "tuning"])
def test_jobs_are_created_and_stopped_one_after_the_other(doors: list[Door], kind: str) -> None:
    for _ in range(6):
        seed = new_seed()
        calls = jobs_of(doors, kind, seed)
        assert_linearisable(MODELS[kind], calls, seed)
        assert UNANSWERED not in [call.answer for call in calls]


@pytest.mark.parametrize("doors", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", MIXTURES)
def test_objects_are_written_and_removed_one_after_the_other(doors: list[Door], kind: str) -> None:
    for _ in range(6):
        seed = new_seed()
        calls = bucket_calls(doors, kind, seed)
        assert_linearisable(model_of(kind), calls, seed)
        assert UNANSWERED not in [call.answer for call in calls]
