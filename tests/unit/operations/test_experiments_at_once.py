"""Experiments from several threads at once, as of several servers, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from pegbox.domain import training
from pegbox.errors import PegboxError
from pegbox.operations import (
    automatic,
    experiments,
    indexing,
    measurements,
    search,
    training_jobs,
    trial_components,
    trials,
)
from pegbox.operations.call import Call
from pegbox.store.base import Stale
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in
from pegbox.testing.requests import training_request

ACCOUNT = "000000000000"
ROUNDS = 15


@pytest.fixture
def call(store: SqlStore) -> Call:
    return call_in(store, ACCOUNT, "here")


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What each gives, or the error in which it ends; they begin together."""
    barrier = threading.Barrier(len(actions))

    def act(action: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return action()
        except PegboxError as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(act, actions))


def found(call: Call, *filters: tuple[str, str]) -> Sequence[dict[str, Any]]:
    """The trial components that a search finds."""
    wanted = [{"Name": name, "Value": value} for name, value in filters]
    request: Any = {"Resource": "ExperimentTrialComponent", "MaxResults": 100}
    if wanted:
        request["SearchExpression"] = {"Filters": wanted}
    return [result["TrialComponent"] for result in search.search(request, call)["Results"]]


def test_no_trial_is_made_in_an_experiment_that_is_deleted(call: Call) -> None:
    for number in range(ROUNDS):
        name: Any = {"ExperimentName": f"e{number}"}
        experiments.create_experiment(name, call)
        trial: Any = {**name, "TrialName": f"t{number}"}
        created, deleted = at_once(
            lambda trial=trial: trials.create_trial(trial, call),
            lambda name=name: experiments.delete_experiment(name, call),
        )
        assert isinstance(created, PegboxError) is not isinstance(deleted, PegboxError), (created, deleted)


@pytest.mark.parametrize("which", ["trial", "component"])
def test_nothing_is_deleted_that_is_in_use(call: Call, which: str) -> None:
    experiment: Any = {"ExperimentName": "e"}
    experiments.create_experiment(experiment, call)
    for number in range(ROUNDS):
        trial: Any = {"TrialName": f"t{number}"}
        component: Any = {"TrialComponentName": f"c{number}"}
        trials.create_trial({**experiment, **trial}, call)
        trial_components.create_trial_component(component, call)

        def delete(trial: Any = trial, component: Any = component) -> Any:
            if which == "trial":
                return trials.delete_trial(trial, call)
            return trial_components.delete_trial_component(component, call)

        joined, deleted = at_once(
            lambda trial=trial, component=component: trials.associate_trial_component({**trial, **component}, call),
            delete,
        )
        assert isinstance(joined, PegboxError) is not isinstance(deleted, PegboxError), (joined, deleted)


def test_names_are_given_once(call: Call) -> None:
    for number in range(ROUNDS):
        name: Any = {"ExperimentName": f"e{number}"}
        results = at_once(*[lambda name=name: experiments.create_experiment(name, call)] * 4)
        assert sum(isinstance(result, PegboxError) for result in results) == 3


def test_no_value_and_no_change_is_lost(store: SqlStore, call: Call) -> None:
    component: Any = {"TrialComponentName": "c"}
    trial_components.create_trial_component(component, call)
    over = threading.Event()

    def put(writer: int) -> None:
        for step in range(ROUNDS):
            values = [{"MetricName": "m", "Timestamp": call.clock(), "Step": step, "Value": float(writer)}] * 2
            measurements.batch_put_metrics({**component, "MetricData": values}, call)

    def change() -> None:
        for number in range(ROUNDS):
            changed: Any = {**component, "Parameters": {f"p{number}": {"NumberValue": number}}}
            trial_components.update_trial_component(changed, call)

    def index() -> None:
        while not over.is_set():
            indexing.index_some(store, Kind.TRIAL_COMPONENT)

    indexer = threading.Thread(target=index)
    indexer.start()
    at_once(lambda: put(1), lambda: put(2), lambda: put(3), change)
    over.set()
    indexer.join()
    (record,) = found(call, ("Metrics.m.Count", str(3 * 2 * ROUNDS)), (f"Parameters.p{ROUNDS - 1}", str(ROUNDS - 1)))
    assert len(record["Parameters"]) == ROUNDS
    assert (record["Metrics"][0]["Max"], record["Metrics"][0]["Min"]) == (3.0, 1.0)


def test_components_follow_their_jobs_whoever_makes_them(store: SqlStore, call: Call) -> None:
    names = [f"j{number}" for number in range(2 * ROUNDS)]
    before = names[:ROUNDS]
    for name in before:
        training_jobs.create_training_job(training_request(name, "any", "s3://bucket/out"), call)
    over = threading.Event()

    def work(some: Sequence[str]) -> None:
        for name in some:
            if name not in before:
                training_jobs.create_training_job(training_request(name, "any", "s3://bucket/out"), call)
            stop(name)

    def stop(name: str) -> None:
        while True:
            try:
                with store.transaction() as tx:
                    row = tx.get(ACCOUNT, "here", Kind.TRAINING_JOB, name)
                    job = training.fail(training.TrainingJob.parse(row.state), "over", call.clock())
                    tx.save(replace(row, status=job.status, state=job.dump(), modified_at=call.clock(), ended_at=1.0))
                return
            except Stale:
                continue

    def serve() -> None:
        while not over.is_set():
            automatic.follow(call)
            indexing.index_some(store, Kind.TRAINING_JOB)
            indexing.index_some(store, Kind.TRIAL_COMPONENT)

    servers = [threading.Thread(target=serve) for _ in range(2)]
    for server in servers:
        server.start()
    at_once(lambda: work(names[::2]), lambda: work(names[1::2]))
    over.set()
    for server in servers:
        server.join()
    records = found(call, ("Status.PrimaryStatus", "Failed"))
    assert sorted(record["TrialComponentName"] for record in records) == sorted(
        f"{name}-aws-training-job" for name in names
    )


def test_a_job_that_is_spoilt_is_in_nobodys_way(store: SqlStore, call: Call) -> None:
    for name in ("well", "spoilt"):
        training_jobs.create_training_job(training_request(name, "any", "s3://bucket/out"), call)
    assert len(found(call)) == 2
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE resource SET document = '{', indexed_version = NULL WHERE name = 'spoilt'"))
        connection.execute(text("DELETE FROM tracked"))
    listed: Any = trial_components.list_trial_components({}, call)["TrialComponentSummaries"]
    assert {each["TrialComponentName"] for each in listed} >= {"well-aws-training-job"}
    assert "well-aws-training-job" in [record["TrialComponentName"] for record in found(call)]


def test_what_is_indexed_stays_so(store: SqlStore, call: Call) -> None:
    training_jobs.create_training_job(training_request("j", "any", "s3://bucket/out"), call)
    found(call)
    with store.reading() as tx:
        assert not any(tx.has_unindexed(kind) for kind in Kind)
