"""How fast large objects go in and out, in how much memory, and how long many small ones take into a channel.

    python benchmarks/s3_transfer.py [--megabytes 1024] [--objects 2000] [--runs 3]

Beside the transfers, as the machine's measure: a plain copy of the same bytes from a file, through a local socket,
into a file that is brought to disk, between two Python processes.  Limits: one PUT and one GET at half its rate or
more, less than 200 MB for all processes of the server whatever the size, and 3 s for 2,000 objects of 10 kB.

A second measure is the same copy whose receiver also hashes, as every store has to that speaks S3: the ETag is an MD5,
which cannot be divided among processors, and takes longer than the plain copy as a whole (md5_s).  It has no HTTP, no
signatures and no index, so it is what a PUT can reach on the machine; best seen where two processors are idle.

Before each transfer a file of the same size is written, not to disk, and removed.  A virtual machine may give memory
that has been free for some seconds back to its host.  To have 1 GB again took 1 to 2.5 s of a processor, where the copy
into it takes 0.2.  So all begin with memory that has just been used, and none pays for what happened before it.

The PUT and the GET are signed but leave the body unsigned, as clients do over https, so that the server is measured.
boto3 over plain http reads its data three times, to checksum, to sign and to send it; its figures are there, too.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from measuring import Server, describe_machine, processes_below, proportional_set_size

BLOCK = 1 << 20
SMALL = 10_000  #: bytes of a small object
ROLE = "arn:aws:iam::000000000000:role/bench"
HASHING_COPY = "hashing_copy"
RECEIVER = Path(__file__).with_name("receiver.py")


def make_data(path: Path, megabytes: int) -> None:
    """A file of random bytes, made of one block that is turned a little further each time."""
    block = os.urandom(BLOCK)
    with path.open("wb") as file:
        for number in range(megabytes):
            turn = number * 4099 % BLOCK
            file.write(block[turn:])
            file.write(block[:turn])


def copy_through_socket(data: Path, copy: Path, *options: str) -> float:
    """Seconds from the first byte to receiver.py's answer that all are on disk."""
    command = [sys.executable, str(RECEIVER), str(copy), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as receiver:
        assert receiver.stdout is not None
        port = int(receiver.stdout.readline())
        began = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port)) as connection, data.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                connection.sendall(block)
            connection.shutdown(socket.SHUT_WR)
            if connection.recv(4) != b"done":
                raise RuntimeError("the receiver has failed")
        seconds = time.perf_counter() - began
    copy.unlink()
    return seconds


def use_memory(path: Path, megabytes: int) -> None:
    """Write a file and remove it, so that as much memory is at hand (see above)."""
    block = bytes(BLOCK)
    with path.open("wb", buffering=0) as file:
        for _ in range(megabytes):
            file.write(block)
    path.unlink()


def hash_all(data: Path) -> float:
    """Seconds of a processor for the MD5 alone."""
    digest, seconds = hashlib.md5(usedforsecurity=False), 0.0
    with data.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            began = time.thread_time()
            digest.update(block)
            seconds += time.thread_time() - began
    return seconds


class Peak:
    """The most memory that the server's processes had together."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.bytes = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look ten times a second."""
        over = threading.Event()
        thread = threading.Thread(target=self._watch, args=(over,))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(0.1):
            self.bytes = max(self.bytes, sum(map(_memory, processes_below(self._pid))))


def _memory(pid: int) -> int:
    try:
        return proportional_set_size(pid)
    except OSError:  # ended meanwhile
        return 0


class Transfers:
    """The same file up and down in several ways; each gives the seconds that it took."""

    def __init__(self, server: Server, data: Path, down: Path) -> None:
        from botocore.config import Config

        self._server, self._data, self._down = server, data, down
        self._boto3 = server.client("s3")
        self._boto3.create_bucket(Bucket="bench")
        lean = Config(s3={"payload_signing_enabled": False}, request_checksum_calculation="when_required")
        self._lean = server.client("s3", lean)
        self.ways: dict[str, Callable[[], None]] = {
            "one_put": self._put,
            "one_get": self._get,
            "boto3_put_object": lambda: self._put_object(self._boto3),
            "boto3_put_object_unsigned": lambda: self._put_object(self._lean),
            "boto3_upload_fileobj": lambda: self._upload(self._boto3),
            "boto3_upload_fileobj_unsigned": lambda: self._upload(self._lean),
            "boto3_get_object": self._get_object,
            "boto3_download_fileobj": self._download,
        }

    def _put(self) -> None:
        with self._data.open("rb") as file:
            headers = {**self._signed("PUT"), "Content-Length": str(self._data.stat().st_size)}
            self._request("PUT", headers, file).read()

    def _get(self) -> None:
        answer = self._request("GET", self._signed("GET"), None)
        buffer = memoryview(bytearray(BLOCK))
        with self._down.open("wb", buffering=0) as file:
            while count := answer.readinto(buffer):
                file.write(buffer[:count])
            os.fsync(file.fileno())

    def _put_object(self, s3: Any) -> None:
        with self._data.open("rb") as file:
            s3.put_object(Bucket="bench", Key="large", Body=file)

    def _upload(self, s3: Any) -> None:
        with self._data.open("rb") as file:
            s3.upload_fileobj(file, "bench", "parts")

    def _get_object(self) -> None:
        body = self._boto3.get_object(Bucket="bench", Key="large")["Body"]
        with self._down.open("wb", buffering=0) as file:
            while block := body.read(BLOCK):
                file.write(block)
            os.fsync(file.fileno())

    def _download(self) -> None:
        with self._down.open("wb") as file:
            self._boto3.download_fileobj("bench", "parts", file)
            file.flush()
            os.fsync(file.fileno())

    def _signed(self, method: str) -> dict[str, str]:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest

        class Unsigned(S3SigV4Auth):  # type: ignore[misc]
            def payload(self, request: Any) -> str:
                return "UNSIGNED-PAYLOAD"

        request = AWSRequest(method, f"{self._server.url}/bench/large")
        Unsigned(self._server.key(), "s3", "us-east-1").add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def _request(self, method: str, headers: dict[str, str], body: Any) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, blocksize=BLOCK)
        connection.request(method, "/bench/large", body, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(answer.read().decode())
        return answer


def into_a_channel(server: Server, objects: int) -> float:
    """Seconds that a training job is Downloading small objects."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    with ThreadPoolExecutor(8) as pool:
        keys = [f"small/{number:06d}" for number in range(objects)]
        list(pool.map(lambda key: s3.put_object(Bucket="bench", Key=key, Body=os.urandom(SMALL)), keys))
    command = [sys.executable, "-m", "pegbox", "image", "add", "bench", "--home", str(server.home)]
    program = f"{sys.executable} -c pass"
    subprocess.run([*command, "--command", program], check=True)
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bench/small/"}
    sagemaker.create_training_job(
        TrainingJobName="channel",
        AlgorithmSpecification={"TrainingImage": "bench", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": "s3://bench/output"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "local", "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    while True:
        found = sagemaker.describe_training_job(TrainingJobName="channel")
        if found["TrainingJobStatus"] != "InProgress":
            break
        time.sleep(0.2)
    if found["TrainingJobStatus"] != "Completed":
        raise RuntimeError(found.get("FailureReason", found["TrainingJobStatus"]))
    (downloading,) = (each for each in found["SecondaryStatusTransitions"] if each["Status"] == "Downloading")
    return float((downloading["EndTime"] - downloading["StartTime"]).total_seconds())


class Figures:
    """Seconds of each way, and of a plain copy right before: machines are not steady."""

    def __init__(self) -> None:
        self.plain: list[float] = []
        self._pairs: dict[str, list[tuple[float, float]]] = {}

    def add(self, name: str, plain: float, seconds: float) -> None:
        """One way, once."""
        self.plain.append(plain)
        self._pairs.setdefault(name, []).append((plain, seconds))

    def seconds(self) -> dict[str, float]:
        """Of each way, the median."""
        return {name: _median(seconds for _, seconds in pairs) for name, pairs in self._pairs.items()}

    def rates(self) -> dict[str, float]:
        """Of each way, as parts of the plain copy's."""
        return {name: _median(plain / seconds for plain, seconds in pairs) for name, pairs in self._pairs.items()}

    def rate_to(self, other: str, name: str) -> float:
        """Of one way, as a part of another's in the same run."""
        pairs = zip(self._pairs[other], self._pairs[name], strict=True)
        return _median(theirs / ours for (_, theirs), (_, ours) in pairs)


def _median(numbers: Iterable[float]) -> float:
    return round(statistics.median(numbers), 2)


def measure(folder: Path, megabytes: int, objects: int, runs: int) -> dict[str, Any]:
    """All of it, `runs` times."""
    data, down, copy = folder / "data", folder / "down", folder / "copy"
    make_data(data, megabytes)
    server = Server(folder / "home")
    peak = Peak(server.pid)
    transfers = Transfers(server, data, down)
    ways = {HASHING_COPY: lambda: copy_through_socket(data, copy, "--md5")}
    ways |= {name: partial(seconds_of, transfer) for name, transfer in transfers.ways.items()}
    figures = Figures()
    with peak.watching():
        for _ in range(runs):
            for name, way in ways.items():
                use_memory(folder / "used", megabytes)
                plain = copy_through_socket(data, copy)
                use_memory(folder / "used", megabytes)
                figures.add(name, plain, way())
                down.unlink(missing_ok=True)
    most = peak.bytes
    channel = into_a_channel(server, objects)
    server.stop()
    return {
        "machine": describe_machine(),
        "megabytes": megabytes,
        "runs": runs,
        "plain_copy_s": _median(figures.plain),
        "md5_s": round(hash_all(data), 2),
        "seconds": figures.seconds(),
        "rate_to_plain_copy": figures.rates(),
        "put_to_hashing_copy": figures.rate_to(HASHING_COPY, "one_put"),
        "server_memory_mb": round(most / 2**20, 1),
        "channel": {"objects": objects, "bytes_each": SMALL, "downloading_s": round(channel, 2)},
    }


def seconds_of(work: Callable[[], None]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(name), arguments.megabytes, arguments.objects, arguments.runs)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
