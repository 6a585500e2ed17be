"""The disk of the home is full: what can wait waits, the rest fails with a reason, and all goes on with new room."""

from __future__ import annotations

import ctypes
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from jobs import archive, in_training, new_name, process_of, register, training_ended
from pegbox.testing.requests import LOSS, channel, training_request
from running import RunningServer, wait_for

NEW_MOUNTS, PRIVATE, RECURSIVE = 0x20000, 0x40000, 0x4000
MEGABYTE = 1 << 20

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")

TALKING = """
    import pathlib, time
    pathlib.Path("/opt/ml/model/weights").write_text("trained")
    number = 0
    while not pathlib.Path("go").exists():
        if pathlib.Path("talk").exists():
            print(f"loss={number};", flush=True)
            number += 1
        time.sleep(0.02)
    pathlib.Path("count").write_text(str(number))
"""
#: prints more than a pipe holds, at the test's word
CHATTY = """
    import pathlib, time
    print("ready", flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    for number in range(60_000):
        print(f"loss={number};")
"""
GREEDY = """
    with open("/opt/ml/model/weights", "wb") as file:
        while True:
            file.write(bytes(100_000))
            file.flush()
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of 90 MB, in a mount namespace that this process and its children alone have."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path_factory.mktemp("disk")
    if libc.unshare(NEW_MOUNTS) or libc.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None):
        pytest.skip("no mount namespace can be had")
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=90m"):
        pytest.skip("no small disk can be mounted")
    return folder


@pytest.fixture
def own(disk: Path) -> Iterator[RunningServer]:
    environment = {"PEGBOX_TICK": "0.2", "PEGBOX_LEASE": "2", "PEGBOX_STOP_GRACE": "1", "PEGBOX_PATIENCE": "3"}
    server = RunningServer(disk / new_name("home"), environment=environment, forked=False)  # it has to see the mount
    server.client("s3").create_bucket(Bucket=server.home.name)
    yield server
    server.kill()
    shutil.rmtree(server.home)


class Filler:
    """Takes all room that is left, also what becomes free."""

    def __init__(self, disk: Path) -> None:
        self._file = disk / "filler"

    def fill(self) -> None:
        with self._file.open("ab", buffering=0) as file:
            for size in (MEGABYTE, 4096):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    @contextmanager
    def all_the_time(self) -> Iterator[None]:
        over = threading.Event()

        def fill() -> None:
            while not over.wait(0.001):
                self.fill()

        thread = threading.Thread(target=fill)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)


@pytest.fixture
def filler(disk: Path) -> Iterator[Filler]:
    filler = Filler(disk)
    yield filler
    filler.remove()


def test_objects_are_refused_whole_and_accepted_again(own: RunningServer, filler: Filler) -> None:
    s3, bucket = own.client("s3"), own.home.name
    s3.put_object(Bucket=bucket, Key="before", Body=b"before")
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = {"Bucket": bucket, "Key": "parts", "UploadId": upload, "PartNumber": 1}

    def has_no_room(call: Any, **request: Any) -> bool:
        filler.fill()  # what the server gives back, too; there may have been room for this one
        try:
            call(**request, Body=bytes(MEGABYTE))
        except s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "InsufficientStorage"
            return True
        return False

    wait_for("a refusal", lambda: has_no_room(s3.put_object, Bucket=bucket, Key="large"))
    wait_for("a refusal", lambda: has_no_room(s3.upload_part, **part))
    assert s3.get_object(Bucket=bucket, Key="before")["Body"].read() == b"before"
    filler.remove()
    s3.put_object(Bucket=bucket, Key="large", Body=bytes(MEGABYTE))
    etag = s3.upload_part(**part, Body=bytes(MEGABYTE))["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["before", "large", "parts"]


def test_all_goes_on_when_there_is_room_again(own: RunningServer, filler: Filler, tmp_path: Path) -> None:
    sagemaker, s3 = own.client("sagemaker"), own.client("s3")
    name, image = new_name(), register(own, tmp_path, TALKING)
    request = training_request(name, image, f"s3://{own.home.name}/out")
    request["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    sagemaker.create_training_job(**request)
    in_training(sagemaker, name)
    (tmp_path / "talk").touch()
    wait_for("a value", lambda: sagemaker.describe_training_job(TrainingJobName=name).get("FinalMetricDataList"))

    def is_full() -> bool:
        filler.fill()  # what the server gives back, too
        return is_refused(sagemaker, image) and "the ballast was dropped" in own.log.read_text()

    wait_for("a full database", is_full)
    with filler.all_the_time():  # files of a program that has ended give room back
        (tmp_path / "go").touch()
        wait_for("the end of the program", (tmp_path / "count").exists)
        assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"
    filler.remove()
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed"
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"weights": b"trained"}
    with sqlite3.connect(own.home / "pegbox.db") as connection:
        assert connection.execute("select count(*) from point").fetchone() == (int((tmp_path / "count").read_text()),)
    wait_for("the log's word", lambda: "the database answers again" in own.log.read_text())
    assert "Traceback" not in own.log.read_text()


def test_a_server_starts_on_a_full_disk(own: RunningServer, filler: Filler) -> None:
    own.client("s3").put_object(Bucket=own.home.name, Key="a", Body=b"a")
    wait_for("the ballast", (own.home / "ballast").exists)
    own.kill()
    filler.fill()
    own.start()
    assert own.client("s3").get_object(Bucket=own.home.name, Key="a")["Body"].read() == b"a"
    assert own.client("sagemaker").list_training_jobs()["TrainingJobSummaries"] == []
    assert "the ballast was dropped" in own.log.read_text()


def test_a_start_without_any_room_is_refused_in_one_line(own: RunningServer, filler: Filler) -> None:
    own.kill()
    (own.home / "ballast").unlink(missing_ok=True)
    filler.fill()
    with pytest.raises(RuntimeError):
        own.start()
    last = own.log.read_text().splitlines()[-1]
    assert last.startswith("pegbox: ") and "make room on it" in last
    assert "Traceback" not in own.log.read_text()


def test_a_program_waits_while_its_log_has_no_room(own: RunningServer, filler: Filler, tmp_path: Path) -> None:
    sagemaker = own.client("sagemaker")
    request = training_request(new_name(), register(own, tmp_path, CHATTY), f"s3://{own.home.name}/out")
    request["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    sagemaker.create_training_job(**request)
    (log,) = wait_for("the log", lambda: [file for file in own.home.rglob("algo-1.log") if file.stat().st_size])
    filler.fill()
    (tmp_path / "go").touch()
    program = process_of(request["TrainingJobName"])
    said = "ready\n" + "".join(f"loss={number};\n" for number in range(60_000))

    def is_held_back() -> bool:
        filler.fill()  # what the server gives back, too
        return "pipe" in Path("/proc", program, "wchan").read_text() and log.stat().st_size < len(said) / 2

    wait_for("a full pipe", is_held_back)
    filler.remove()
    assert training_ended(sagemaker, request["TrainingJobName"])["TrainingJobStatus"] == "Completed"
    assert log.read_text() == said
    with sqlite3.connect(own.home / "pegbox.db") as connection:
        assert connection.execute("select count(*), max(value) from point").fetchone() == (60_000, 59_999)


def is_refused(sagemaker: Any, image: str) -> bool:
    """Whether no job can be created, and if so for the right reason."""
    request = training_request(new_name(), image, "s3://nowhere/out")
    try:
        sagemaker.create_training_job(**request)
    except sagemaker.exceptions.ClientError as error:
        told = error.response["Error"]
        assert told["Code"] == "ServiceUnavailable"
        assert told["Message"].startswith("The disk of the database is full. ")
        return True
    return False


def test_inputs_that_do_not_fit_fail_and_leave_the_room_to_others(own: RunningServer, tmp_path: Path) -> None:
    sagemaker = own.client("sagemaker")
    image, inputs = register(own, tmp_path, "print()"), tmp_path / "inputs"
    inputs.mkdir()
    with (inputs / "file").open("wb") as file:
        file.truncate(200 * MEGABYTE)
    given = {"InputDataConfig": [channel("train", f"file://{inputs}/")]}
    large, small = (training_request(new_name(), image, f"file://{tmp_path}/out", **more) for more in (given, {}))
    sagemaker.create_training_job(**large)
    wait_for("the job's wait", lambda: "something is in the way of a job" in own.log.read_text())
    sagemaker.create_training_job(**small)
    assert training_ended(sagemaker, small["TrainingJobName"])["TrainingJobStatus"] == "Completed"
    job = training_ended(sagemaker, large["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("InternalServerError: There is no room on a disk of the server")
    assert "Traceback" not in own.log.read_text()


def test_a_program_that_fills_the_disk_fails_alone(own: RunningServer, disk: Path, tmp_path: Path) -> None:
    sagemaker = own.client("sagemaker")
    other, greedy = (
        training_request(new_name(), register(own, tmp_path, program), f"file://{tmp_path}/out")
        for program in (TALKING, GREEDY)
    )
    sagemaker.create_training_job(**other)
    wait_for("its model", lambda: list(own.home.glob("attempts/*/*/algo-1/ml/model/weights")))
    sagemaker.create_training_job(**greedy)
    job = training_ended(sagemaker, greedy["TrainingJobName"])
    assert job["TrainingJobStatus"] == "Failed"
    assert "No space left on device" in job["FailureReason"]
    wait_for("room", lambda: os.statvfs(disk).f_bavail * 4096 > 30 * MEGABYTE)
    (tmp_path / "go").touch()
    assert training_ended(sagemaker, other["TrainingJobName"])["TrainingJobStatus"] == "Completed"
