"""Training jobs from a file into a database and back, on both databases."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import text

from pegbox.maintenance import transfer
from pegbox.maintenance.archive import MaintenanceError
from pegbox.maintenance.progress import Progress
from pegbox.maintenance.transfer import Loaded, Place
from pegbox.operations import artifacts, search, trial_components
from pegbox.operations.audit import audit_dataset
from pegbox.operations.indexing import catch_up
from pegbox.operations.tags import add_tags
from pegbox.operations.transfer import row_of
from pegbox.store import bulk
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in

ACCOUNT = "123456789012"

_regions = itertools.count()


@pytest.fixture(scope="module")
def store(database_url: str) -> Iterator[SqlStore]:
    store = SqlStore(database_url)
    yield store
    store.close()


@pytest.fixture
def place(store: SqlStore) -> Place:
    """Where nothing is yet."""
    return Place(store, ACCOUNT, f"eu-west-{next(_regions)}")


def job(name: str, **changes: Any) -> dict[str, Any]:
    """As DescribeTrainingJob tells one, with tags."""
    return {
        "TrainingJobName": name,
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "HyperParameters": {"eta": "0.25", "optimizer": "adam"},
        "AlgorithmSpecification": {
            "TrainingImage": "xgboost",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "auc", "Regex": "auc=(.*)"}],
        },
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://models/{name}/model.tar.gz"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "CreationTime": 1_700_000_000.25,
        "LastModifiedTime": 1_700_000_060.0,
        "TrainingStartTime": 1_700_000_001.0,
        "TrainingEndTime": 1_700_000_059.0,
        "FinalMetricDataList": [{"MetricName": "auc", "Value": 0.5, "Timestamp": 1_700_000_050.0}],
        "Tags": [{"Key": "Project", "Value": "Käse"}],
        **changes,
    }


def lines(*records: object) -> list[bytes]:
    return [json.dumps(each).encode() + b"\n" for each in records]


def load(place: Place, given: Sequence[bytes], **how: Any) -> Loaded:
    return transfer.load(place, "jobs.jsonl", given, Progress(print), **how)


def dumped(place: Place) -> list[dict[str, Any]]:
    written: list[bytes] = []
    assert transfer.dump(place, written.append, Progress(print)) == len(written)
    return [json.loads(each) for each in written]


def found(place: Place, *filters: tuple[str, str, str], **more: Any) -> list[str]:
    call = call_in(place.store, place.account, place.region)
    wanted = [{"Name": name, "Operator": operator, "Value": value} for name, operator, value in filters]
    request = {"Resource": "TrainingJob", "SearchExpression": {"Filters": wanted}, **more}
    return [each["TrainingJob"]["TrainingJobName"] for each in search.search(request, call)["Results"]]  # type: ignore[arg-type]


def refused(do: Callable[[], object]) -> str:
    with pytest.raises(MaintenanceError) as told:
        do()
    return str(told.value)


def test_loaded_jobs_are_found_and_dumped_as_they_came(place: Place) -> None:
    failed = job("b", TrainingJobStatus="Failed", FailureReason="no data", FinalMetricDataList=[])
    plain = job("c", SecondaryStatus="Stopped", TrainingJobStatus="Stopped", Tags=[])
    given = [job("a"), failed, plain]
    assert load(place, lines(*given)) == Loaded(3, 0, 0)
    with place.store.reading() as tx:
        assert not tx.has_unindexed(Kind.TRAINING_JOB)
    assert found(place, ("Metrics.auc", "GreaterThan", "0.4"), ("Tags.Project", "Equals", "Käse")) == ["a"]
    assert found(place, ("HyperParameters.eta", "LessThan", "0.3"), SortBy="TrainingJobName") == ["c", "b", "a"]
    told = dumped(place)
    assert [each["TrainingJobName"] for each in told] == ["a", "b", "c"]
    computed = {"TrainingJobArn", "TrainingTimeInSeconds", "BillableTimeInSeconds"}
    for was, now in zip(given, told, strict=True):
        arn = f"arn:aws:sagemaker:{place.region}:{ACCOUNT}:training-job/{was['TrainingJobName']}"
        assert now["TrainingJobArn"] == arn
        assert _given(now, computed) == _given(was, computed)


def _given(record: dict[str, Any], without: set[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if value and name not in without}


def test_what_is_indexed_is_what_would_be_anyway(place: Place) -> None:
    load(place, lines(job("a"), job("b", HyperParameters={"long": "x" * 300, "eta": "high"})))

    def index() -> list[list[str]]:
        with place.store.reading() as tx:
            tables = (tx.connection.exec_driver_sql(f"SELECT * FROM {name}") for name in ("property", "property_name"))
            return [sorted(map(repr, table)) for table in tables]

    before = index()
    with place.store.transaction() as tx:
        tx.connection.exec_driver_sql("UPDATE resource SET indexed_version = NULL")
    assert catch_up(place.store, Kind.TRAINING_JOB, 60)
    assert index() == before


def test_a_dump_is_loaded_elsewhere_and_dumped_the_same(place: Place, tmp_path: Any) -> None:
    load(place, lines(*(job(f"job-{number}") for number in range(5))))
    elsewhere = Place(SqlStore(f"sqlite:///{tmp_path / 'other.db'}"), ACCOUNT, place.region)
    assert load(elsewhere, lines(*dumped(place))) == Loaded(5, 0, 0)
    assert dumped(elsewhere) == dumped(place)
    elsewhere.store.close()


def test_the_same_file_again_goes_on_where_it_was_interrupted(place: Place) -> None:
    given = lines(*(job(f"job-{number}") for number in range(7)))
    broken = [*given[:5], b'{"TrainingJobName": \n', *given[6:]]
    message = refused(lambda: load(place, broken, batch=2))
    assert message.startswith("jobs.jsonl:6: this is no JSON: ")
    assert "the lines before line 5 are loaded" in message
    assert len(dumped(place)) == 4
    assert load(place, given, batch=2) == Loaded(3, 4, 0)
    assert load(place, given, batch=3) == Loaded(0, 7, 0)


@pytest.mark.parametrize("ago", [None, 30.0, 90.0])
def test_a_server_that_runs_waits_for_small_batches_only(
    place: Place, ago: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "ALONE", 4)
    monkeypatch.setattr(transfer, "AMONG_OTHERS", 2)
    place.store.beat("here")
    with place.store.transaction() as tx:
        tx.connection.exec_driver_sql(
            "DELETE FROM host" if ago is None else f"UPDATE host SET seen_at = seen_at - {ago}"
        )
        is_sqlite = tx.connection.dialect.name == "sqlite"
    given = lines(*(job(f"job-{number}") for number in range(7)))
    message = refused(lambda: load(place, [*given, b"{"]))
    is_large = is_sqlite and ago in (None, 90.0)
    assert f"the lines before line {5 if is_large else 7} are loaded" in message


def test_other_jobs_of_the_same_name_are_refused_or_skipped(place: Place) -> None:
    load(place, lines(job("Mine")))
    given = lines(job("new"), job("mine", HyperParameters={"eta": "1"}))
    assert refused(lambda: load(place, given)).startswith(
        "jobs.jsonl:2: there is another training job named [mine] already: --existing skip passes over such"
    )
    assert [each["TrainingJobName"] for each in dumped(place)] == ["Mine"]
    assert load(place, given, skip=True) == Loaded(1, 0, 1)
    assert dumped(place)[0]["HyperParameters"]["eta"] == "0.25"
    twice = lines(job("x"), job("X", FailureReason="another"))
    assert "line 1 has another training job named [X]" in refused(lambda: load(place, twice))


def test_loaded_jobs_are_jobs_like_others(place: Place) -> None:
    load(place, lines(job("a"), job("b")))
    call = call_in(place.store, place.account, place.region)
    arn = f"arn:aws:sagemaker:{place.region}:{ACCOUNT}:training-job/a"
    add_tags({"ResourceArn": arn, "Tags": [{"Key": "stage", "Value": "best"}]}, call)  # type: ignore[arg-type]
    assert found(place, ("Tags.stage", "Equals", "best")) == ["a"]
    with place.store.transaction() as tx:
        tx.delete(tx.get(place.account, place.region, Kind.TRAINING_JOB, "a").id)
    assert found(place, ("HyperParameters.optimizer", "Equals", "adam")) == ["b"]
    assert load(place, lines(job("c"))) == Loaded(1, 0, 0)
    assert found(place, ("HyperParameters.optimizer", "Equals", "adam"), SortBy="CreationTime") == ["c", "b"]


def test_times_may_be_as_the_command_line_of_aws_prints_them(place: Place) -> None:
    given = job("a", CreationTime="2026-11-28T12:00:00.250000+01:00", ResponseMetadata={"HTTPStatusCode": 200})
    load(place, lines(given))
    assert dumped(place)[0]["CreationTime"] == 1_795_863_600.25
    assert "ResponseMetadata" not in dumped(place)[0]


@pytest.mark.parametrize(
    "record, message",
    [
        (17, "A training job must be a JSON object. Once that is mended"),
        (job("a", TrainingJobStatus="InProgress"), "only one that has ended can be loaded"),
        (job("not_a_name"), "Value 'not_a_name' at 'trainingJobName' failed to satisfy constraint"),
        (job("a", HyperParameter={}), "at 'hyperParameter' failed to satisfy constraint: Member must be one of"),
        (job("a", HyperParameters={"eta": 0.1}), "Value '0.1' at 'hyperParameters.eta.member' failed"),
        (job("a", CreationTime="yesterday"), "Value 'yesterday' at 'creationTime' failed"),
        (job("a", AlgorithmSpecification=None), "a training job must have one"),
        (job("a", CreationTime=None), "Value null at 'creationTime'"),
        (job("a", Tags=[{"Key": "aws:x", "Value": ""}]), "The tag key [aws:x] is reserved"),
        (job("a", Tags=[{"Key": "x"}]), "Value null at 'tags.1.member.value'"),
    ],
)
def test_a_job_that_breaks_a_rule_is_named_with_its_line(place: Place, record: object, message: str) -> None:
    said = refused(lambda: load(place, [*lines(job("fine")), b"\n", *lines(record)]))
    assert said.startswith("jobs.jsonl:3: ") and message in said, said
    assert dumped(place) == []


def components(place: Place) -> list[str]:
    answer = trial_components.list_trial_components({}, call_in(place.store, place.account, place.region))
    return sorted(each["TrialComponentName"] for each in answer["TrialComponentSummaries"])


def test_trial_components_are_made_of_jobs_that_are_loaded_later(place: Place) -> None:
    assert load(place, lines(job("before"))).added == 1
    assert components(place) == ["before-aws-training-job"]
    algorithm = {"AlgorithmName": "of-the-marketplace", "TrainingInputMode": "File"}
    later = lines(job("after", AlgorithmSpecification=algorithm), job("older", CreationTime=1_600_000_000.0))
    assert load(place, later).added == 2
    assert components(place) == ["after-aws-training-job", "before-aws-training-job", "older-aws-training-job"]
    named = {"TrialComponentName": "after-aws-training-job"}
    described = trial_components.describe_trial_component(named, call_in(place.store, place.account, place.region))  # type: ignore[arg-type]
    assert "SageMaker.ImageUri" not in described["Parameters"] and described["Parameters"]["eta"]


def sources(place: Place) -> set[str]:
    """What the lineage of an account and region begins with."""
    call = call_in(place.store, place.account, place.region)
    return {
        each["Source"]["SourceUri"] for each in artifacts.list_artifacts({"MaxResults": 100}, call)["ArtifactSummaries"]
    }


def test_jobs_that_are_loaded_while_lineage_is_read_have_one(store: SqlStore, place: Place) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    row = row_of(job("loaded"), place.account, place.region)
    with store.transaction() as tx:
        bulk.add(tx.connection, [(row, ())])
        with store.transaction() as meanwhile:
            taken = "SELECT count(nextval(pg_get_serial_sequence('resource', 'id'))) FROM generate_series(1, 20000)"
            meanwhile.connection.execute(text(taken))
            meanwhile.insert(row_of(job("meanwhile"), place.account, place.region))
        assert "s3://models/meanwhile/model.tar.gz" in sources(place)
    assert "s3://models/loaded/model.tar.gz" in sources(place)


def test_a_channel_without_objects_is_in_nobodys_way(place: Place) -> None:
    def channel(name: str, source: dict[str, Any]) -> dict[str, Any]:
        return {"ChannelName": name, "DataSource": source}

    system = {"FileSystemId": "fs-0123456789abcdef0", "FileSystemAccessMode": "ro", "FileSystemType": "EFS"}
    disk = channel("disk", {"FileSystemDataSource": {**system, "DirectoryPath": "/data"}})
    objects = channel("train", {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://data/of-it"}})
    assert load(place, lines(job("both", InputDataConfig=[disk, objects]))).added == 1
    call = call_in(place.store, place.account, place.region)
    answer = audit_dataset({"S3Uri": "s3://data/of-it/file"}, call)
    assert [(each["TrainingJobName"], each["ChannelName"]) for each in answer["Readers"]] == [("both", "train")]
    assert sources(place) == {"xgboost", "s3://data/of-it", "s3://models/both/model.tar.gz"}


@pytest.mark.parametrize("wrong", [7, {"Name": 7}, {"Regex": "x"}])
def test_a_definition_beyond_the_fortieth_is_checked_as_well(place: Place, wrong: Any) -> None:
    algorithm = job("any")["AlgorithmSpecification"]
    many = [{"Name": f"m{number}", "Regex": "x"} for number in range(41)]
    given = lines(job("many", AlgorithmSpecification={**algorithm, "MetricDefinitions": [*many, wrong]}))
    assert "metricDefinitions.42.member" in refused(lambda: load(place, given))
