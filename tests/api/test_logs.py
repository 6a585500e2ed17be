"""CloudWatch Logs of training jobs, as boto3, the SageMaker SDK and `aws logs tail` ask for them."""

from __future__ import annotations

import base64
import json
import re
import signal
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from command_line import run
from forking import Forked
from jobs import in_training, new_name, pegbox, training_ended
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, clean_environment, wait_for

GROUP = "/aws/sagemaker/TrainingJobs"
#: prints ten lines, waits for a file, and prints ten more without an end of the last
TWO_PARTS = """
    import os, pathlib, time

    host, job = os.environ["SM_CURRENT_HOST"], os.environ["TRAINING_JOB_NAME"]
    for number in range(10):
        print(f"{host} line {number}", flush=True)
    print("half", end="", flush=True)
    while not pathlib.Path(f"{job}.go").exists():
        time.sleep(0.02)
    print(" and half")
    print("\\n\\rprogress 1\\rprogress 2\\r\\nlast", end="", flush=True)
"""
FIRST = [f"line {number}" for number in range(10)]
SECOND = ["half and half", "progress 1", "progress 2", "last"]


@pytest.fixture(scope="module")
def logs(server: RunningServer) -> Any:
    return server.client("logs")


@pytest.fixture(scope="module")
def parts(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An image that runs TWO_PARTS, and the folder in which it looks for files."""
    folder, name = tmp_path_factory.mktemp("parts"), new_name("parts")
    (folder / "train.py").write_text(textwrap.dedent(TWO_PARTS))
    pegbox(server, "image", "add", name, "--command", "python train.py", "--workdir", str(folder))
    return name, folder


@pytest.fixture(scope="module")
def printed(server: RunningServer, parts: tuple[str, Path]) -> str:
    """A job of two instances that has ended."""
    sagemaker, name = server.client("sagemaker"), new_name("printed")
    server.client("s3").create_bucket(Bucket="logs")
    (parts[1] / f"{name}.go").touch()
    resources = {"InstanceType": "local", "InstanceCount": 2, "VolumeSizeInGB": 1}
    sagemaker.create_training_job(**training_request(name, parts[0], "s3://logs/out", ResourceConfig=resources))
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    return name


def lines(host: str) -> list[str]:
    return [f"{host} {text}" for text in FIRST] + SECOND


def streams(logs: Any, prefix: str) -> list[str]:
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=prefix)
    assert "nextToken" not in found
    return [each["logStreamName"] for each in found["logStreams"]]


def messages(answer: dict[str, Any]) -> list[str]:
    return [event["message"] for event in answer["events"]]


def refused(call: Callable[..., Any], code: str, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def test_groups_and_streams(logs: Any, printed: str, sagemaker: Any) -> None:
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/aws/sage")["logGroups"]
    assert group["logGroupName"] == GROUP
    assert logs.describe_log_groups(logGroupNamePattern="Training")["logGroups"] == [group]
    assert logs.describe_log_groups(logGroupNamePrefix="/aws/lambda")["logGroups"] == []
    found = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{printed}/")["logStreams"]
    created = int(sagemaker.describe_training_job(TrainingJobName=printed)["CreationTime"].timestamp())
    assert [each["logStreamName"] for each in found] == [f"{printed}/algo-{n}-{created}" for n in (1, 2)]
    for each in found:
        assert created * 1000 <= each["firstEventTimestamp"] <= each["lastEventTimestamp"] == each["lastIngestionTime"]
        assert each["arn"] == f"{group['logGroupArn']}:log-stream:{each['logStreamName']}"
        assert each["storedBytes"] > 0
    by_arn = logs.describe_log_streams(logGroupIdentifier=group["logGroupArn"], logStreamNamePrefix=f"{printed}/algo-2")
    assert by_arn["logStreams"] == found[1:]


def test_events_forwards_and_backwards(logs: Any, printed: str) -> None:
    stream = streams(logs, f"{printed}/")[0]
    at = {"logGroupName": GROUP, "logStreamName": stream}
    whole = logs.get_log_events(**at, startFromHead=True)
    assert messages(whole) == lines("algo-1")
    assert messages(logs.get_log_events(**at)) == lines("algo-1")
    times = [event["timestamp"] for event in whole["events"]]
    assert times == sorted(times) == [event["ingestionTime"] for event in whole["events"]]

    seen, token = [], {}
    while True:
        page = logs.get_log_events(**at, startFromHead=True, limit=5, **token)
        if page["nextForwardToken"] == token.get("nextToken"):
            break
        seen += messages(page)
        token = {"nextToken": page["nextForwardToken"]}
    assert (seen, page["events"]) == (lines("algo-1"), [])

    last = logs.get_log_events(**at, limit=4)
    assert messages(last) == SECOND
    before = logs.get_log_events(**at, limit=3, nextToken=last["nextBackwardToken"])
    assert messages(before) == lines("algo-1")[7:10]
    assert messages(logs.get_log_events(**at, nextToken=before["nextForwardToken"])) == SECOND
    first = logs.get_log_events(**at, nextToken=before["nextBackwardToken"])
    assert messages(first) == lines("algo-1")[:7]
    none = logs.get_log_events(**at, nextToken=first["nextBackwardToken"])
    assert (none["events"], none["nextBackwardToken"]) == ([], first["nextBackwardToken"])

    middle = times[7]
    assert messages(logs.get_log_events(**at, startFromHead=True, startTime=middle)) == [
        text for text, time in zip(lines("algo-1"), times, strict=True) if time >= middle
    ]
    assert messages(logs.get_log_events(**at, endTime=middle)) == [
        text for text, time in zip(lines("algo-1"), times, strict=True) if time < middle
    ]


class SdkReader:
    """The loop of the SageMaker SDK, version 2 (`Session.logs_for_job`), without its pauses."""

    def __init__(self, logs: Any, job: str, instances: int) -> None:
        self._logs, self._job, self._instances = logs, job, instances
        self._names: list[str] = []
        self._positions: dict[str, tuple[int, int]] = {}
        self.lines: list[tuple[str, str]] = []  # of which stream, in the order of the loop

    def flush(self) -> None:
        if len(self._names) < self._instances:
            try:
                found = self._logs.describe_log_streams(
                    logGroupName=GROUP, logStreamNamePrefix=f"{self._job}/", orderBy="LogStreamName",
                    limit=min(self._instances, 50),
                )  # fmt: skip
            except self._logs.exceptions.ResourceNotFoundException:
                return
            assert "nextToken" not in found  # the SDK would ask for ever
            new = [each["logStreamName"] for each in found["logStreams"]]
            self._names += [name for name in new if name not in self._names]
        for name in self._names:  # in the order in which they were found
            for event in self._events(name):
                timestamp, count = self._positions.get(name, (0, 0))
                at = event["timestamp"]
                self._positions[name] = (at, count + 1) if at == timestamp else (at, 1)
                self.lines.append((name, event["message"]))

    def _events(self, name: str) -> Iterator[dict[str, Any]]:
        start, skip = self._positions.get(name, (0, 0))
        token: dict[str, str] = {}
        count = 1
        while count:
            found = self._logs.get_log_events(
                logGroupName=GROUP, logStreamName=name, startTime=start, startFromHead=True, **token
            )
            token = {"nextToken": found["nextForwardToken"]}
            events = found["events"]
            count = len(events)
            yield from events[skip:]
            skip = max(0, skip - count)


def tail(logs: Any, prefix: str, seen: dict[str, Any]) -> list[str]:
    """One look of `aws logs tail --follow`: from the last time on, without what was seen at that time."""
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNamePrefix=prefix, interleaved=True, startTime=seen.get("at", 0)
    )
    new = []
    for page in pages:
        for event in page["events"]:
            if event["eventId"] not in seen.setdefault("ids", set()):
                new.append(event["message"])
                if event["timestamp"] > seen.get("at", 0):
                    seen["at"], seen["ids"] = event["timestamp"], set()
                seen["ids"].add(event["eventId"])
    return new


def test_a_running_job_is_followed_without_loss_or_repeats(
    server: RunningServer, sagemaker: Any, logs: Any, here: str, parts: tuple[str, Path]
) -> None:
    name = new_name("followed")
    resources = {"InstanceType": "local", "InstanceCount": 2, "VolumeSizeInGB": 1}
    sagemaker.create_training_job(**training_request(name, parts[0], here, ResourceConfig=resources))
    in_training(sagemaker, name)
    sdk, tailed, seen = SdkReader(logs, name, 2), [], {}

    def look() -> bool:
        sdk.flush()
        tailed.extend(tail(logs, f"{name}/", seen))
        return len(sdk.lines) == len(tailed) == 20

    wait_for("the first lines", look)
    (stream, _) = streams(logs, f"{name}/")
    at = {"logGroupName": GROUP, "logStreamName": stream, "startFromHead": True}
    token = logs.get_log_events(**at)["nextForwardToken"]
    again = logs.get_log_events(**at, nextToken=token)
    assert (again["events"], again["nextForwardToken"]) == ([], token)
    (parts[1] / f"{name}.go").touch()
    training_ended(sagemaker, name)
    look()
    for host in ("algo-1", "algo-2"):
        assert [text for stream, text in sdk.lines if stream.startswith(f"{name}/{host}-")] == lines(host)
    assert sorted(tailed) == sorted(lines("algo-1") + lines("algo-2"))
    assert messages(logs.get_log_events(**at, nextToken=token)) == SECOND


def test_events_are_filtered(logs: Any, printed: str) -> None:
    def found(**arguments: Any) -> list[str]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, **arguments)
        return [event["message"] for page in pages for event in page["events"]]

    one, two = streams(logs, f"{printed}/")
    assert found(logStreamNames=[one], filterPattern="?progress ?half -2") == ["half and half", "progress 1"]
    both = found(logStreamNames=[two, one], filterPattern="%line [0-3]$%")
    assert sorted(both) == [f"algo-{host} line {number}" for host in (1, 2) for number in range(4)]
    whole = found(logStreamNamePrefix=f"{printed}/")
    assert sorted(whole) == sorted(lines("algo-1") + lines("algo-2"))
    paged = found(logStreamNamePrefix=f"{printed}/", PaginationConfig={"PageSize": 3})
    assert paged == whole
    events = logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix=printed)["events"]
    assert len({event["eventId"] for event in events}) == len(events) == 28
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    middle = events[14]["timestamp"]
    window = {"startTime": middle, "endTime": middle + 1}
    expected = [event["message"] for event in events if event["timestamp"] == middle]
    assert found(logStreamNamePrefix=f"{printed}/", **window) == expected
    assert set(whole) <= set(found(startTime=events[0]["timestamp"]))


def test_streams_come_in_pages(logs: Any, printed: str, sagemaker: Any, here: str, image: Callable[..., str]) -> None:
    quick, stem = image("print('x')"), new_name("page")
    names = [f"{stem}-{number}" for number in range(3)]
    for name in names:
        sagemaker.create_training_job(**training_request(name, quick, here))
    for name in names:
        training_ended(sagemaker, name)
    pages = logs.get_paginator("describe_log_streams")
    for size in (1, 2, 3):
        found = pages.paginate(logGroupName=GROUP, logStreamNamePrefix=stem, PaginationConfig={"PageSize": size})
        assert [each["logStreamName"].split("/")[0] for page in found for each in page["logStreams"]] == names
    newest = pages.paginate(
        logGroupName=GROUP, orderBy="LastEventTime", descending=True, PaginationConfig={"PageSize": 2, "MaxItems": 5}
    )
    seen = [each["logStreamName"].split("/")[0] for page in newest for each in page["logStreams"]]
    assert seen[:3] == names[::-1]
    assert len(seen) == 5


def test_a_page_has_a_megabyte_and_a_long_line_is_several_events(
    logs: Any, sagemaker: Any, here: str, image: Callable[..., str]
) -> None:
    name = new_name("long")
    wide = image("print('x' * 600_000)\nfor n in range(3000): print(f'{n:05d}', 'y' * 500)")
    sagemaker.create_training_job(**training_request(name, wide, here))
    training_ended(sagemaker, name)
    at = {"logGroupName": GROUP, "logStreamName": streams(logs, f"{name}/")[0], "startFromHead": True}
    pages, token = [], {}
    while not pages or pages[-1]["events"]:
        pages.append(logs.get_log_events(**at, **token))
        token = {"nextToken": pages[-1]["nextForwardToken"]}
    sizes = [sum(len(event["message"]) + 26 for event in page["events"]) for page in pages]
    assert all(size <= 1 << 20 for size in sizes) and len(sizes) == 4
    texts = [text for page in pages for text in messages(page)]
    assert (max(map(len, texts)), "".join(texts[:3])) == (256 << 10, "x" * 600_000)
    assert texts[3:] == [f"{number:05d} {'y' * 500}" for number in range(3000)]


def test_another_account_sees_nothing(server: RunningServer, logs: Any, printed: str) -> None:
    key, secret = (line.split("=")[1] for line in pegbox(server, "keys", "add", "--account", "1" * 12).splitlines())
    other = server.client("logs", aws_access_key_id=key, aws_secret_access_key=secret)
    stream = streams(logs, f"{printed}/")[0]
    assert other.describe_log_groups()["logGroups"] == []
    for call, more in (
        (other.get_log_events, {"logStreamName": stream}),
        (other.describe_log_streams, {"logStreamNamePrefix": f"{printed}/"}),
        (other.filter_log_events, {"logStreamNames": [stream]}),
    ):
        assert "group does not exist" in refused(call, "ResourceNotFoundException", logGroupName=GROUP, **more)
    s3, sagemaker = (
        server.client(each, aws_access_key_id=key, aws_secret_access_key=secret) for each in ("s3", "sagemaker")
    )
    s3.create_bucket(Bucket="others")
    sagemaker.create_training_job(**training_request("theirs", "no-such-image", "s3://others/out"))
    training_ended(sagemaker, "theirs")
    for call, more in (
        (other.get_log_events, {"logStreamName": stream}),
        (other.filter_log_events, {"logStreamNames": [stream]}),
    ):
        assert "stream does not exist" in refused(call, "ResourceNotFoundException", logGroupName=GROUP, **more)
    assert other.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=printed)["logStreams"] == []
    assert other.filter_log_events(logGroupName=GROUP)["events"] == []


def test_wrong_requests_are_refused_in_the_services_words(logs: Any, printed: str) -> None:
    one, two = streams(logs, f"{printed}/")
    invalid, missing = "InvalidParameterException", "ResourceNotFoundException"
    at: dict[str, Any] = {"logGroupName": GROUP, "logStreamName": one}
    page = logs.describe_log_streams(logGroupName=GROUP, limit=1)
    forged = json.loads(base64.urlsafe_b64decode(page["nextToken"]))
    wrong = base64.urlsafe_b64encode(json.dumps([forged[0], [1, "x"], "a"]).encode()).decode()
    token = logs.get_log_events(**at)["nextForwardToken"]
    for call, code, arguments in (
        (logs.get_log_events, missing, {**at, "logGroupName": "/aws/lambda/x"}),
        (logs.get_log_events, missing, {**at, "logStreamName": one.replace("algo-1", "algo-3")}),
        (logs.get_log_events, missing, {**at, "logStreamName": one + "0"}),
        (logs.get_log_events, missing, {**at, "logStreamName": "nobody"}),
        (logs.get_log_events, invalid, {"logStreamName": one}),
        (logs.get_log_events, invalid, {**at, "limit": 10_001}),
        (logs.get_log_events, invalid, {**at, "nextToken": "f/1"}),
        (logs.get_log_events, invalid, {**at, "logStreamName": two, "nextToken": token}),
        (logs.describe_log_streams, invalid, {
            "logGroupName": GROUP, "nextToken": page["nextToken"], "descending": True,
        }),
        (logs.describe_log_streams, invalid, {"logGroupName": GROUP, "nextToken": wrong}),
        (logs.describe_log_streams, invalid, {
            "logGroupName": GROUP, "logStreamNamePrefix": "a", "orderBy": "LastEventTime",
        }),
        (logs.describe_log_groups, invalid, {"nextToken": "x"}),
        (logs.filter_log_events, missing, {"logGroupName": GROUP, "logStreamNames": ["nobody"]}),
        (logs.filter_log_events, invalid, {"logGroupName": GROUP, "logStreamNames": [one], "logStreamNamePrefix": "a"}),
        (logs.filter_log_events, invalid, {"logGroupName": GROUP, "filterPattern": "{ $.a = 1 }"}),
        (logs.filter_log_events, invalid, {"logGroupName": GROUP, "nextToken": page["nextToken"]}),
        (logs.filter_log_events, invalid, {"logGroupName": GROUP, "startFromHead": False}),
    ):  # fmt: skip
        assert refused(call, code, **arguments)


def test_pegbox_logs_prints_a_log(server: RunningServer, printed: str) -> None:
    done = run("logs", printed, "--home", server.home)
    assert done.code == 0
    found = [line.split(" | ") for line in done.out.splitlines()]
    assert [line for host, line in found if host == "algo-1"] == lines("algo-1")
    assert [line for host, line in found if host == "algo-2"] == lines("algo-2")
    last = run("logs", printed, "--tail", "1", "-t", "--home", server.home).out.splitlines()
    assert [re.fullmatch(r"20[0-9-]{8} [0-9:]{8}\.[0-9]{3} algo-[12] \| last", line) is not None for line in last] == [
        True
    ] * 2


def test_pegbox_logs_follows_a_running_job(
    server: RunningServer, sagemaker: Any, here: str, parts: tuple[str, Path], tmp_path: Path
) -> None:
    name = new_name("shown")
    sagemaker.create_training_job(**training_request(name, parts[0], here))
    files = [tmp_path / "left", tmp_path / "whole"]
    followers = []
    for file in files:
        arguments = ["logs", name, "-f", "--home", str(server.home)]
        with file.open("wb") as out:
            followers.append(Forked(arguments, stdout=out, stderr=out, env=clean_environment()))
        wait_for("the first lines", lambda file=file: file.read_text().splitlines() == lines("algo-1")[:10])
    followers[0].send_signal(signal.SIGINT)
    assert followers[0].wait(30) == 130
    (parts[1] / f"{name}.go").touch()
    assert followers[1].wait(60) == 0
    assert [file.read_text().splitlines() for file in files] == [lines("algo-1")[:10], lines("algo-1")]


def test_pegbox_logs_of_a_search_are_those_of_its_jobs(
    server: RunningServer, sagemaker: Any, here: str, image: Callable[..., str]
) -> None:
    name, own = new_name("many"), image("print('loss=1;')")
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request(name, own, here))
    done = run("logs", name, "--follow", "--home", server.home)
    assert (done.code, sorted(done.out.splitlines())) == (0, ["001 | loss=1;", "002 | loss=1;"])
    silent = new_name("silent")
    sagemaker.create_training_job(**training_request(silent, image("pass"), here))
    training_ended(sagemaker, silent)
    quiet = run("logs", silent, "-f", "--home", server.home)
    assert (quiet.code, quiet.out, "has printed nothing" in quiet.err) == (0, "", True)
