"""Deleting while others index, from several threads as of several servers, on PostgreSQL.

Whoever has the turn to index waits for rows: nobody may have one of those, and wait for the turn.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text

from pegbox.operations import (
    artifacts,
    endpoint_configs,
    endpoints,
    experiments,
    models,
    training_jobs,
    trial_components,
    trials,
    tuning_jobs,
)
from pegbox.operations.call import Call
from pegbox.store import examine, schema
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in
from pegbox.testing.requests import training_request, tuning_request
from running import wait_for

ACCOUNT, REGION = "000000000000", "here"


@pytest.fixture
def store(postgres: Any) -> Iterator[SqlStore]:
    store = SqlStore(postgres.database(f"d_{uuid.uuid4().hex[:8]}"))
    yield store
    store.close()


@pytest.fixture
def call(store: SqlStore) -> Call:
    return call_in(store, ACCOUNT, REGION)


def request(**members: Any) -> Any:
    return members


def serve(call: Call) -> None:
    """An endpoint `e` of a model `m`."""
    models.create_model(request(ModelName="m", PrimaryContainer={"Image": "any"}), call)
    variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    config: Any = request(EndpointConfigName="c", ProductionVariants=[variant])
    endpoint_configs.create_endpoint_config(config, call)
    endpoints.create_endpoint(request(EndpointName="e", EndpointConfigName="c"), call)


def end(call: Call, kind: Kind, name: str) -> None:
    with call.store.transaction() as tx:
        tx.save(replace(tx.get(ACCOUNT, REGION, kind, name), status="Stopped", ended_at=1.0))


def delete_experiment(call: Call) -> Callable[[], Any]:
    experiments.create_experiment(request(ExperimentName="x"), call)
    return lambda: experiments.delete_experiment(request(ExperimentName="x"), call)


def delete_trial(call: Call) -> Callable[[], Any]:
    experiments.create_experiment(request(ExperimentName="x"), call)
    trials.create_trial(request(ExperimentName="x", TrialName="t"), call)
    return lambda: trials.delete_trial(request(TrialName="t"), call)


def delete_component(call: Call) -> Callable[[], Any]:
    trial_components.create_trial_component(request(TrialComponentName="p"), call)
    return lambda: trial_components.delete_trial_component(request(TrialComponentName="p"), call)


def delete_model(call: Call) -> Callable[[], Any]:
    serve(call)
    return lambda: models.delete_model(request(ModelName="m"), call)


def delete_config(call: Call) -> Callable[[], Any]:
    serve(call)
    return lambda: endpoint_configs.delete_endpoint_config(request(EndpointConfigName="c"), call)


def delete_endpoint(call: Call) -> Callable[[], Any]:
    serve(call)
    return lambda: endpoints.delete_endpoint(request(EndpointName="e"), call)


def delete_artifact(call: Call) -> Callable[[], Any]:
    source = {"SourceUri": "s3://bucket/a"}
    made: Any = artifacts.create_artifact(request(ArtifactName="a", ArtifactType="any", Source=source), call)
    return lambda: artifacts.delete_artifact(made, call)


def delete_training_job(call: Call) -> Callable[[], Any]:
    training_jobs.create_training_job(training_request("j", "any", "s3://bucket/out"), call)
    end(call, Kind.TRAINING_JOB, "j")
    return lambda: training_jobs.delete_training_job(request(TrainingJobName="j"), call)


def delete_tuning_job(call: Call) -> Callable[[], Any]:
    tuning_jobs.create_hyper_parameter_tuning_job(tuning_request("s", "any", "s3://bucket/out"), call)
    end(call, Kind.TUNING_JOB, "s")
    return lambda: tuning_jobs.delete_hyper_parameter_tuning_job(request(HyperParameterTuningJobName="s"), call)


def take_out(call: Call) -> Callable[[], Any]:
    serve(call)
    (row,) = (each for each in examine.rows(call.store.engine) if each.name == "m")
    return lambda: examine.take_out(call.store.engine, row, lambda columns: None)


@pytest.mark.parametrize(
    "prepare",
    [
        delete_experiment,
        delete_trial,
        delete_component,
        delete_model,
        delete_config,
        delete_endpoint,
        delete_artifact,
        delete_training_job,
        delete_tuning_job,
        take_out,
    ],
)
def test_who_waits_for_the_turn_to_index_has_no_row(
    store: SqlStore, call: Call, prepare: Callable[[Call], Callable[[], Any]]
) -> None:
    delete = prepare(call)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NOT NULL")
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as tx:
            tx.unindexed(Kind.MODEL, 1)
            deleted = pool.submit(delete)
            wait_for("it to wait", lambda: tx.connection.execute(waiting).scalar_one())
            tx.connection.execute(select(schema.resource.c.id).with_for_update(nowait=True))
        deleted.result()
