"""After very many jobs were loaded nobody has to wait, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import run
from jobs import ended_jobs
from pegbox.errors import ServiceUnavailable
from pegbox.maintenance import readiness, transfer
from pegbox.maintenance.progress import Progress
from pegbox.maintenance.readiness import make_ready
from pegbox.maintenance.transfer import Place
from pegbox.operations import associations, automatic, search, tracing, trials
from pegbox.operations.call import Call
from pegbox.settings import load
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in

ACCOUNT, REGION = "000000000000", "us-east-1"
NOTHING: Any = {}
MANY: Any = {"MaxResults": 100}
COMPONENTS: Any = {"Resource": "ExperimentTrialComponent"}


@pytest.fixture
def place(database_url: str) -> Iterator[Place]:
    """Where jobs make trial components."""
    store = SqlStore(database_url)
    trials.list_trials(NOTHING, call_in(store, ACCOUNT, REGION))
    yield Place(store, ACCOUNT, REGION)
    store.close()


def told(call: Call) -> tuple[int, int]:
    """How many trial components and associations there are."""
    found = search.search(COMPONENTS, call)["TotalHits"]["Value"]
    return found, len(associations.list_associations(MANY, call)["AssociationSummaries"])


def test_requests_find_nothing_left_to_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "BATCH", 2)
    monkeypatch.setattr(readiness, "BATCH", 2)
    for module, name in ((search, "SECONDS"), (search, "LONGEST"), (automatic, "SECONDS"), (tracing, "SECONDS")):
        monkeypatch.setattr(module, name, -1.0)  # requests have no time for it
    transfer.load(place, "jobs", ended_jobs(0, 5), Progress(print))
    call = call_in(place.store, ACCOUNT, REGION)
    for ask in (trials.list_trials, associations.list_associations):
        with pytest.raises(ServiceUnavailable):
            ask(NOTHING, call)
    make_ready(place, Progress(print))
    assert told(call) == (5, 10)
    if place.store.engine.dialect.name == "postgresql":  # whose planner would take any index until it is told
        with place.store.reading() as tx:
            kinds = "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'resource' AND attname = 'kind'"
            assert "artifact" in (tx.connection.exec_driver_sql(kinds).scalar() or "")
    transfer.load(place, "more", ended_jobs(5, 8), Progress(print))
    make_ready(place, Progress(print))
    assert told(call) == (8, 16)


def test_a_load_leaves_nothing_to_do(tmp_path: Path) -> None:
    home, file = tmp_path / "home", tmp_path / "jobs.jsonl"
    file.write_bytes(b"".join(ended_jobs(0, 3)))
    assert run("admin", "load", file, "--home", home).code == 0
    store = SqlStore(load({"home": home}).database)
    trials.list_trials(NOTHING, call_in(store, ACCOUNT, REGION))
    file.write_bytes(b"".join(ended_jobs(3, 6)))
    assert run("admin", "load", file, "--home", home).code == 0
    with store.reading() as tx:
        for kind in (Kind.TRAINING_JOB, Kind.TRIAL_COMPONENT):
            assert not tx.has_unindexed(kind)
        assert not tx.graph.has_untraced(ACCOUNT, REGION)
    store.close()
