"""AuditDataset, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pegbox.client.auditing import how
from pegbox.domain import training, training_request
from pegbox.errors import ServiceUnavailable, ValidationException
from pegbox.operations import audit, training_jobs
from pegbox.operations.call import Call
from pegbox.store.sql import SqlStore
from pegbox.testing import requests
from pegbox.testing.calls import call_in
from pegbox.testing.store_rows import ACCOUNT, REGION, a_job, insert
from pegbox.wire.service import service_model

URI = "s3://bucket/data/a"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    yield store
    store.close()


@pytest.fixture
def call(store: SqlStore) -> Call:
    return call_in(store, ACCOUNT, REGION)


def ran_before(store: SqlStore, name: str, *sources: tuple[str, str], passed: Sequence[str] = ()) -> None:
    """Insert a job that has ended, and of which nothing is recorded."""
    channels = [requests.channel(f"c{number}", uri) for number, (uri, _) in enumerate(sources)]
    for channel, (_, kind) in zip(channels, sources, strict=True):
        channel["DataSource"]["S3DataSource"]["S3DataType"] = kind
    asked = requests.training_request(name, "any", "s3://bucket/out", InputDataConfig=channels)
    transitions = tuple({"Status": each, "StartTime": 1.0, "EndTime": 2.0} for each in passed)
    job = replace(training.created(1.0), status="Completed", phase=training.Phase.ENDED, transitions=transitions)
    row = a_job(name, document=training_request.normalise(asked, []), state=job.dump(), status="Completed")
    insert(store, replace(row, ended_at=2000.0, due_at=None))


def told(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["TrainingJobName"], each["ChannelName"], each["Relation"]) for each in answer["Readers"]]


def test_not_used_is_not_said_before_all_jobs_are_known(
    store: SqlStore, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran_before(store, "old", ("s3://bucket/data/", "S3Prefix"))
    monkeypatch.setattr(audit, "SECONDS", -1.0)
    with pytest.raises(ServiceUnavailable):
        audit.audit_dataset({"S3Uri": URI}, call)
    assert audit.audit_dataset({"S3Uri": URI}, call)["Answer"] == "ParentPrefix"


def test_jobs_of_which_nothing_is_recorded(store: SqlStore, call: Call) -> None:
    below = "https://s3.us-east-1.amazonaws.com/bucket/data/"
    ran_before(store, "whole-bucket", ("s3://bucket", "S3Prefix"))
    ran_before(store, "other-form", (below, "S3Prefix"), ("s3://elsewhere/", "S3Prefix"))
    ran_before(store, "manifest", ("s3://elsewhere/list", "ManifestFile"))
    ran_before(store, "elsewhere", ("s3://elsewhere/data/", "S3Prefix"), ("s3://bucket/database/", "S3Prefix"))
    ran_before(store, "never", (URI, "S3Prefix"), passed=("Starting", "Failed"))
    wanted = [("manifest", "c0"), ("other-form", "c0"), ("whole-bucket", "c0")]
    assert told(audit.audit_dataset({"S3Uri": URI}, call)) == [(*each, "NotRecorded") for each in wanted]
    pages, token = [], None
    while True:
        given = {"S3Uri": URI, "MaxResults": 1} | ({} if token is None else {"NextToken": token})
        pages.append(audit.audit_dataset(given, call))
        if (token := pages[-1].get("NextToken")) is None:
            break
    assert [name for page in pages for name, _, _ in told(page)] == [name for name, _ in wanted]
    assert told(audit.audit_dataset({"S3Uri": "s3://bucket/database"}, call))[-1][0] == "whole-bucket"


@pytest.mark.parametrize("kind", service_model("sagemaker").shape_for("S3DataType").enum)
def test_data_of_every_type_that_a_job_from_elsewhere_may_have(store: SqlStore, call: Call, kind: str) -> None:
    """Of an augmented manifest, too, each line may name another object."""
    ran_before(store, "job", ("s3://elsewhere/list", kind))
    delete: Any = {"TrainingJobName": "job"}
    for gone in (False, True):
        answer = audit.audit_dataset({"S3Uri": "s3://elsewhere/list"}, call)
        assert told(answer) == [("job", "c0", "NotRecorded")]
        assert how(answer["Readers"][0], ())
        wanted = [("job", "c0", "NotRecorded")] if kind.endswith("ManifestFile") else []
        assert told(audit.audit_dataset({"S3Uri": URI}, call)) == wanted
        if not gone:
            training_jobs.delete_training_job(delete, call)


def test_other_accounts_and_regions_are_told_nothing(store: SqlStore, call: Call) -> None:
    ran_before(store, "old", ("s3://bucket/data/", "S3Prefix"))
    assert audit.audit_dataset({"S3Uri": URI}, call)["Answer"] == "ParentPrefix"
    for change in ({"account": "999999999999"}, {"region": "eu-west-1"}):
        assert audit.audit_dataset({"S3Uri": URI}, replace(call, **change))["Answer"] == "NotUsed"


@pytest.mark.parametrize("token", ["", "!", "W10=", "WzEsMiwzXQ==", "bnVsbA=="])
def test_a_token_of_somebody_else_is_refused(call: Call, token: str) -> None:
    with pytest.raises(ValidationException, match="NextToken"):
        audit.audit_dataset({"S3Uri": URI, "NextToken": token}, call)
