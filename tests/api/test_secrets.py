"""Keys and passwords are in no log, no traceback, no answer and no other process."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobs import XGBOOST, new_name, put, register, training_ended
from pegbox.testing.requests import channel, training_request, tuning_request
from running import RunningServer, wait_for

FOREIGN = "foreign-secret-of-the-environment"
#: the verifier fails where the secret and the signing key are at hand
BROKEN = """
import pegbox.wire.sigv4 as sigv4
whole = sigv4.derive_key
def derive_key(secret, scope):
    if scope.region == "eu-west-9":
        signing_key = whole(secret, scope)
        raise RuntimeError("forced")
    return whole(secret, scope)
sigv4.derive_key = derive_key
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("secrets") / "home"
    variables = {
        "PEGBOX_LOG_LEVEL": "debug",
        "PEGBOX_DATABASE_URL": f"sqlite:///{home}.db",
        "AWS_ACCESS_KEY_ID": "AKIAFOREIGNFOREIGNFO",
        "AWS_SECRET_ACCESS_KEY": FOREIGN,
        "PGPASSWORD": FOREIGN,
        "MY_TOKEN": FOREIGN,
    }
    server = RunningServer(home, environment=variables, before=BROKEN)
    yield server
    server.kill()


def below(pid: int) -> list[int]:
    """Every process that the server has started, those included that have left its session."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and each.name != str(pid):
            try:
                command = (each / "cmdline").read_bytes()
            except OSError:
                continue
            if b"pegbox." in command or str(pid).encode() == parent(each):
                found.append(int(each.name))
    return found


def parent(process: Path) -> bytes:
    try:
        return (process / "stat").read_bytes().rpartition(b")")[2].split()[1]
    except (OSError, IndexError):
        return b""


def shown(pid: int) -> bytes:
    """What other programs of the user can see of a process."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_no_process_of_the_server_has_its_secrets(server: RunningServer, tmp_path: Path) -> None:
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    s3.create_bucket(Bucket="jobs")
    go_on = tmp_path / "go-on"
    program = f"""
        import os, pathlib, time
        print("loss=1;", flush=True)
        while not pathlib.Path({str(go_on)!r}).exists():
            time.sleep(0.05)
        print(sorted(os.environ.items()))
    """
    image = register(server, tmp_path, program)
    name = new_name("tune")
    request = tuning_request(name, image, "s3://jobs/out", 1, 1)
    request["HyperParameterTuningJobConfig"]["Strategy"] = "Bayesian"
    sagemaker.create_hyper_parameter_tuning_job(**request)
    put(s3, "s3://jobs/in", {"/data.csv": "1,2\n0,1\n" * 20})
    built_in = training_request(new_name(), XGBOOST, "s3://jobs/out")
    built_in["HyperParameters"] = {"num_round": "1"}
    source = channel("train", "s3://jobs/in")
    source["ContentType"] = "text/csv"
    sagemaker.create_training_job(**built_in, InputDataConfig=[source])

    def running() -> bool:
        commands = b" ".join(shown(pid) for pid in below(server.process.pid))
        return b"pegbox.engine.proposer" in commands and b"pegbox.runner" in commands

    wait_for("proposer and runner", running)
    secret = server.credentials()["aws_secret_access_key"]
    for pid in below(server.process.pid):
        seen = shown(pid)
        if str(server.home).encode() not in seen and parent(Path(f"/proc/{pid}")) != str(server.process.pid).encode():
            continue  # of another test's server
        assert FOREIGN.encode() not in seen
        assert secret.encode() not in seen
        assert b"PEGBOX_DATABASE_URL" not in seen
    assert secret.encode() not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    go_on.touch()
    training_ended(sagemaker, built_in["TrainingJobName"])
    logs = sorted((server.home / "attempts").glob("*/*/*.log"))
    wait_for("the program's end", lambda: any("TRAINING_JOB_NAME" in path.read_text() for path in logs))
    for path in logs:
        assert FOREIGN not in path.read_text() and secret not in path.read_text()


def test_a_fault_in_the_verifier_shows_no_key(server: RunningServer) -> None:
    for service in ("sagemaker", "s3", "sts"):
        client: Any = server.client(service, region_name="eu-west-9")
        call: Callable[[], Any] = {
            "sagemaker": lambda c=client: c.list_training_jobs(),
            "s3": lambda c=client: c.list_buckets(),
            "sts": lambda c=client: c.get_caller_identity(),
        }[service]
        with pytest.raises(client.exceptions.ClientError) as caught:
            call()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert "forced" not in str(caught.value.response)
    log = server.log.read_text()
    assert log.count("RuntimeError: forced") == 3
    assert server.credentials()["aws_secret_access_key"] not in log
    assert "Signature=" not in log.replace("Signature=***", "")


def test_the_log_has_no_keys_and_no_signatures(server: RunningServer) -> None:
    s3 = server.client("s3")
    url = s3.generate_presigned_url("get_object", {"Bucket": "jobs", "Key": "secret"})
    place = urlsplit(url)
    with closing(http.client.HTTPConnection(place.netloc, timeout=20)) as connection:
        connection.request("GET", f"{place.path}?{place.query}")
        answer = connection.getresponse()
        assert answer.status == 404
        assert server.credentials()["aws_secret_access_key"].encode() not in answer.read()
    log = server.log.read_text()
    for hidden in (server.credentials()["aws_secret_access_key"], FOREIGN, place.query.rpartition("=")[2]):
        assert hidden not in log


def test_the_home_is_for_its_owner_only(server: RunningServer) -> None:
    for path in (server.home, server.home / "credentials", server.home / "run", server.home / "objects"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_job_cannot_have_the_servers_files_as_data(server: RunningServer, tmp_path: Path) -> None:
    sagemaker = server.client("sagemaker")
    image = register(server, tmp_path, "print()")
    for uri in (f"file://{server.home}/credentials", f"file://{server.home}/", "file:///proc/self/environ"):
        request = training_request(new_name(), image, "s3://jobs/out")
        sagemaker.create_training_job(**request, InputDataConfig=[channel("train", uri)])
        job = training_ended(sagemaker, request["TrainingJobName"])
        assert job["FailureReason"].startswith("ClientError: Data download failed: No files found under file URL")
