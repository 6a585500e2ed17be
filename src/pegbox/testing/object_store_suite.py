"""What every ObjectStore must do.  Subclass it, give the fixtures, inherit the tests.

class TestFileStore(ObjectStoreSuite):
    @pytest.fixture
    def store(self, tmp_path): ...            the store
    @pytest.fixture
    def base(self, store): ...                an empty place in it: Location of a bucket, or of a folder
"""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pegbox.objects.base import Location, NoSuchObject, ObjectInfo, ObjectStore

ACCOUNT = "000000000000"


class ObjectStoreSuite:
    """The conformance tests of pegbox.objects.base.ObjectStore."""

    has_buckets = True  #: whether a bucket must be there before a put

    @staticmethod
    def at(base: Location, key: str) -> Location:
        """A location under `base`."""
        return replace(base, key=base.key + key)

    def put(self, store: ObjectStore, location: Location, body: bytes) -> str:
        """Store some bytes."""
        return store.put(ACCOUNT, location, io.BytesIO(body))

    def read(self, store: ObjectStore, location: Location) -> bytes:
        """All bytes of an object."""
        with store.open(ACCOUNT, location) as body:
            return body.read()

    def test_what_is_put_can_be_read(self, store: ObjectStore, base: Location) -> None:
        """Bytes come back as they were, also none at all."""
        for key, body in {"a": b"one", "empty": b"", "large": bytes(range(256)) * 12_000}.items():
            assert self.put(store, self.at(base, key), body)
            assert self.read(store, self.at(base, key)) == body

    def test_a_put_leaves_its_source_open(self, store: ObjectStore, base: Location) -> None:
        """The caller closes what the caller opened."""
        source = io.BytesIO(b"mine")
        store.put(ACCOUNT, self.at(base, "a"), source)
        assert not source.closed

    def test_a_second_put_replaces_the_first(self, store: ObjectStore, base: Location) -> None:
        """The last writer wins, and the ETag tells the two apart."""
        first = self.put(store, self.at(base, "a"), b"first")
        second = self.put(store, self.at(base, "a"), b"second")
        assert self.read(store, self.at(base, "a")) == b"second"
        assert first != second

    def test_a_put_that_is_not_confirmed_leaves_the_object_as_it_was(self, store: ObjectStore, base: Location) -> None:
        """It is asked for when all bytes are there."""
        self.put(store, self.at(base, "a"), b"old")
        sources: list[int] = []

        class Lost(Exception):
            """The lease, for example."""

        def refuse() -> None:
            sources.append(source.tell())
            raise Lost

        for key in ("a", "b"):
            source = io.BytesIO(b"new" * 1000)
            with pytest.raises(Lost):
                store.put(ACCOUNT, self.at(base, key), source, refuse)
        assert sources == [3000, 3000]
        assert [info.key for info in store.list(ACCOUNT, base)] == [self.at(base, "a").key]
        assert self.read(store, self.at(base, "a")) == b"old"

    def test_a_removal_that_is_not_confirmed_leaves_the_object(self, store: ObjectStore, base: Location) -> None:
        """It is asked for before anything is removed."""
        self.put(store, self.at(base, "a"), b"old")

        class Lost(Exception):
            """The lease, for example."""

        def refuse() -> None:
            raise Lost

        with pytest.raises(Lost):
            store.delete(ACCOUNT, self.at(base, "a"), refuse)
        assert self.read(store, self.at(base, "a")) == b"old"
        store.delete(ACCOUNT, self.at(base, "a"), lambda: None)
        assert list(store.list(ACCOUNT, base)) == []

    def test_a_reader_keeps_what_it_opened(self, store: ObjectStore, base: Location) -> None:
        """Replacing or deleting an object does not disturb its readers."""
        self.put(store, self.at(base, "a"), b"old" * 1000)
        with store.open(ACCOUNT, self.at(base, "a")) as body:
            self.put(store, self.at(base, "a"), b"new")
            store.delete(ACCOUNT, self.at(base, "a"))
            assert body.read() == b"old" * 1000

    def test_a_missing_object_is_told(self, store: ObjectStore, base: Location, tmp_path: Path) -> None:
        """Opening and fetching nothing raises NoSuchObject."""
        with pytest.raises(NoSuchObject):
            store.open(ACCOUNT, self.at(base, "missing"))
        with pytest.raises(NoSuchObject):
            store.fetch(ACCOUNT, self.at(base, "missing"), tmp_path / "out")

    def test_delete_may_be_repeated(self, store: ObjectStore, base: Location) -> None:
        """The second delete finds nothing, and that is no error."""
        self.put(store, self.at(base, "a"), b"x")
        store.delete(ACCOUNT, self.at(base, "a"))
        store.delete(ACCOUNT, self.at(base, "a"))
        with pytest.raises(NoSuchObject):
            store.open(ACCOUNT, self.at(base, "a"))

    def test_a_prefix_is_a_plain_string(self, store: ObjectStore, base: Location) -> None:
        """`train` also means train.csv and training/; order is that of UTF-8 bytes."""
        for key in ("train/b", "train/a", "train.csv", "training/é", "training/z", "test", "train/b!"):
            self.put(store, self.at(base, key), key.encode())
        found = [info.key.removeprefix(base.key) for info in store.list(ACCOUNT, self.at(base, "train"))]
        assert found == ["train.csv", "train/a", "train/b", "train/b!", "training/z", "training/é"]
        assert list(store.list(ACCOUNT, self.at(base, "none"))) == []

    def test_any_string_is_a_key(self, store: ObjectStore, base: Location) -> None:
        """A key is no path: it may be the beginning of another, and dots and slashes mean nothing."""
        if not self.has_buckets:
            pytest.skip("keys of this store are paths")
        keys = ["fd", "fd/", "fd//sub", "fd/../up", "fd/sub", "../out", "a b+c%20&=?#é", "/absolute"]
        for key in keys:
            self.put(store, self.at(base, key), key.encode())
        assert [self.read(store, self.at(base, key)).decode() for key in keys] == keys
        assert [info.key for info in store.list(ACCOUNT, base)] == sorted(keys, key=str.encode)

    def test_a_listing_tells_size_and_time(self, store: ObjectStore, base: Location) -> None:
        """Size in bytes, and a time with a zone."""
        self.put(store, self.at(base, "a"), b"12345")
        (info,) = store.list(ACCOUNT, base)
        assert info.size == 5
        assert abs(info.modified - datetime.now(UTC)) < timedelta(minutes=1)
        assert info.etag
        assert '"' not in info.etag

    def test_a_fetched_file_is_private(self, store: ObjectStore, base: Location, tmp_path: Path) -> None:
        """Changing the copy does not change the object."""
        self.put(store, self.at(base, "a"), b"original")
        into = tmp_path / "staged" / "a"
        store.fetch(ACCOUNT, self.at(base, "a"), into)
        assert into.read_bytes() == b"original"
        with into.open("r+b") as copy:
            copy.write(b"CHANGED!")
        assert self.read(store, self.at(base, "a")) == b"original"

    def test_what_is_read_is_told(self, store: ObjectStore, base: Location, tmp_path: Path) -> None:
        """Opening and fetching tell the version that was read, as a listing does."""
        self.put(store, self.at(base, "a"), b"first")
        (listed,) = store.list(ACCOUNT, base)
        told: list[ObjectInfo] = []
        with store.open(ACCOUNT, self.at(base, "a"), told.append) as body:
            told.append(store.fetch(ACCOUNT, self.at(base, "a"), tmp_path / "a"))
            self.put(store, self.at(base, "a"), b"the second")
            assert body.read() == b"first"
        told.append(store.fetch(ACCOUNT, self.at(base, "a"), tmp_path / "b"))
        assert [(info.key, info.size) for info in told] == [(listed.key, 5), (listed.key, 5), (listed.key, 10)]
        assert told[0].etag == told[1].etag == listed.etag != told[2].etag

    def test_a_missing_bucket_is_told(self, store: ObjectStore, base: Location, tmp_path: Path) -> None:
        """All but delete raise NoSuchObject."""
        if not self.has_buckets:
            pytest.skip("this store has no buckets")
        nowhere = Location("s3", "no-such-bucket", "a")
        with pytest.raises(NoSuchObject):
            self.put(store, nowhere, b"x")
        with pytest.raises(NoSuchObject):
            store.open(ACCOUNT, nowhere)
        with pytest.raises(NoSuchObject):
            list(store.list(ACCOUNT, nowhere))
        with pytest.raises(NoSuchObject):
            store.fetch(ACCOUNT, nowhere, tmp_path / "out")
        store.delete(ACCOUNT, nowhere)

    def test_readers_never_see_a_torn_object(self, store: ObjectStore, base: Location) -> None:
        """While two threads overwrite an object, a reader sees one version or the other."""
        versions = [bytes([letter]) * 300_000 for letter in b"abcd"]
        self.put(store, self.at(base, "a"), versions[0])
        writers = [
            threading.Thread(target=lambda v=v: [self.put(store, self.at(base, "a"), v) for _ in range(8)])
            for v in versions
        ]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            assert self.read(store, self.at(base, "a")) in versions
        for writer in writers:
            writer.join()
