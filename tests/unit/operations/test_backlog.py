"""Search and lists while much is there that nobody has indexed yet, on both databases: no part is told as the whole."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pegbox.errors import ServiceUnavailable
from pegbox.operations import automatic, experiments, indexing, search, training_jobs, trials
from pegbox.operations.call import Call
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in
from pegbox.testing.requests import training_request

ACCOUNT = "000000000000"
_regions = itertools.count()


@pytest.fixture(scope="module")
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


@pytest.fixture
def call(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> Call:
    """In a region where nothing is; requests index a job each."""
    monkeypatch.setattr(indexing, "index_some", partial(indexing.index_some, batch=1))
    monkeypatch.setattr(automatic, "BATCH", 1)
    for module, name in ((search, "SECONDS"), (search, "LONGEST"), (automatic, "SECONDS")):
        monkeypatch.setattr(module, name, -1.0)
    return call_in(store, ACCOUNT, f"region-{next(_regions)}")


def create(call: Call, *names: str, later: float = 0.0) -> None:
    """Training jobs; `later`: changed so many seconds from now."""
    for name in names:
        request: Any = training_request(name, "any", "s3://bucket/out")
        training_jobs.create_training_job(request, call)
        with call.store.transaction() as tx:
            row = tx.get(call.account, call.region, Kind.TRAINING_JOB, name)
            tx.save(replace(row, modified_at=row.modified_at + later))


def found(call: Call, resource: str = "TrainingJob") -> tuple[int, str]:
    request: Any = {"Resource": resource}
    answer = search.search(request, call)
    return len(answer["Results"]), answer["TotalHits"]["Relation"]


def test_a_search_does_not_tell_a_part(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    create(call, "one", "two", "three", "four")
    with pytest.raises(ServiceUnavailable, match="being indexed"):
        found(call)
    monkeypatch.setattr(search, "LONGEST", 60.0)
    assert found(call) == (4, "EqualTo")


def test_what_is_written_meanwhile_keeps_nobody_waiting(call: Call) -> None:
    create(call, "one", "two", "three", later=60.0)
    assert found(call)[0] < 3


def test_one_thread_indexes_at_a_time(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several would make each other's properties old, and wait for the same rows in whatever order."""
    create(call, *(f"job-{number}" for number in range(4)))
    inside, met, real = threading.Semaphore(1), threading.Event(), automatic.prepare

    def prepare(*given: Any) -> Any:
        if not inside.acquire(blocking=False):
            met.set()
            return real(*given)
        met.wait(1.0)  # for another one
        try:
            return real(*given)
        finally:
            inside.release()

    monkeypatch.setattr(automatic, "prepare", prepare)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: indexing.index_some(call.store, Kind.TRAINING_JOB), range(2)))
    assert not met.is_set()


def test_names_are_suggested_all_the_same(call: Call) -> None:
    create(call, "one", "two", "three")
    request: Any = {"Resource": "TrainingJob"}
    assert "PropertyNameSuggestions" in search.get_search_suggestions(request, call)


def test_what_jobs_make_is_not_listed_before_it_is_made(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    create(call, "one", "two", "three")
    mine: Any = {"ExperimentName": "mine"}
    experiments.create_experiment(mine, call)
    assert experiments.describe_experiment(mine, call)["ExperimentName"] == "mine"
    nothing: Any = {}
    with pytest.raises(ServiceUnavailable, match="being made"):
        trials.list_trials(nothing, call)
    monkeypatch.setattr(automatic, "SECONDS", 60.0)
    assert trials.list_trials(nothing, call)["TrialSummaries"] == []
    with pytest.raises(ServiceUnavailable, match="being indexed"):
        found(call, "ExperimentTrialComponent")
    monkeypatch.setattr(search, "LONGEST", 60.0)
    assert found(call, "ExperimentTrialComponent") == (3, "EqualTo")
