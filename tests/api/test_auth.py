"""Who may call: signatures, keys, clocks, accounts and regions."""

from __future__ import annotations

import base64
import datetime
import http.client
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from jobs import keys as keys_of
from jobs import new_name, pegbox, put, refusal, register, training_ended
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, wait_for


def _key(printed: str) -> dict[str, str]:
    """The client's arguments from what `pegbox keys add` prints."""
    values = dict(line.removeprefix("export ").split("=", 1) for line in printed.splitlines())
    return {name.lower(): value for name, value in values.items()}


@contextmanager
def _changed(client: Any, event: str, change: Callable[[Any], None]) -> Iterator[None]:
    def handler(request: Any, **_: object) -> None:
        change(request)

    client.meta.events.register_last(event, handler, unique_id="change")
    try:
        yield
    finally:
        client.meta.events.unregister(event, unique_id="change")


def test_an_unsigned_request_is_refused(server: RunningServer) -> None:
    client = server.client("sagemaker", config=Config(signature_version=UNSIGNED))
    code, message = refusal(client.list_training_jobs)
    assert code == "MissingAuthenticationTokenException"
    assert message


def test_an_unknown_key_is_refused(server: RunningServer) -> None:
    client = server.client("sagemaker", aws_access_key_id="AKIAAAAAAAAAAAAAAAAA")
    code, message = refusal(client.list_training_jobs)
    assert code == "UnrecognizedClientException"
    assert "AKIAAAAAAAAAAAAAAAAA" not in message


def test_a_wrong_secret_is_refused(server: RunningServer) -> None:
    client = server.client("sagemaker", aws_secret_access_key="guessed")
    code, _ = refusal(client.list_training_jobs)
    assert code == "InvalidSignatureException"


NOBODY, GUESSED = {"aws_access_key_id": "AKIAAAAAAAAAAAAAAAAA"}, {"aws_secret_access_key": "guessed"}
NO_TOKEN = "The security token included in the request is invalid."


@pytest.mark.parametrize(
    ("given", "expected", "message"),
    [
        (NOBODY, "InvalidClientTokenId", NO_TOKEN),
        (GUESSED, "SignatureDoesNotMatch", "The request signature we calculated does not match"),
        ({"config": Config(signature_version=UNSIGNED)}, "MissingAuthenticationToken", "Missing Authentication Token"),
    ],
    ids=["nobody", "guessed", "unsigned"],
)
def test_sts_refuses_strangers_in_words_of_its_own(
    server: RunningServer, given: dict[str, Any], expected: str, message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        server.client("sts", **given).get_caller_identity()
    told = caught.value.response
    assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == (expected, 403)
    assert told["Error"]["Message"].startswith(message)


def test_sts_tells_a_signature_that_cannot_be_read(server: RunningServer) -> None:
    sts = server.client("sts")

    def change(request: Any) -> None:
        request.headers["Authorization"] = "AWS4-HMAC-SHA256 Credential=x"

    with (
        _changed(sts, "before-send.sts.GetCallerIdentity", change),
        pytest.raises(ClientError) as caught,
    ):
        sts.get_caller_identity()
    told = caught.value.response
    assert (told["Error"]["Code"], told["ResponseMetadata"]["HTTPStatusCode"]) == ("IncompleteSignature", 400)


def test_a_body_changed_on_the_way_is_refused(server: RunningServer, sagemaker: Any) -> None:
    client = server.client("sagemaker")

    def change(request: Any) -> None:
        request.body = request.body.replace(b"nobody", b"anyone")

    with _changed(client, "before-send.sagemaker.StopTrainingJob", change):
        code, _ = refusal(client.stop_training_job, TrainingJobName="nobody")
    assert code == "InvalidSignatureException"
    code, _ = refusal(client.stop_training_job, TrainingJobName="nobody")
    assert code == "ResourceNotFound"


def test_a_request_of_another_hour_is_refused(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    late = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: late.replace(tzinfo=None))
    code, message = refusal(server.client("sagemaker").list_training_jobs)
    assert code == "InvalidSignatureException"
    assert "Signature expired" in message
    code, message = refusal(server.client("sts").get_caller_identity)
    assert code == "SignatureDoesNotMatch"
    assert "Signature expired" in message


def test_a_signature_for_another_service_is_refused(server: RunningServer) -> None:
    client = server.client("sagemaker")

    def change_scope(request: Any, **_: object) -> None:
        request.context["signing"] = {**request.context.get("signing", {}), "signing_name": "sts"}

    client.meta.events.register("before-sign.sagemaker.ListTrainingJobs", change_scope, unique_id="scope")
    code, message = refusal(client.list_training_jobs)
    assert code == "InvalidSignatureException"
    assert "correct service: 'sagemaker'" in message


def test_a_repeated_authorization_header_is_no_way_in(server: RunningServer) -> None:
    with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)) as connection:
        connection.putrequest("POST", "/")
        for name, value in {
            "X-Amz-Target": "SageMaker.ListTrainingJobs",
            "Content-Type": "application/x-amz-json-1.1",
            "Authorization": "AWS4-HMAC-SHA256 Credential=x",
            "authorization": "Bearer x",
            "Content-Length": "2",
        }.items():
            connection.putheader(name, value)
        connection.endheaders(b"{}")
        answer = connection.getresponse()
        assert answer.status == 400
        assert b"IncompleteSignatureException" in answer.read()


def test_accounts_do_not_see_each_other(
    server: RunningServer, sagemaker: Any, s3: Any, here: str, tmp_path: Any
) -> None:
    other = _key(pegbox(server, "keys", "add", "--account", "222222222222"))
    theirs = server.client("sagemaker", **other)
    assert server.client("sts", **other).get_caller_identity()["Account"] == "222222222222"
    name = new_name("mine")
    sagemaker.create_training_job(**training_request(name, "any", here))
    assert refusal(theirs.describe_training_job, TrainingJobName=name)[0] == "ValidationException"
    assert refusal(theirs.stop_training_job, TrainingJobName=name)[0] == "ResourceNotFound"
    assert theirs.list_training_jobs()["TrainingJobSummaries"] == []
    request = tuning_request(name, "any", here)
    sagemaker.create_hyper_parameter_tuning_job(**request)
    arn = theirs.create_hyper_parameter_tuning_job(**request)["HyperParameterTuningJobArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:222222222222:hyper-parameter-tuning-job/{name}"


def test_a_job_reads_only_its_own_accounts_buckets(server: RunningServer, s3: Any, here: str, tmp_path: Any) -> None:
    put(s3, here, {"/secret": "mine"})
    theirs = _key(pegbox(server, "keys", "add", "--account", "333333333333"))
    other = server.client("sagemaker", **theirs)
    server.client("s3", **theirs).create_bucket(Bucket="theirs-333")
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": here}}
    request = training_request(new_name(), register(server, tmp_path, "print()"), "s3://theirs-333/out")
    other.create_training_job(**request, InputDataConfig=[{"ChannelName": "train", "DataSource": source}])
    job = training_ended(other, request["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed: No S3 objects found under S3 URL")
    request = training_request(new_name(), register(server, tmp_path, "print()"), here)
    other.create_training_job(**request)
    job = training_ended(other, request["TrainingJobName"])
    assert job["FailureReason"].startswith("ClientError: ")
    assert keys_of(s3, here) == ["/secret"]


def test_regions_do_not_see_each_other(server: RunningServer, sagemaker: Any, here: str) -> None:
    name = new_name("here")
    elsewhere = server.client("sagemaker", region_name="eu-west-1")
    sagemaker.create_training_job(**training_request(name, "any", here))
    assert refusal(elsewhere.describe_training_job, TrainingJobName=name)[0] == "ValidationException"
    arn = elsewhere.create_training_job(**training_request(name, "any", here))["TrainingJobArn"]
    assert arn == f"arn:aws:sagemaker:eu-west-1:000000000000:training-job/{name}"


def test_a_removed_key_stops_working(server: RunningServer) -> None:
    key = _key(pegbox(server, "keys", "add", "--description", "for a guest"))
    listed = pegbox(server, "keys", "list")
    assert f"{key['aws_access_key_id']}  000000000000" in listed and "for a guest" in listed
    assert key["aws_secret_access_key"] not in listed
    guest = server.client("sagemaker", **key)
    guest.list_training_jobs()
    pegbox(server, "keys", "remove", key["aws_access_key_id"])

    def refused() -> bool:
        try:
            guest.list_training_jobs()
        except guest.exceptions.ClientError as error:
            return bool(error.response["Error"]["Code"] == "UnrecognizedClientException")
        return False

    wait_for("the end of a key", refused, 10)


FORM = "application/x-www-form-urlencoded"
POLICY = b'{"expiration": "2099-01-01T00:00:00Z", "conditions": [["starts-with", "$key", ""], {"bucket": "victim"}]}'


def test_without_auth_a_key_of_twelve_digits_is_the_account(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(environment={"PEGBOX_AUTH": "off"})
    given = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "anything"}
    assert server.client("sts", **given).get_caller_identity()["Account"] == "123456789012"
    arn = server.client("sagemaker", **given, region_name="eu-north-1").create_training_job(
        **training_request("open", "any", "s3://none/out")
    )["TrainingJobArn"]
    assert arn == "arn:aws:sagemaker:eu-north-1:123456789012:training-job/open"
    unknown = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    assert server.client("sts", **unknown).get_caller_identity()["Account"] == "000000000000"
    unsigned = server.client("sagemaker", config=Config(signature_version=UNSIGNED))
    assert unsigned.list_training_jobs()["TrainingJobSummaries"] == []
    of_web_pages(server)


def of_web_pages(server: RunningServer) -> None:
    """What a page that somebody visits can make the browser send to a server that checks no signatures."""
    server.client("s3").create_bucket(Bucket="victim")
    url = urlsplit(server.url)
    json = ("POST", "/", {"X-Amz-Target": "SageMaker.ListTrainingJobs"}, b"{}")
    query = ("POST", "/", {"Content-Type": FORM}, b"Version=2011-06-15&Action=GetCallerIdentity")
    parts = {"key": "k", "policy": base64.b64encode(POLICY).decode(), "file": "pwned"}
    body = "".join(f'--XX\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in parts.items())
    form = ("POST", "/victim", {"Content-Type": "multipart/form-data; boundary=XX"}, f"{body}--XX--\r\n".encode())
    s3 = ("GET", "/victim", {}, b"")

    def status(request: tuple[str, str, dict[str, str], bytes], **headers: str) -> int:
        method, path, own, sent = request
        connection = http.client.HTTPConnection(url.netloc, timeout=30)
        connection.request(method, path, sent, own | headers)
        answer = connection.getresponse()
        connection.close()
        return answer.status

    for request in (json, query, form, s3):
        for foreign in ({"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:80"}, {"Origin": "null"}):
            assert status(request, **foreign) in (400, 403), (request, foreign)
        assert status(request, Origin="https://evil.example") in (400, 403)
        if request is form:
            assert "Contents" not in server.client("s3").list_objects_v2(Bucket="victim")
        for ours in ({"Host": "LOCALHOST:1"}, {"Host": "a.localhost."}, {"Host": "[::1]:8420"}, {"Origin": server.url}):
            assert status(request, **ours) in (200, 204), (request, ours)
