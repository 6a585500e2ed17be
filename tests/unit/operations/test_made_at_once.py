"""What jobs make by themselves while others delete, load or have taken names; by real transactions that overlap."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from pegbox.errors import ValidationException
from pegbox.operations import automatic, experiments, training_jobs, trial_components, trials
from pegbox.operations.call import Call
from pegbox.operations.transfer import properties_of, row_of
from pegbox.store import bulk
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in
from pegbox.testing.requests import training_request

ACCOUNT, REGION = "000000000000", "here"
PATIENCE = 20.0  #: seconds


@pytest.fixture
def overlapping(request: pytest.FixtureRequest) -> Iterator[SqlStore]:
    """PostgreSQL; the writers of SQLite wait for each other from the beginning."""
    store = SqlStore(request.getfixturevalue("postgres").database(f"x_{uuid.uuid4().hex[:8]}"))
    yield store
    store.close()


def job(name: str, tuning_job: str | None = None, number: int | None = None) -> Resource:
    """A training job that has ended; of a tuning job if one is named."""
    row = row_of(
        {
            "TrainingJobName": name,
            "TrainingJobStatus": "Completed",
            "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
            "ModelArtifacts": {"S3ModelArtifacts": "s3://models/model.tar.gz"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "CreationTime": 1_700_000_000.0 + (number or 0),
        },
        ACCOUNT,
        REGION,
    )
    if tuning_job is None:
        return row
    launcher = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:hyper-parameter-tuning-job/{tuning_job}"
    return replace(row, number=number, document={**row.document, "TuningJobArn": launcher})


def launched(store: SqlStore, number: int) -> Resource:
    """The next training job of the tuning job `search`."""
    with store.transaction() as tx:
        return tx.insert(job(f"search-{number:03d}-abcdef01", "search", number))


def until_it_waits(store: SqlStore, act: Callable[[], Any], pool: ThreadPoolExecutor) -> Future[Any]:
    """Begin something; return when it waits for another transaction, or is over."""
    future, deadline = pool.submit(act), time.monotonic() + PATIENCE
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    while not future.done() and time.monotonic() < deadline:
        with store.engine.connect() as connection:
            if connection.exec_driver_sql(waiting).scalar():
                break
    return future


def named(call: Call, kind: Kind, name: str) -> Resource:
    with call.store.reading() as tx:
        return tx.get(ACCOUNT, REGION, kind, name)


@pytest.mark.parametrize("which", ["experiment", "trial"])
def test_nobody_deletes_what_a_job_is_just_put_into(
    overlapping: SqlStore, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, make_trial = call_in(overlapping, ACCOUNT, REGION), automatic.trial_of
    launched(overlapping, 1)
    component: Any = {"TrialComponentName": "search-001-abcdef01-aws-training-job"}
    trial: Any = {"TrialName": "search-001-aws-trial"}
    experiments.list_experiments({}, call)
    trials.disassociate_trial_component({**trial, **component}, call)
    if which == "experiment":
        trials.delete_trial(trial, call)
        new = launched(overlapping, 2)
    else:
        trial_components.delete_trial_component(component, call)
        with overlapping.transaction() as tx:  # and another job of the same number
            tx.delete(tx.get(ACCOUNT, REGION, Kind.TRAINING_JOB, "search-001-abcdef01").id)
        new = launched(overlapping, 1)

    def delete() -> Any:
        try:
            if which == "experiment":
                return experiments.delete_experiment({"ExperimentName": "search-aws-tuning-job"}, call)
            return trials.delete_trial(trial, call)
        except ValidationException as refused:
            return str(refused)

    with ThreadPoolExecutor(1) as pool:
        deleted: list[Future[Any]] = []

        def interrupted(*given: Any) -> Any:
            if which == "experiment":
                deleted.append(until_it_waits(overlapping, delete, pool))
            made = make_trial(*given)
            if which == "trial":
                deleted.append(until_it_waits(overlapping, delete, pool))
            return made

        monkeypatch.setattr(automatic, "trial_of", interrupted)
        monkeypatch.setattr(automatic, "follow_named", lambda *given: None)  # who deletes had looked before
        with overlapping.transaction() as tx:
            automatic.make(tx, [new.id])
        assert "can't be deleted" in deleted[0].result(PATIENCE)
    made_trial = named(call, Kind.TRIAL, f"search-{new.number:03d}-aws-trial")
    assert made_trial.parent_id == named(call, Kind.EXPERIMENT, "search-aws-tuning-job").id
    (found,) = trials.list_trials({"TrialComponentName": f"{new.name}-aws-training-job"}, call)["TrialSummaries"]
    assert found["TrialName"] == made_trial.name


def test_components_are_made_of_what_is_loaded_while_somebody_first_asks(overlapping: SqlStore) -> None:
    call, row = call_in(overlapping, ACCOUNT, REGION), job("loaded")
    with ThreadPoolExecutor(1) as pool:
        with overlapping.transaction() as tx:
            bulk.add(tx.connection, [(row, properties_of(row))])
            listed = until_it_waits(overlapping, lambda: experiments.list_experiments({}, call), pool)
        listed.result(PATIENCE)
    (made,) = trial_components.list_trial_components({}, call)["TrialComponentSummaries"]
    assert made["TrialComponentName"] == "loaded-aws-training-job"


def test_a_trial_of_another_experiment_is_left_alone(store: SqlStore) -> None:
    call = call_in(store, ACCOUNT, REGION)
    experiments.create_experiment({"ExperimentName": "mine"}, call)
    trials.create_trial({"ExperimentName": "mine", "TrialName": "search-001-aws-trial"}, call)
    launched(store, 1)
    (component,) = trial_components.list_trial_components({}, call)["TrialComponentSummaries"]
    assert component["TrialComponentName"] == "search-001-abcdef01-aws-training-job"
    assert not trial_components.list_trial_components({"TrialName": "search-001-aws-trial"}, call)[
        "TrialComponentSummaries"
    ]


def test_a_job_is_not_put_into_a_trial_of_another_experiment(store: SqlStore) -> None:
    call = call_in(store, ACCOUNT, REGION)
    for name in ("mine", "wanted"):
        experiments.create_experiment({"ExperimentName": name}, call)
    trials.create_trial({"ExperimentName": "mine", "TrialName": "j-aws-trial"}, call)
    request: Any = {
        **training_request("j", "any", "s3://bucket/out"),
        "ExperimentConfig": {"ExperimentName": "wanted"},
    }
    with pytest.raises(ValidationException, match="Trial 'j-aws-trial' is not part of the experiment 'wanted'"):
        training_jobs.create_training_job(request, call)
    assert not trial_components.list_trial_components({}, call)["TrialComponentSummaries"]
