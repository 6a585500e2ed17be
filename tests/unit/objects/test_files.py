"""What the file store keeps, shares, removes and hides."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.errors import S3Error
from pegbox.objects.base import Location, NoSuchObject, Unreachable
from pegbox.objects.content import ContentFiles
from pegbox.objects.files import FileStore
from pegbox.objects.listing import successor
from pegbox.objects.stored import Conditions, Description
from running import wait_for

US, THEM = "111111111111", "222222222222"


def at(key: str) -> Location:
    return Location("s3", "bucket", key)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    opened = FileStore(tmp_path / "objects", clock=lambda: datetime(2030, 1, 1, 12, 0, 0, 123456, UTC))
    opened.buckets.create(US, "bucket", "us-east-1")
    yield opened
    opened.close()


def put(store: FileStore, key: str, body: bytes = b"x") -> str:
    return store.put(US, at(key), io.BytesIO(body))


def contents(root: Path) -> list[Path]:
    return [*(root / "objects" / "content").glob("*/*"), *(root / "objects" / "incoming").iterdir()]


@pytest.mark.parametrize(("left", "said"), [(None, "is missing"), (b"half", "is shorter than the index says")])
def test_an_object_whose_content_is_lost_can_be_waited_for(
    store: FileStore, tmp_path: Path, left: bytes | None, said: str
) -> None:
    put(store, "a", b"half and half")
    (file,) = contents(tmp_path)
    file.unlink()  # its disk may not be mounted
    if left is not None:
        file.write_bytes(left)
    with pytest.raises(Unreachable, match=rf"s3://bucket/a: .*{said}.*pegbox doctor"):
        store.fetch(US, at("a"), tmp_path / "out")


def test_the_bucket_of_another_account_is_absent(store: FileStore, tmp_path: Path) -> None:
    put(store, "a")
    with pytest.raises(NoSuchObject):
        store.open(THEM, at("a"))
    with pytest.raises(NoSuchObject):
        store.put(THEM, at("a"), io.BytesIO(b"theirs"))
    with pytest.raises(NoSuchObject):
        store.list(THEM, at(""))
    with pytest.raises(NoSuchObject):
        store.fetch(THEM, at("a"), tmp_path / "out")
    store.delete(THEM, at("a"))
    assert [info.key for info in store.list(US, at(""))] == ["a"]


def test_objects_outlive_the_store(store: FileStore, tmp_path: Path) -> None:
    etag = put(store, "a", b"kept")
    store.close()
    again = FileStore(tmp_path / "objects")
    (info,) = again.list(US, at(""))
    assert (info.etag, info.size, info.modified) == (etag, 4, datetime(2030, 1, 1, 12, 0, 0, 123000, UTC))
    again.close()


def test_replaced_and_deleted_contents_are_removed(store: FileStore, tmp_path: Path) -> None:
    put(store, "a", b"1")
    put(store, "a", b"2")
    assert len(contents(tmp_path)) == 1
    store.delete(US, at("a"))
    assert contents(tmp_path) == []


@pytest.mark.parametrize("stack", [0, 1 << 40], ids=["usual", "without room for a thread"])
def test_the_room_of_large_contents_is_freed(store: FileStore, tmp_path: Path, stack: int) -> None:
    for key in map(str, range(10)):  # more than are freed side by side
        put(store, key)
    for path in contents(tmp_path):
        os.truncate(path, 100 << 20)
    usual = threading.stack_size(stack)
    try:
        for key in map(str, range(10)):
            store.delete(US, at(key))
    finally:
        threading.stack_size(usual)
    assert contents(tmp_path) == []
    wait_for(
        "the files to be closed", lambda: not any(str(tmp_path / "objects/content") in each for each in open_files())
    )


def open_files() -> list[str]:
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(os.readlink(each))
    return found


def test_a_refused_put_leaves_nothing(store: FileStore, tmp_path: Path) -> None:
    put(store, "a")
    with pytest.raises(S3Error, match="pre-conditions"), store.receive() as incoming:
        incoming.write(b"new")
        incoming.settle()
        conditions = Conditions(if_none_match="*")
        store.put_object(US, "bucket", "a", incoming, etag="e", description=Description(), conditions=conditions)
    assert len(contents(tmp_path)) == 1


def test_a_copy_shares_the_file(store: FileStore, tmp_path: Path) -> None:
    put(store, "a", b"shared")
    with store.open_object(US, "bucket", "a") as source:
        store.copy_object(US, source, "bucket", "b", Description())
    assert len({path.stat().st_ino for path in contents(tmp_path)}) == 1
    put(store, "a", b"changed")
    with store.open(US, at("b")) as body:
        assert body.read() == b"shared"


def test_a_copy_of_what_has_been_replaced_meanwhile(store: FileStore) -> None:
    put(store, "a", b"old")
    with store.open_object(US, "bucket", "a") as source:
        put(store, "a", b"new")
        store.copy_object(US, source, "bucket", "b", Description())
    with store.open(US, at("b")) as body:
        assert body.read() == b"old"


def test_a_sweep_takes_only_what_nobody_names(store: FileStore, tmp_path: Path) -> None:
    put(store, "a")
    upload = store.uploads.create(US, "bucket", "big", Description())
    with store.receive() as incoming:
        incoming.write(b"part")
        incoming.settle()
        store.uploads.put_part(US, upload, 1, incoming, "0" * 32, None)
    stray = tmp_path / "objects" / "content" / "ab" / ("ab" + "0" * 30)
    half = tmp_path / "objects" / "incoming" / ("cd" + "0" * 30)
    stray.write_bytes(b"stray")
    half.write_bytes(b"half")
    assert store.sweep(seconds=3600) == 0
    assert store.sweep(seconds=-1, share=1.0) == 2
    assert not stray.exists()
    assert not half.exists()
    assert len(contents(tmp_path)) == 2


def test_a_sweep_does_not_mind_files_that_go_away(store: FileStore, tmp_path: Path) -> None:
    strays = [tmp_path / "objects" / "incoming" / f"{number:032x}" for number in range(3)]
    for stray in strays:
        stray.write_bytes(b"")
    found = ContentFiles(tmp_path / "objects").stale_in(tmp_path / "objects" / "incoming", -1)
    assert next(found) in strays
    for stray in strays:
        stray.unlink()
    assert list(found) == []


def test_a_file_that_was_swept_is_not_named(store: FileStore) -> None:
    with pytest.raises(S3Error, match="took too long"), store.receive() as incoming:
        incoming.write(b"slow")
        incoming.settle()
        store.sweep(seconds=-1, share=1.0)
        store.put_object(US, "bucket", "a", incoming, etag="e", description=Description())
    assert list(store.list(US, at(""))) == []


def test_a_bucket_goes_with_its_uploads(store: FileStore, tmp_path: Path) -> None:
    upload = store.uploads.create(US, "bucket", "big", Description())
    with store.receive() as incoming:
        incoming.settle()
        store.uploads.put_part(US, upload, 1, incoming, "0" * 32, None)
    store.buckets.delete(US, "bucket")
    assert contents(tmp_path) == []


def test_two_stores_may_share_a_folder(store: FileStore, tmp_path: Path) -> None:
    other = FileStore(tmp_path / "objects")

    def write(each: FileStore, name: str) -> None:
        for number in range(20):
            put(each, f"{name}{number:02d}")

    threads = [threading.Thread(target=write, args=pair) for pair in ((store, "a"), (other, "b"), (other, "c"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(other.list(US, at("")))) == 60
    other.close()


def test_long_listings_are_whole(store: FileStore) -> None:
    with store.open_object(US, "bucket", put(store, "k") and "k") as source:
        for number in range(1100):
            store.copy_object(US, source, "bucket", f"n{number:04d}", Description())
    assert [info.key for info in store.list(US, at("n"))] == [f"n{number:04d}" for number in range(1100)]


KEYS = st.lists(st.text("ab/-é", min_size=1, max_size=6), min_size=1, max_size=25, unique=True)


@settings(max_examples=60, deadline=None)
@given(KEYS, st.text("ab/é", max_size=2), st.sampled_from(["", "/", "a", "-é"]), st.integers(1, 7))
def test_pages_of_a_listing_add_up(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str], prefix: str, delimiter: str, size: int
) -> None:
    store = FileStore(tmp_path_factory.mktemp("listing"))
    store.buckets.create(US, "bucket", "us-east-1")
    for key in keys:
        put(store, key)
    objects, prefixes, after = [], [], ""
    while True:
        page = store.list_objects(US, "bucket", prefix, delimiter, after, size)
        assert len(page.objects) + len(page.prefixes) <= size
        objects += [found.key for found in page.objects]
        prefixes += page.prefixes
        if page.last is None:
            break
        after = page.last
    store.close()
    under = sorted((key for key in keys if key.startswith(prefix)), key=str.encode)
    rest = {key: key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "") for key in under}
    assert objects == [key for key in under if not rest[key][1]]
    folded = {prefix + rest[key][0] + delimiter for key in under if rest[key][1]}
    assert prefixes == sorted(folded, key=str.encode)


@given(st.binary(max_size=5), st.binary(max_size=5))
def test_the_successor_is_behind_all_that_begins_so(prefix: bytes, tail: bytes) -> None:
    behind = successor(prefix)
    if behind is None:
        assert not prefix.strip(b"\xff")
    else:
        assert prefix + tail < behind
        assert not behind.startswith(prefix) or not prefix
