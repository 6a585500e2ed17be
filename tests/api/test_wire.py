"""Bodies that no client sends, operations that are not served, and what every answer carries."""

from __future__ import annotations

import json
import select
import socket
import urllib.request
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from jobs import new_name, refusal, refusal_of
from pegbox.testing.requests import training_request
from pegbox.wire.bodies import ROOM
from running import RunningServer, wait_for


@pytest.fixture(scope="module")
def unchecked(server: RunningServer) -> Any:
    return server.client("sagemaker", config=Config(parameter_validation=False))


BODIES = {
    "no JSON": b"{",
    "not UTF-8": b'{"NameContains": "\xff"}',
    "a list": b"[]",
    "a string": b'"ListTrainingJobs"',
    "NaN": b'{"MaxResults": NaN}',
    "infinity": b'{"CreationTimeAfter": Infinity}',
    "a deep list": b'{"NameContains": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a deep object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a list that is a little too deep": b'{"NameContains": ' + b"[" * 100 + b"]" * 100 + b"}",
    "depth behind strings": b'{"a": "]]\\"", "b": ' + b"[" * 100 + b"]" * 100 + b"}",
    "another encoding": '{"NameContains": "a"}'.encode("utf-16"),
    "a number of a million digits": b'{"MaxResults": ' + b"9" * 1_000_000 + b"}",
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_is_no_request_is_refused(unchecked: Any, case: str) -> None:
    code, _ = refusal_of(unchecked, "ListTrainingJobs", BODIES[case])
    assert code == "SerializationException"


def test_deep_but_parseable_nesting_is_only_a_wrong_type(unchecked: Any) -> None:
    body = b'{"NameContains": ' + b"[" * 90 + b"]" * 90 + b"}"
    code, message = refusal_of(unchecked, "ListTrainingJobs", body)
    assert code == "ValidationException"
    assert "Member must be of type string" in message
    assert len(message) < 2000


def test_a_body_of_twenty_megabytes_is_refused_and_the_client_hears_it(unchecked: Any) -> None:
    body = json.dumps({"NameContains": "a" * (20 << 20)})
    with pytest.raises(ClientError) as caught:
        unchecked.list_training_jobs(NameContains="a" * (20 << 20))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    code, message = refusal_of(unchecked, "ListTrainingJobs", body.encode())
    assert code == "RequestEntityTooLargeException"
    assert str(4 << 20) in message
    assert unchecked.list_training_jobs(MaxResults=1)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_huge_values_are_not_echoed_whole(unchecked: Any) -> None:
    code, message = refusal(unchecked.list_training_jobs, NameContains="a" * 1_000_000)
    assert code == "ValidationException"
    assert len(message) < 1000


def test_numbers_beyond_their_type_are_refused(unchecked: Any) -> None:
    for value in (2**31, -(2**70), 1.5, True, "10"):
        code, message = refusal_of(unchecked, "ListTrainingJobs", {"MaxResults": value})
        assert code == "ValidationException" and "maxResults" in message
    code, message = refusal_of(unchecked, "ListTrainingJobs", b'{"CreationTimeAfter": 1e400}')
    assert code == "ValidationException" and "creationTimeAfter" in message


def test_an_operation_of_the_model_that_is_not_served_says_so(sagemaker: Any) -> None:
    with pytest.raises(ClientError) as caught:
        sagemaker.list_notebook_instance_lifecycle_configs()
    assert caught.value.response["Error"] == {
        "Code": "UnknownOperationException",
        "Message": "The operation ListNotebookInstanceLifecycleConfigs is not implemented by this server.",
    }
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize(
    "target", ["SageMaker.MakeCoffee", "SageMaker.", "SageMaker", "Coffee.ListTrainingJobs", "SageMaker.__class__"]
)
def test_an_unknown_operation_is_told_from_one_that_is_not_served(unchecked: Any, target: str) -> None:
    def replace(params: dict[str, Any], **_: object) -> None:
        params["headers"]["X-Amz-Target"] = target

    event = "before-call.sagemaker.ListTrainingJobs"
    unchecked.meta.events.register_last(event, replace, unique_id="target")
    try:
        code, message = refusal(unchecked.list_training_jobs)
    finally:
        unchecked.meta.events.unregister(event, unique_id="target")
    assert code == "UnknownOperationException"
    assert "not known" in message


def test_an_invocation_is_not_taken_for_an_object(server: RunningServer) -> None:
    runtime = server.client("sagemaker-runtime")
    code, message = refusal(runtime.invoke_endpoint, EndpointName="any-1", Body=b"1,2")
    assert code == "UnknownOperationException"
    assert message == "The operation InvokeEndpoint is not implemented by this server."
    s3 = server.client("s3")
    s3.create_bucket(Bucket="endpoints")
    assert s3.create_multipart_upload(Bucket="endpoints", Key="any-1/invocations")["UploadId"]


def test_sts_says_who_calls(server: RunningServer) -> None:
    sts = server.client("sts")
    found = sts.get_caller_identity()
    assert found["Account"] == "000000000000"
    assert found["Arn"] == "arn:aws:sts::000000000000:assumed-role/pegbox/session"
    assert found["UserId"] == server.credentials()["aws_access_key_id"]


def test_sts_does_not_find_what_it_does_not_serve(server: RunningServer) -> None:
    with pytest.raises(ClientError) as caught:
        server.client("sts").get_session_token()
    told = caught.value.response
    assert told["Error"] == {
        "Type": "Sender",
        "Code": "InvalidAction",
        "Message": "Could not find operation GetSessionToken for version 2011-06-15",
    }
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 400
    code, message = refusal(server.client("iam").list_users)
    assert (code, message) == ("InvalidAction", "Could not find operation ListUsers for version 2010-05-08")


def test_the_name_of_an_action_that_is_not_there_spoils_no_answer(server: RunningServer) -> None:
    sts = server.client("sts")

    def replace(params: dict[str, Any], **_: object) -> None:
        params["body"] = {"Action": "<Get>\0" + "x" * 1000}

    sts.meta.events.register_last("before-call.sts.GetCallerIdentity", replace, unique_id="action")
    code, message = refusal(sts.get_caller_identity)
    assert code == "InvalidAction"
    assert message == f"Could not find operation <Get>?{'x' * 122} for version NO_VERSION_SPECIFIED"


def test_every_answer_carries_a_request_id(sagemaker: Any, server: RunningServer) -> None:
    good = sagemaker.list_training_jobs(MaxResults=1)["ResponseMetadata"]
    with pytest.raises(ClientError) as caught:
        sagemaker.describe_training_job(TrainingJobName="nobody")
    bad = caught.value.response["ResponseMetadata"]
    sts = server.client("sts").get_caller_identity()["ResponseMetadata"]
    identities = [answer["RequestId"] for answer in (good, bad, sts)]
    assert all(len(identity) == 36 for identity in identities)
    assert len(set(identities)) == 3
    assert bad["HTTPHeaders"]["x-amzn-errortype"] == "ValidationException"


def test_an_operation_without_output_answers_with_an_empty_body(sagemaker: Any, here: str) -> None:
    name = new_name()
    sagemaker.create_training_job(**training_request(name, "any", here))
    lengths: list[str] = []
    event = "after-call.sagemaker.StopTrainingJob"
    sagemaker.meta.events.register(
        event, lambda http_response, **_: lengths.append(http_response.headers["content-length"]), unique_id="length"
    )
    refused = None
    try:
        sagemaker.stop_training_job(TrainingJobName=name)
    except ClientError as error:  # it has failed already: nobody knows the image
        refused = error.response["Error"]["Code"]
    finally:
        sagemaker.meta.events.unregister(event, unique_id="length")
    assert lengths == ["0"] or refused == "ValidationException"


PUT = b"PUT /a-bucket/a%0Ab HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\nX-Amz-Target: SageMaker.ListTrainingJobs\r\n"
QUERY = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
GET = b"GET /health HTTP/1.1\r\n"


@pytest.mark.parametrize("line, status", [(PUT, 403), (POST, 400), (QUERY, 403), (GET, 200)])
def test_who_was_not_asked_for_a_body_is_not_heard_on(server: RunningServer, line: bytes, status: int) -> None:
    """The client believes that its next request is one; we could only take it for the body."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(line + b"Host: a\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close\r\n" in answer


def test_the_id_of_a_key_does_not_buy_the_servers_memory(server: RunningServer) -> None:
    """Who has seen a presigned URL knows an id; what is sent under it is not kept without end."""
    place, key = urlsplit(server.url), server.credentials()["aws_access_key_id"]
    now = datetime.now(UTC)
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: SageMaker.ListTrainingJobs\r\nContent-Length: %d\r\n"
        b"X-Amz-Date: %s\r\nAuthorization: AWS4-HMAC-SHA256 Credential=%s/%s/us-east-1/sagemaker/aws4_request, "
        b"SignedHeaders=host;x-amz-date;x-amz-target, Signature=%s\r\n\r\n"
    ) % (4 << 20, f"{now:%Y%m%dT%H%M%SZ}".encode(), key.encode(), f"{now:%Y%m%d}".encode(), b"0" * 64)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((place.hostname, place.port), timeout=30))
            for _ in range(ROOM // (4 << 20) + 1)
        ]
        for connection in connections:
            connection.sendall(head + bytes((4 << 20) - 1))
        refused, _, _ = select.select(connections, [], [], 30)
        assert [connection.recv(13) for connection in refused] == [b"HTTP/1.1 503 "]
    sagemaker = server.client("sagemaker", config=Config(parameter_validation=False))

    def answered() -> bool:
        return refusal(sagemaker.list_training_jobs, NameContains="a" * 100_000)[0] == "ValidationException"

    wait_for("the memory to be free again", answered)


SMUGGLED = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("line", [PUT, POST, QUERY, GET])
@pytest.mark.parametrize("order", [1, -1])
def test_a_body_that_is_framed_twice_is_refused(server: RunningServer, line: bytes, order: int) -> None:
    """Whoever stands between may count otherwise than we (RFC 9112, 6.1)."""
    place = urlsplit(server.url)
    framing = b"".join((b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n")[::order])
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(line + b"Host: a\r\n" + framing + b"\r\n0\r\n\r\n" + SMUGGLED)
        answer = b""
        with suppress(ConnectionResetError):
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert answer[:13] in (b"", b"HTTP/1.1 400 ")


def test_a_path_may_have_any_sign(server: RunningServer) -> None:
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        connection.sendall(b"GET /a-bucket/a%0Ab%0D HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 403 ") and b"x-amz-request-id" in answer
    s3 = server.client("s3")
    s3.create_bucket(Bucket="signs")
    for key in ("\na\n", "a", "health\n", "\r", "a"):  # on one connection
        s3.put_object(Bucket="signs", Key=key, Body=key.encode())
    assert [s3.get_object(Bucket="signs", Key=key)["Body"].read() for key in ("\na\n", "\r")] == [b"\na\n", b"\r"]


def test_buckets_may_have_the_names_of_our_pages(server: RunningServer) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="health")
    s3.put_object(Bucket="health", Key="k", Body=b"")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="health")["Contents"]] == ["k"]
    s3.delete_object(Bucket="health", Key="k")
    s3.delete_bucket(Bucket="health")


def test_health_needs_no_signature(server: RunningServer) -> None:
    with urllib.request.urlopen(f"{server.url}/health", timeout=10) as answer:
        found = json.load(answer)
    assert found["status"] == "ok" and found["pid"] == server.process.pid


def test_the_answer_is_json_whatever_the_request_calls_itself(server: RunningServer) -> None:
    client = server.client("sagemaker")

    def change(params: dict[str, Any], **_: object) -> None:
        params["headers"]["Content-Type"] = "text/html"

    client.meta.events.register_last("before-call.sagemaker.ListTrainingJobs", change)
    headers = client.list_training_jobs()["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/x-amz-json-1.1"


def test_brackets_in_strings_are_no_depth(unchecked: Any) -> None:
    code, message = refusal_of(unchecked, "ListTrainingJobs", {"NameContains": '[{"' * 1000})
    assert code == "ValidationException" and "nameContains" in message


def head_of(server: RunningServer, head: bytes) -> bytes:
    """The first line of the answer to a head that is sent as it is."""
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(head + b"\r\n\r\n")
        return connection.makefile("rb").readline()


def test_heads_have_limits(server: RunningServer) -> None:
    target = b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: SageMaker.ListTrainingJobs"
    assert b" 400 " in head_of(server, target)
    assert b" 413 " in head_of(server, target + b"\r\na: b" * 300)
    assert b" 400 " in head_of(server, b"GET /?" + b"a&" * 5000 + b" HTTP/1.1\r\nHost: a")
    assert b" 400 " in head_of(server, b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a")
    assert b" 400 " in head_of(server, b"GET / HTTP/1.1\r\nHost: a\r\na: " + b"b" * 100_000)


def test_a_long_body_of_a_stranger_is_not_awaited(server: RunningServer) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: SageMaker.ListTrainingJobs\r\nContent-Length: 4000000"
    assert b" 400 " in head_of(server, head)
    form = (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked"
    )
    assert b" 403 " in head_of(server, form)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT"])
@pytest.mark.parametrize("path", [b"/health", b"/bucket/key", b"/?uploads"])
def test_a_body_that_is_no_http_has_one_answer(server: RunningServer, method: bytes, path: bytes) -> None:
    head = method + b" " + path + b" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz"
    assert b" 400 " in head_of(server, head)
    assert "level=error" not in server.log.read_text()


@pytest.mark.parametrize("number", [b"9" * 400, b"1e300", b"9223372036854775808", b"-1e15"])
def test_a_time_that_no_calendar_has_is_refused(unchecked: Any, number: bytes) -> None:
    for name in (b"CreationTimeAfter", b"LastModifiedTimeBefore"):
        code, message = refusal_of(unchecked, "ListTrainingJobs", b'{"' + name + b'": ' + number + b"}")
        assert code == "ValidationException" and name.decode()[1:] in message


def test_a_member_that_is_null_is_left_out(unchecked: Any, here: str) -> None:
    request = training_request(new_name(), "any", here)
    resources = {"InstanceType": "local", "InstanceCount": None, "VolumeSizeInGB": 1, "InstanceGroups": None}
    code, message = refusal_of(unchecked, "CreateTrainingJob", {**request, "ResourceConfig": resources})
    assert code == "ValidationException" and "InstanceCount must be at least 1" in message
    code, _ = refusal_of(unchecked, "CreateTrainingJob", {**request, "HyperParameters": {"a": None}})
    assert code == "ValidationException"
