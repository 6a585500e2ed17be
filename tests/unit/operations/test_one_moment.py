"""What an operation reads it reads at one moment: in a single transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pegbox.operations import training_jobs, tuning_jobs
from pegbox.operations.call import Call
from pegbox.store.sql import SqlStore
from pegbox.store.transaction import SqlTransaction
from pegbox.testing.requests import training_request, tuning_request

TRAINING, TUNING = {"TrainingJobName": "a"}, {"HyperParameterTuningJobName": "a"}


class CountingStore(SqlStore):
    """Counts its transactions."""

    begun = 0

    @contextmanager
    def reading(self) -> Iterator[SqlTransaction]:
        self.begun += 1
        with super().reading() as tx:
            yield tx


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    store = CountingStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    call = Call(
        request_id="1",
        account="123456789012",
        region="us-east-1",
        key_id="",
        store=store,
        clock=lambda: 1.0,
        seed=lambda: 1,
        find_image=lambda name: None,
        poke=lambda identities: None,
        most_tuning_jobs=100,
        most_warm_start_changes=10,
    )
    training_jobs.create_training_job(training_request("a", "any", "s3://bucket/out"), call)
    tuning_jobs.create_hyper_parameter_tuning_job(tuning_request("a", "any", "s3://bucket/out"), call)
    yield call
    store.close()


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        (training_jobs.describe_training_job, TRAINING),
        (training_jobs.list_training_jobs, {}),
        (tuning_jobs.describe_hyper_parameter_tuning_job, TUNING),
        (tuning_jobs.list_hyper_parameter_tuning_jobs, {}),
        (tuning_jobs.list_training_jobs_for_hyper_parameter_tuning_job, TUNING),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_operation_reads_in_one_transaction(
    operation: Callable[[dict[str, Any], Call], object], request_: dict[str, Any], call: Call
) -> None:
    store = call.store
    assert isinstance(store, CountingStore)
    operation(request_, call)
    assert store.begun == 1
