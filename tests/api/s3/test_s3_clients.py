"""Other people's clients against the S3 API: the AWS CLI, pandas with s3fs, and our own RemoteStore."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from s3_client import FIRST, read
from s3_server import KEYS

from pegbox.objects.base import Location, Refused
from pegbox.objects.remote import RemoteStore
from pegbox.testing.object_store_suite import ObjectStoreSuite

Aws = Callable[..., str]


@pytest.fixture
def variables(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of a user."""
    values = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": FIRST,
        "AWS_SECRET_ACCESS_KEY": KEYS[FIRST].secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def aws(variables: None) -> Aws:
    def run(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("aws")), "s3", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_session_with_the_aws_cli(aws: Aws, s3: Any, tmp_path: Path) -> None:
    local = tmp_path / "local"
    (local / "sub").mkdir(parents=True)
    (local / "a.txt").write_text("alpha")
    (local / "sub" / "b+ü.txt").write_text("beta")
    (local / "large").write_bytes(os.urandom(9 << 20))
    aws("mb", "s3://cli-bucket")
    aws("sync", str(local), "s3://cli-bucket/copy")
    assert aws("sync", str(local), "s3://cli-bucket/copy") == ""
    listed = aws("ls", "--recursive", "s3://cli-bucket")
    assert [line.split(maxsplit=3)[3] for line in listed.splitlines()] == [
        "copy/a.txt",
        "copy/large",
        "copy/sub/b+ü.txt",
    ]
    assert "PRE sub/" in aws("ls", "s3://cli-bucket/copy/")
    assert aws("cp", "s3://cli-bucket/copy/a.txt", "-") == "alpha"
    aws("mv", "s3://cli-bucket/copy/a.txt", "s3://cli-bucket/moved.txt")
    assert read(s3, "cli-bucket", "moved.txt") == b"alpha"
    aws("sync", "s3://cli-bucket/copy", str(tmp_path / "back"))
    assert (tmp_path / "back" / "large").read_bytes() == (local / "large").read_bytes()
    aws("rb", "--force", "s3://cli-bucket")
    assert "cli-bucket" not in aws("ls")


@pytest.mark.filterwarnings("ignore")
def test_pandas_and_s3fs(variables: None, s3: Any, url: str, bucket: str) -> None:
    import pandas
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    options = {"client_kwargs": {"endpoint_url": url}}
    frame = pandas.DataFrame({"x": range(1000), "y": ["ä"] * 1000})
    frame.to_csv(f"s3://{bucket}/data/frame.csv", index=False, storage_options=options)
    assert pandas.read_csv(f"s3://{bucket}/data/frame.csv", storage_options=options).equals(frame)
    files = s3fs.S3FileSystem(**options)
    assert files.ls(f"{bucket}/data") == [f"{bucket}/data/frame.csv"]
    assert files.cat(f"{bucket}/data/frame.csv")[:4] == b"x,y\n"
    files.rm(f"{bucket}/data", recursive=True)
    assert not files.exists(f"{bucket}/data/frame.csv")


class TestRemoteStore(ObjectStoreSuite):
    @pytest.fixture
    def store(self, variables: None, url: str) -> Iterator[RemoteStore]:
        yield RemoteStore(url)

    @pytest.fixture
    def base(self, bucket: str) -> Location:
        return Location("s3", bucket, "")

    def test_large_objects_go_in_parts(self, store: RemoteStore, base: Location, tmp_path: Path, s3: Any) -> None:
        body = os.urandom(9 << 20)
        (tmp_path / "large").write_bytes(body)
        with (tmp_path / "large").open("rb") as source:
            etag = store.put("", self.at(base, "large"), source)
        assert etag.endswith("-2")
        store.fetch("", self.at(base, "large"), tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == body

    def test_what_is_told_is_what_was_written(
        self, store: RemoteStore, base: Location, tmp_path: Path, s3: Any
    ) -> None:
        """A large object comes in ranges, and somebody replaces it all the time."""
        versions = [bytes([letter]) * (9 << 20) for letter in b"ab"]
        known = {
            s3.put_object(Bucket=base.bucket, Key="large", Body=each)["ETag"].strip('"'): each for each in versions
        }
        over = threading.Event()

        def replace_it() -> None:
            while not over.is_set():
                for each in versions:
                    s3.put_object(Bucket=base.bucket, Key="large", Body=each)

        writer = threading.Thread(target=replace_it)
        writer.start()
        try:
            for number in range(8):
                with suppress(Refused):  # it went on to change
                    info = store.fetch("", self.at(base, "large"), tmp_path / str(number))
                    assert (tmp_path / str(number)).read_bytes() == known[info.etag]
        finally:
            over.set()
            writer.join()
        info = store.fetch("", self.at(base, "large"), tmp_path / "last")
        assert (tmp_path / "last").read_bytes() == known[info.etag]
