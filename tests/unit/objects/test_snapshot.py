"""A store is copied while it is used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pegbox.errors import S3Error
from pegbox.objects import snapshot
from pegbox.objects.base import Location
from pegbox.objects.content import content_path
from pegbox.objects.examine import Examination
from pegbox.objects.files import FileStore
from pegbox.objects.stored import Description

ACCOUNT = "000000000000"
ODD = "a store? 50% #1"  #: signs that mean something in a URI


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    store = FileStore(tmp_path / ODD)
    store.buckets.create(ACCOUNT, "bucket", "us-east-1")
    for key in ("kept", "replaced", "removed", "damaged"):
        put(store, key, f"{key} before".encode())
    yield store
    store.close()


def put(store: FileStore, key: str, content: bytes) -> None:
    with store.receive() as incoming:
        incoming.write(content)
        incoming.settle()
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        store.put_object(ACCOUNT, "bucket", key, incoming, etag=etag, description=Description())


def content(store: FileStore, key: str) -> bytes:
    with store.open(ACCOUNT, Location("s3", "bucket", key)) as file:
        return file.read()


def copied(tmp_path: Path, between: Callable[[], None]) -> tuple[FileStore, list[str]]:
    """The copy of the store, and what was missing; `between` happens after the index was copied."""
    into = tmp_path / "copy"
    into.mkdir()
    snapshot.copy_index(tmp_path / ODD, into / "index.db")
    between()

    def bring(source: Path, path: str, size: int) -> None:
        assert source.stat().st_size == size
        (into / path).parent.mkdir(parents=True, exist_ok=True)
        os.link(source, into / path)

    missing = snapshot.bring_contents(tmp_path / ODD, into / "index.db", bring)
    return FileStore(into), missing


def test_what_changes_meanwhile_is_there_in_one_state_or_the_other(store: FileStore, tmp_path: Path) -> None:
    def change() -> None:
        put(store, "replaced", b"replaced after")
        store.delete(ACCOUNT, Location("s3", "bucket", "removed"))
        put(store, "new", b"new")
        found = store.head_object(ACCOUNT, "bucket", "damaged")
        (tmp_path / ODD / "content" / found.content[:2] / found.content).unlink()

    copy, missing = copied(tmp_path, change)
    assert content(copy, "kept") == b"kept before"
    assert content(copy, "replaced") == b"replaced after"
    assert [found.key for found in copy.list_objects(ACCOUNT, "bucket").objects] == ["kept", "replaced"]
    assert missing == ["object bucket damaged"]
    copy.close()


def test_parts_of_an_upload_are_copied(store: FileStore, tmp_path: Path) -> None:
    upload = store.uploads.create(ACCOUNT, "bucket", "big", Description())
    for number in (1, 2):
        with store.receive() as incoming:
            incoming.write(b"part")
            incoming.settle()
            store.uploads.put_part(ACCOUNT, upload, number, incoming, f"etag{number}", None)
    copy, missing = copied(tmp_path, lambda: None)
    assert missing == []
    _, parts = copy.uploads.parts(ACCOUNT, "bucket", "big", upload.id)
    assert [part.number for part in parts] == [1, 2]
    copy.close()


def test_an_upload_that_is_aborted_meanwhile_is_not_in_the_copy(store: FileStore, tmp_path: Path) -> None:
    upload = store.uploads.create(ACCOUNT, "bucket", "big", Description())
    with store.receive() as incoming:
        incoming.write(b"part")
        incoming.settle()
        store.uploads.put_part(ACCOUNT, upload, 1, incoming, "etag", None)
    copy, missing = copied(tmp_path, lambda: store.uploads.abort(ACCOUNT, upload))
    assert missing == []
    with pytest.raises(S3Error):
        copy.uploads.get(ACCOUNT, "bucket", "big", upload.id)
    copy.close()


def test_what_is_removed_during_an_examination_is_no_fault(store: FileStore, tmp_path: Path) -> None:
    examination = Examination(tmp_path / ODD)
    damaged = store.head_object(ACCOUNT, "bucket", "damaged").content
    (tmp_path / ODD / content_path(damaged)).unlink()
    faults = examination.faults(deep=False)
    assert str(next(faults)) == "s3://bucket/damaged"
    for key in ("kept", "removed", "replaced"):
        store.delete(ACCOUNT, Location("s3", "bucket", key))
    assert list(faults) == []


def test_a_file_that_has_come_to_be_an_object_is_not_removed(store: FileStore, tmp_path: Path) -> None:
    path = tmp_path / ODD / content_path(store.head_object(ACCOUNT, "bucket", "kept").content)
    assert not Examination(tmp_path / ODD).remove_unnamed(path, tmp_path / "aside")
    assert path.exists()
