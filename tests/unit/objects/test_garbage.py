"""Unfinished uploads and unnamed files go; everything else stays."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pegbox.errors import S3Error
from pegbox.objects.base import Location
from pegbox.objects.files import FileStore
from pegbox.objects.snapshot import copy_index
from pegbox.objects.stored import Description, Upload
from running import wait_for

US = "111111111111"
DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[FileStore]:
    opened = FileStore(tmp_path / "objects", clock)
    opened.buckets.create(US, "bucket", "us-east-1")
    yield opened
    opened.close()


def contents(root: Path) -> set[Path]:
    return {*(root / "objects" / "content").glob("*/*"), *(root / "objects" / "incoming").iterdir()}


def begin(store: FileStore, key: str, parts: int) -> Upload:
    upload = store.uploads.create(US, "bucket", key, Description())
    for number in range(1, parts + 1):
        add(store, upload, number)
    return upload


def add(store: FileStore, upload: Upload, number: int) -> None:
    with store.receive() as incoming:
        incoming.write(b"part")
        incoming.settle()
        store.uploads.put_part(US, upload, number, incoming, "0" * 32, None)


def keys(store: FileStore) -> list[str]:
    return [upload.key for upload in store.uploads.in_progress(US, "bucket").uploads]


def test_uploads_that_nobody_goes_on_with(store: FileStore, clock: Clock, tmp_path: Path) -> None:
    store.put(US, Location("s3", "bucket", "object"), io.BytesIO(b"kept"))
    old, active = begin(store, "old", 3), begin(store, "active", 1)
    begin(store, "empty", 0)
    clock.now += timedelta(days=4)
    add(store, active, 2)
    begin(store, "new", 1)
    clock.now += timedelta(days=4)
    assert store.collect_uploads(7 * DAY) == 2
    assert keys(store) == ["active", "new"]
    assert len(contents(tmp_path)) == 1 + 2 + 1
    with pytest.raises(S3Error, match="may have been aborted"):
        store.uploads.get(US, "bucket", "old", old.id)
    assert store.collect_uploads(7 * DAY) == 0
    with store.open(US, Location("s3", "bucket", "object")) as body:
        assert body.read() == b"kept"


def test_a_part_that_comes_after_its_upload_was_collected(store: FileStore, clock: Clock, tmp_path: Path) -> None:
    upload = begin(store, "late", 1)
    clock.now += timedelta(days=8)
    store.collect_uploads(7 * DAY)
    with pytest.raises(S3Error, match="may have been aborted"):
        add(store, upload, 2)
    assert contents(tmp_path) == set()


def test_more_uploads_than_one_transaction_takes(store: FileStore, clock: Clock) -> None:
    for number in range(105):
        begin(store, f"{number:03d}", 0)
    clock.now += timedelta(days=1)
    assert store.collect_uploads(1) == 105
    assert keys(store) == []


def test_it_is_done_again_and_again(tmp_path: Path, clock: Clock) -> None:
    store = FileStore(tmp_path / "objects", clock, upload_seconds=60, sweep_seconds=0.05)
    store.buckets.create(US, "bucket", "us-east-1")
    for _ in range(2):
        begin(store, "k", 2)
        clock.now += timedelta(hours=1)
        wait_for("the upload to be collected", lambda: not keys(store) and not contents(tmp_path))
    store.close()


def test_uploads_are_kept_if_nothing_else_is_said(tmp_path: Path, clock: Clock) -> None:
    store = FileStore(tmp_path / "objects", clock, upload_seconds=0, sweep_seconds=0.01)
    store.buckets.create(US, "bucket", "us-east-1")
    begin(store, "k", 1)
    clock.now += timedelta(days=10_000)
    stray = tmp_path / "objects" / "incoming" / ("cd" + "0" * 30)
    stray.write_bytes(b"")
    assert store.sweep(-1) == 1
    assert keys(store) == ["k"]
    store.close()


def test_two_servers_collect_at_once(store: FileStore, clock: Clock, tmp_path: Path) -> None:
    for number in range(40):
        begin(store, f"{number:03d}", 1)
    clock.now += timedelta(days=1)
    other = FileStore(tmp_path / "objects", clock)
    collected: list[int] = []

    def collect(each: FileStore) -> None:
        collected.append(each.collect_uploads(1))
        each.sweep(-1)

    threads = [threading.Thread(target=collect, args=(each,)) for each in (store, other, store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(collected) == 40
    assert contents(tmp_path) == set()
    other.close()


def test_an_index_that_is_another_one_costs_no_content(store: FileStore, tmp_path: Path) -> None:
    put_all(store, 3)
    store.close()
    whole = contents(tmp_path)
    for file in (tmp_path / "objects").glob("index.db*"):
        file.unlink()
    FileStore(tmp_path / "another").close()
    (tmp_path / "another" / "index.db").rename(tmp_path / "objects" / "index.db")
    other = FileStore(tmp_path / "objects")
    half = tmp_path / "objects" / "incoming" / ("cd" + "0" * 30)
    half.write_bytes(b"half")
    assert other.sweep(-1) == 1
    assert contents(tmp_path) == whole
    other.close()


def test_an_index_that_is_older_than_the_content_costs_no_content(
    store: FileStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put_all(store, 10)
    copy_index(tmp_path / "objects", tmp_path / "older.db")
    put_all(store, 12)
    store.close()
    whole = contents(tmp_path)
    for file in (tmp_path / "objects").glob("index.db*"):
        file.unlink()
    (tmp_path / "older.db").rename(tmp_path / "objects" / "index.db")
    older = FileStore(tmp_path / "objects")
    assert older.sweep(-1) == 0
    assert "2 of 12 files below objects/content belong to no object" in caplog.text
    assert contents(tmp_path) == whole
    assert older.sweep(-1, share=1.0) == 2
    older.close()


def test_contents_that_are_away_are_told(store: FileStore, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put_all(store, 1)
    store.close()
    (tmp_path / "objects" / "content").rename(tmp_path / "away")
    other = FileStore(tmp_path / "objects")
    wait_for("the first look", lambda: "is its disk mounted?" in caplog.text)
    assert [info.key for info in other.list(US, Location("s3", "bucket", ""))] == ["00"]
    other.close()


def test_what_a_crash_left_among_many_goes(store: FileStore, tmp_path: Path) -> None:
    put_all(store, 10)
    (tmp_path / "objects" / "content" / "ab" / ("ab" + "0" * 30)).write_bytes(b"")
    assert store.sweep(-1) == 1
    assert len(contents(tmp_path)) == 10


def put_all(store: FileStore, count: int) -> None:
    """So many objects; those that are there already are kept."""
    there = {info.key for info in store.list(US, Location("s3", "bucket", ""))}
    for key in {f"{number:02d}" for number in range(count)} - there:
        store.put(US, Location("s3", "bucket", key), io.BytesIO(b"kept"))
