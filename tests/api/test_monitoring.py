"""What an operator reads of a running server: its metrics and its log."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobs import new_name, pegbox, register, training_ended, tuning_ended
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, wait_for

PROXIED = {"X-Forwarded-For": "203.0.113.7"}
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "monitoring.md"
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "server-metrics.md"


@pytest.fixture(scope="module")
def watched(start_server: Callable[..., RunningServer]) -> RunningServer:
    server = start_server(environment={"PEGBOX_LOG_LEVEL": "debug", "PEGBOX_LOG_FORMAT": "json", "PEGBOX_SLOTS": "3"})
    server.client("s3").create_bucket(Bucket="watched")
    return server


def scrape(server: RunningServer, headers: Mapping[str, str] | None = None) -> dict[str, float]:
    """Every sample, by name and labels as they are printed."""
    request = urllib.request.Request(f"{server.url}/metrics", headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=")
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def status(request: urllib.request.Request) -> int:
    """HTTP status of the answer."""
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def events(server: RunningServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log.read_text().splitlines()]


def test_a_tuning_job_is_seen_in_the_metrics(watched: RunningServer, tmp_path: Path) -> None:
    sagemaker, name = watched.client("sagemaker"), new_name("tune")
    before = scrape(watched)
    image = register(watched, tmp_path, "print('loss=0.5;')")
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request(name, image, "s3://watched/out"))
    tuning_ended(sagemaker, name)

    def counted() -> dict[str, float] | None:
        found = scrape(watched)
        return found if found['pegbox_slots{state="used"}'] == 0 and found[ended] == before[ended] + 2 else None

    ended = 'pegbox_jobs{kind="training-job",status="Completed"}'
    after = wait_for("the counts", counted)
    assert after['pegbox_slots{state="free"}'] == 3
    assert after["pegbox_jobs_waiting"] == 0
    assert (
        after["pegbox_metric_points_imported_total"] - before["pegbox_metric_points_imported_total"] == 4
    )  # each as loss and as ObjectiveMetric
    assert after['pegbox_jobs_ended_total{kind="training-job",status="Completed"}'] >= 2
    assert after['pegbox_proposer_duration_seconds_count{strategy="Random"}'] >= 1
    assert after['pegbox_engine_work_total{kind="training-job",result="done"}'] >= 2
    create = 'operation="CreateHyperParameterTuningJob",service="sagemaker"'
    assert after[f'pegbox_requests_total{{code="200",{create}}}'] >= 1
    assert after[f"pegbox_request_duration_seconds_count{{{create}}}"] >= 1
    assert after["pegbox_objects"] >= before["pegbox_objects"] + 2
    assert after['pegbox_object_bytes_total{direction="in"}'] > 0
    assert after["pegbox_database_up"] == 1
    steps = {
        f'pegbox_engine_step_duration_seconds_count{{step="{step}"}}' for step in ("begin", "watch", "pack", "propose")
    }
    wait_for("all steps", lambda: steps <= scrape(watched).keys())  # counted when they are over, after the job's end


def test_what_is_shown_is_documented(watched: RunningServer) -> None:
    documented = set(re.findall(r"^\| `(\w+)` \| \w+ \|", REFERENCE.read_text(), re.MULTILINE))
    shown = {re.sub(r"_(bucket|count|sum)$", "", name.partition("{")[0]) for name in scrape(watched)}
    assert shown <= documented


def test_alarms_are_about_what_is_shown(watched: RunningServer) -> None:
    """Each series that an alarm names is there, and two that are compared have the same labels, or it says so."""
    table = PAGE.read_text().partition("| expression | meaning |")[2].partition("\n\n")[0]
    expressions = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    shown = scrape(watched)
    assert len(expressions) > 4
    for expression in expressions:
        named = re.findall(r'\b((?:pegbox|process)_\w+)(?:\{(\w+)="(\w+)"\})?', expression)
        assert named
        for name, label, value in named:
            series = [each for each in shown if each.partition("{")[0] == name and f'{label}="{value}"' in each]
            assert series if label else name in {each.partition("{")[0] for each in shown}, (expression, name)
        labels = {label for _, label, _ in named}
        assert len(labels) == 1 or f"ignoring({''.join(labels)})" in expression
    before = shown["pegbox_request_faults_total"]
    with pytest.raises(ClientError, match="NotImplemented"):
        watched.client("s3").get_object_torrent(Bucket="watched", Key="k")
    assert scrape(watched)["pegbox_request_faults_total"] == before


def test_what_clients_make_up_is_no_label(watched: RunningServer) -> None:
    secret = uuid.uuid4().hex
    for headers in (
        {"x-amz-target": f"SageMaker.{secret}"},
        {"x-amz-target": f"{secret}.List"},
        {"x-amz-date": secret},
    ):
        status(urllib.request.Request(f"{watched.url}/{secret}", b"{}", headers))
    found = scrape(watched)
    assert not [name for name in found if secret in name]
    assert any('operation="unknown"' in name for name in found)


def test_a_bucket_named_metrics_is_a_bucket(watched: RunningServer) -> None:
    s3 = watched.client("s3")
    s3.create_bucket(Bucket="metrics")
    s3.put_object(Bucket="metrics", Key="key", Body=b"content")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="metrics")["Contents"]] == ["key"]
    url = s3.generate_presigned_url("list_objects_v2", Params={"Bucket": "metrics"})
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert b"<Key>key</Key>" in answer.read()
    assert "pegbox_jobs_waiting" in scrape(watched)


def test_what_a_proxy_passes_on_is_not_of_this_machine(watched: RunningServer) -> None:
    assert status(urllib.request.Request(f"{watched.url}/metrics", headers=PROXIED)) == 403


@pytest.mark.parametrize("setting, answer", [("off", 403), ("on", 200)])
def test_the_setting_says_who_may_read(start_server: Callable[..., RunningServer], setting: str, answer: int) -> None:
    server = start_server(environment={"PEGBOX_METRICS": setting})
    assert status(urllib.request.Request(f"{server.url}/metrics", headers=PROXIED)) == answer


def test_lines_about_a_request_carry_its_id(watched: RunningServer) -> None:
    sagemaker, s3 = watched.client("sagemaker"), watched.client("s3")
    ids = {
        "ListTrainingJobs": sagemaker.list_training_jobs()["ResponseMetadata"]["RequestId"],
        "ListBuckets": s3.list_buckets()["ResponseMetadata"]["RequestId"],
        "GetCallerIdentity": watched.client("sts").get_caller_identity()["ResponseMetadata"]["RequestId"],
    }
    with pytest.raises(ClientError) as refused:
        s3.head_object(Bucket="watched", Key="missing")
    ids["HeadObject"] = refused.value.response["ResponseMetadata"]["RequestId"]
    wait_for("the lines", lambda: set(ids.values()) <= {line.get("request_id") for line in events(watched)})
    for operation, request_id in ids.items():
        (line,) = [line for line in events(watched) if line.get("request_id") == request_id]
        assert (line["operation"], line["account"]) == (operation, "000000000000")


def test_what_is_not_served_is_no_fault_of_the_server(watched: RunningServer) -> None:
    s3 = watched.client("s3")
    s3.create_bucket(Bucket="unversioned")
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_versioning(Bucket="unversioned", VersioningConfiguration={"Status": "Enabled"})
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501
    request_id = caught.value.response["ResponseMetadata"]["RequestId"]
    wait_for("the line", lambda: [event for event in events(watched) if event.get("request_id") == request_id])
    levels = {event["level"] for event in events(watched) if event.get("request_id") == request_id}
    assert levels == {"debug"}


def test_lines_about_a_job_carry_its_name(watched: RunningServer, tmp_path: Path) -> None:
    sagemaker, name, alone = watched.client("sagemaker"), new_name("Tune"), new_name("alone")
    image = register(watched, tmp_path, "print('loss=0.5;')")
    answer = sagemaker.create_hyper_parameter_tuning_job(**tuning_request(name, image, "s3://watched/out"))
    tuning_ended(sagemaker, name)
    sagemaker.create_training_job(**training_request(alone, image, "s3://watched/out"))
    training_ended(sagemaker, alone)
    end = ("training job ended", alone)  # written after the end is seen
    wait_for("the end", lambda: any((line["event"], line.get("job")) == end for line in events(watched)))
    ours = [line for line in events(watched) if line.get("tuning_job") == name]
    assert {line["event"] for line in ours} >= {"tuning job created", "training job ended", "tuning job ended"}
    (created,) = [line for line in ours if line["event"] == "tuning job created"]
    assert created["request_id"] == answer["ResponseMetadata"]["RequestId"]
    assert len([line for line in ours if line["event"] == "training job ended" and line["job"].startswith(name)]) == 2
    ended = [line for line in events(watched) if line.get("job") == alone]
    assert {"training job created", "training job ended"} <= {line["event"] for line in ended}
    assert all("tuning_job" not in line for line in ended)


def test_no_secret_is_in_a_debug_log(
    start_server: Callable[..., RunningServer], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("postgres").database(f"log_{uuid.uuid4().hex[:8]}")
    password, environment = uuid.uuid4().hex, uuid.uuid4().hex
    server = start_server(
        environment={
            "PEGBOX_LOG_LEVEL": "debug",
            "PEGBOX_DATABASE_URL": url.replace("pegbox@", f"pegbox:{password}@"),
            "PEGBOX_TICK": "0.2",
        }
    )
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.create_bucket(Bucket="secret")
    s3.put_object(Bucket="secret", Key="key", Body=b"content")
    presigned = s3.generate_presigned_url("get_object", Params={"Bucket": "secret", "Key": "key"})
    urllib.request.urlopen(presigned, timeout=10).close()
    assert status(urllib.request.Request(presigned.replace("/key?", "/other?"))) == 403
    signatures: list[str] = []
    sagemaker.meta.events.register(
        "before-send", lambda request, **_: signatures.append(request.headers["Authorization"].decode())
    )
    secret = pegbox(server, "keys", "add").split("AWS_SECRET_ACCESS_KEY=")[1].strip()
    image = register(server, tmp_path, "raise SystemExit(3)", "--env", f"IMAGE={environment}-image")
    name = new_name()
    asked = training_request(name, image, "s3://secret/out", Environment={"TOKEN": environment})
    sagemaker.create_training_job(**asked)
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Failed"
    with pytest.raises(ClientError):
        server.client("sagemaker", aws_secret_access_key="wrong" * 8).list_training_jobs()
    (server.home / "objects" / "incoming").rename(server.home / "objects" / "away")
    with pytest.raises(ClientError) as fault:
        s3.put_object(Bucket="secret", Key="fault", Body=b"x")
    assert fault.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    log = server.log.read_text()
    own = server.credentials()["aws_secret_access_key"]
    presigned_signature = re.search(r"Signature=([^&]+)", presigned)
    assert presigned_signature is not None
    for hidden in [password, environment, secret, own, presigned_signature[1], "wrong" * 8]:
        assert hidden not in log
    assert signatures
    for header in signatures:
        assert header.rpartition("Signature=")[2] not in log
    assert name in log
    assert "Traceback" in log
    assert f"request_id={fault.value.response['ResponseMetadata']['RequestId']}" in log
