"""pegbox audit, and the guide's way: which jobs have read what, in which versions."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import create_engine, text

from command_line import Done, run
from jobs import new_name, training_ended
from pegbox.client.connection import connect
from pegbox.testing.requests import channel, training_request
from running import RunningServer

USED, NOT_USED, PARENT, OTHER_VERSION, NO_BUCKET = 0, 3, 4, 5, 6
READ_ALL = "import os; [print(n) for _, _, names in os.walk(os.environ['SM_CHANNEL_TRAIN']) for n in sorted(names)]"
Train = Callable[..., str]


@pytest.fixture
def put(s3: Any, here: str) -> Callable[[str, str], str]:
    """Store an object of this test; returns its ETag."""
    bucket, _, prefix = here.removeprefix("s3://").partition("/")

    def put(name: str, body: str) -> str:
        etag: str = s3.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=body.encode())["ETag"]
        return etag.strip('"')

    return put


@pytest.fixture
def train(sagemaker: Any, here: str, image: Callable[..., str]) -> Train:
    """Run a training job over channels, until it has ended; returns its name."""
    program = image(READ_ALL)

    def train(*channels: dict[str, Any], status: str = "Completed", **changes: Any) -> str:
        name = new_name("reads")
        request = training_request(name, program, f"{here}-out", InputDataConfig=list(channels), **changes)
        sagemaker.create_training_job(**request)
        assert training_ended(sagemaker, name)["TrainingJobStatus"] == status
        return name

    return train


@pytest.fixture
def audit(server: RunningServer) -> Callable[..., Done]:
    return lambda *arguments: run("audit", *arguments, "--home", str(server.home))


@pytest.fixture
def ask(audit: Callable[..., Done]) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Exit code, and the document."""

    def ask(*arguments: str) -> tuple[int, dict[str, Any]]:
        done = audit(*arguments, "--format", "json")
        return done.code, json.loads(done.out)

    return ask


def of(uri: str, name: str = "train", **source: str) -> dict[str, Any]:
    found = channel(name, uri)
    found["DataSource"]["S3DataSource"] |= source
    return found


def told(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Job, relation and how, of each reading."""
    return [(each["TrainingJobName"], each["Relation"], each["How"]) for each in answer["Readers"]]


def forget(server: RunningServer, job: str) -> None:
    """As if it had been before anything was recorded."""
    engine = create_engine(f"sqlite:///{server.home}/pegbox.db")
    with engine.begin() as connection:
        connection.execute(text("delete from reading where name = :name"), {"name": job})
    engine.dispose()


def test_what_was_read_through_a_prefix_is_told_with_the_version_of_then(
    put: Any, train: Train, ask: Any, here: str
) -> None:
    first = put("data/a.csv", "1")
    put("data/b.csv", "2")
    one = train(of(f"{here}/data/"))
    second = put("data/a.csv", "another")
    two = train(of(f"{here}/data/"))
    code, answer = ask(f"{here}/data/a.csv")
    assert (code, answer["Answer"], answer["JobCount"]) == (USED, "Used", 2)
    assert told(answer) == [(two, "Used", "prefix"), (one, "Used", "prefix")]
    versions = {each["DatasetId"]: each["Objects"] for each in answer["Datasets"]}
    etags = [[found["ETag"] for found in versions[each["DatasetId"]]] for each in answer["Readers"]]
    assert etags == [[second], [first]]
    for etag, job in ((first, one), (f'"{second}"', two)):
        code, answer = ask(f"{here}/data/a.csv", "--etag", etag)
        assert (code, [each[:2] for each in told(answer) if each[1] == "Used"]) == (USED, [(job, "Used")])
    code, answer = ask(f"{here}/data/a.csv", "--etag", "0" * 32)
    assert (code, answer["Answer"], answer["JobCount"]) == (OTHER_VERSION, "OtherVersion", 0)


def test_a_folder_a_bucket_and_an_object_that_is_named_itself(put: Any, train: Train, ask: Any, here: str) -> None:
    put("data/a.csv", "1")
    put("data/a.csv.old", "2")
    job = train(of(f"{here}/data/a.csv"))
    assert told(ask(f"{here}/data/a.csv")[1]) == [(job, "Used", "direct")]
    assert told(ask(f"{here}/data")[1]) == told(ask(f"{here}/data/")[1]) == [(job, "Used", "prefix")]
    assert told(ask(f"{here}/data/a.csv.old")[1]) == [(job, "Used", "prefix")]  # S3Uri is the beginning of a key
    bucket = here.removeprefix("s3://").partition("/")[0]
    code, answer = ask(f"s3://{bucket}", "--most", "1")
    assert (code, len(answer["Readers"])) == (USED, 1)
    assert told(ask(f"https://s3.us-east-1.amazonaws.com/{here.removeprefix('s3://')}/data/a.csv")[1])


def test_what_was_not_there_then_and_what_was_never_meant(put: Any, train: Train, ask: Any, here: str) -> None:
    put("data/a.csv", "1")
    job = train(of(f"{here}/data/"))
    put("data/later.csv", "2")
    code, answer = ask(f"{here}/data/later.csv")
    assert (code, answer["Answer"], told(answer)) == (PARENT, "ParentPrefix", [(job, "NotThere", "prefix")])
    for never in ("holdout.csv", "data-of-others/a.csv", "dat"):
        code, answer = ask(f"{here}/{never}")
        assert (code, answer["Answer"], answer["Readers"]) == (NOT_USED, "NotUsed", [])


def test_a_bucket_that_is_not_there_is_no_bucket_that_was_not_used(
    train: Train, ask: Any, audit: Any, s3: Any, server: RunningServer, tmp_path: Path
) -> None:
    """It may be misspelt; what was read before it was removed is known all the same."""
    bucket = new_name("gone").lower()
    code, answer = ask(f"s3://{bucket}/holdout/")
    assert (code, answer["Answer"], answer["Readers"]) == (NO_BUCKET, "NoSuchBucket", [])
    said = audit(f"s3://{bucket}/holdout/").out
    assert said == f"s3://{bucket}/holdout/ was not used: the specified bucket does not exist\n"
    s3.create_bucket(Bucket=bucket)
    assert ask(f"s3://{bucket}/holdout/")[0] == NOT_USED
    s3.put_object(Bucket=bucket, Key="data/a.csv", Body=b"1")
    train(of(f"s3://{bucket}/data/"))
    s3.delete_object(Bucket=bucket, Key="data/a.csv")
    s3.delete_bucket(Bucket=bucket)
    assert ask(f"s3://{bucket}/data/a.csv")[0] == USED
    assert ask(f"s3://{bucket}/other/a.csv")[0] == NO_BUCKET
    assert ask("file:///nowhere/a.csv")[0] == NOT_USED
    outside = RunningServer(tmp_path / "home", environment={"PEGBOX_S3_ENDPOINT": server.url})
    try:  # it keeps no buckets, so it knows of none that it is not there
        assert run("audit", f"s3://{bucket}/other/a.csv", "--home", str(outside.home)).code == NOT_USED
    finally:
        outside.kill()


def test_manifests_and_shards(put: Any, train: Train, ask: Any, here: str) -> None:
    for name in "abcd":
        put(f"data/{name}", name)
    put("list.manifest", json.dumps([{"prefix": f"{here}/data/"}, "a", "c"]))
    listed = train(of(f"{here}/list.manifest", S3DataType="ManifestFile"))
    resources = {"InstanceCount": 2, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    shared = train(of(f"{here}/data/", S3DataDistributionType="ShardedByS3Key"), ResourceConfig=resources)
    code, answer = ask(f"{here}/data/c")
    assert (code, told(answer)) == (USED, [(shared, "Used", "prefix"), (listed, "Used", "manifest")])
    instances = [[found.get("Instance") for found in each["Objects"]] for each in answer["Datasets"]]
    assert sorted(instances, key=str) == [["algo-1"], [None]]
    code, answer = ask(f"{here}/data/d")
    assert told(answer) == [(shared, "Used", "prefix")]
    assert [found["Instance"] for each in answer["Datasets"] for found in each["Objects"]] == ["algo-2"]
    code, answer = ask(f"{here}/list.manifest")
    assert told(answer) == [(listed, "Used", "manifest")]


def test_a_list_that_is_whole_tells_of_no_more(put: Any, train: Train, audit: Any, here: str) -> None:
    """Also where there is a job that names the place and has not read it: it is looked at after all readings."""
    put("data/a.csv", "1")
    train(of(f"{here}/data/"), of(f"{here}/absent/", "absent"), status="Failed")
    for _ in range(2):
        train(of(f"{here}/data/"))
    said = [audit(f"{here}/data/a.csv", "--most", most).err for most in ("1", "2")]
    assert said == ["pegbox: there are more readings: --most 2\n", ""]


def test_jobs_that_have_not_read_it_or_of_which_nothing_is_known(
    put: Any, train: Train, ask: Any, here: str, server: RunningServer, sagemaker: Any
) -> None:
    put("data/a", "1")
    failed = train(of(f"{here}/data/"), of(f"{here}/absent/", "absent"), status="Failed")
    assert ask(f"{here}/data/a")[0] == NOT_USED, failed
    old = train(of(f"{here}/data/"))
    forget(server, old)
    code, answer = ask(f"{here}/data/a")
    assert (code, told(answer)) == (PARENT, [(old, "NotRecorded", "prefix")])
    assert ask(f"{here}/data")[0] == ask(f"{here}")[0] == PARENT
    assert ask(f"{here}/dat")[0] == NOT_USED


def test_it_is_told_when_the_job_is_gone(
    put: Any, train: Train, ask: Any, audit: Any, here: str, server: RunningServer
) -> None:
    etag = put("data/a", "1")
    job = train(of(f"{here}/data/"))
    engine = create_engine(f"sqlite:///{server.home}/pegbox.db")
    with engine.begin() as connection:
        connection.execute(text("pragma foreign_keys = on"))
        connection.execute(text("delete from resource where name = :name"), {"name": job})
    engine.dispose()
    code, answer = ask(f"{here}/data/a")
    assert (code, told(answer), answer["Readers"][0]["IsGone"]) == (USED, [(job, "Used", "prefix")], True)
    shown = audit(f"{here}/data/a").out
    assert shown.startswith(f"{here}/data/a was used, by 1 training job\n")
    assert etag in shown
    assert "the job is gone" in shown


def test_pages_have_every_reading_once(put: Any, train: Train, here: str, server: RunningServer) -> None:
    put("data/a", "1")
    put("data/b", "2")
    jobs = {train(of(f"{here}/data/"), of(f"{here}/data/b", "second")) for _ in range(2)}
    client = connect(server.home, print).client("pegbox")
    pages, given = [], {"S3Uri": f"{here}/data/", "MaxResults": 1}
    pages.append(client.audit_dataset(**given))
    while "NextToken" in pages[-1]:
        pages.append(client.audit_dataset(**given, NextToken=pages[-1]["NextToken"]))
    found = [(each["TrainingJobName"], each["ChannelName"]) for page in pages for each in page["Readers"]]
    assert sorted(found) == sorted((job, name) for job in jobs for name in ("train", "second"))
    with pytest.raises(ClientError, match="NextToken is not valid"):
        client.audit_dataset(S3Uri=f"{here}/data/a", NextToken=pages[0]["NextToken"])
    with pytest.raises(ClientError, match="s3Uri"):
        client.audit_dataset(S3Uri="data/a")


def test_csv_and_refusals(put: Any, train: Train, audit: Any, here: str) -> None:
    put("data/a", "1")
    put("data/b", "2")
    job = train(of(f"{here}/data/"))
    done = audit(f"{here}/data/", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.out)))
    assert [(row["training_job"], row["object"], row["size"]) for row in rows] == [
        (job, f"{here}/data/a", "1"),
        (job, f"{here}/data/b", "1"),
    ]
    refused = audit("data/a")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert audit(f"{here}/data/", "--format", "xml").code == 2


def test_the_guides_way(put: Any, train: Train, sagemaker: Any, here: str) -> None:
    """(Developer guide, "Verify the Contents of Your Training Jobs".)"""
    put("data/a", "1")
    job = train(of(f"{here}/data/"))
    named = "InputDataConfig.DataSource.S3DataSource.S3Uri"
    for value, wanted in ((f"{here}/data/", [job]), (f"{here}/holdout/", [])):
        answer = sagemaker.search(
            Resource="TrainingJob",
            SearchExpression={"Filters": [{"Name": named, "Operator": "Contains", "Value": value}]},
        )
        assert [each["TrainingJob"]["TrainingJobName"] for each in answer["Results"]] == wanted
