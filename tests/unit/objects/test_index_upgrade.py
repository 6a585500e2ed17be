"""Indexes of earlier versions are brought to the present one."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from pegbox.errors import PegboxError
from pegbox.objects.files import FileStore
from pegbox.objects.index import Index, IndexTooNew

US = "111111111111"

#: the index as pegbox wrote it before it had versions, with a bucket, an object and an upload of two parts
FIRST = """
create table bucket (
    name text primary key, account text not null, region text not null, created integer not null
) without rowid;
create table object (
    bucket text not null references bucket (name), key blob not null,
    size integer not null, etag text not null, modified integer not null,
    description text not null, checksum text, part_sizes text not null, content text not null,
    primary key (bucket, key)
) without rowid;
create unique index object_content on object (content);
create table upload (
    id text primary key, bucket text not null references bucket (name), key blob not null,
    started integer not null, description text not null, algorithm text, kind text
) without rowid;
create index upload_key on upload (bucket, key, id);
create table part (
    upload text not null references upload (id) on delete cascade, number integer not null,
    size integer not null, etag text not null, modified integer not null, checksum text, content text not null,
    primary key (upload, number)
) without rowid;
create unique index part_content on part (content);
insert into bucket values ('bucket', '111111111111', 'us-east-1', 1800000000000);
insert into object values ('bucket', cast('k' as blob), 3, 'e', 1800000000001,
    '[{"content-type": "text/csv"}, {"a": "b"}]', 'crc32:FULL_OBJECT:AAAAAA==', '[]', 'ab01');
insert into upload values ('u1', 'bucket', cast('big' as blob), 1800000000002, '[{}, {}]', 'crc32', 'COMPOSITE');
insert into part values ('u1', 1, 4, 'f', 1800000000003, null, 'cd02');
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "index.db") as connection:
        connection.executescript(FIRST)
    connection.close()
    return tmp_path


def test_an_index_without_a_version_is_upgraded(root: Path) -> None:
    for _ in range(2):  # the second time nothing is left to do
        store = FileStore(root)
        found = store.head_object(US, "bucket", "k")
        assert (found.size, found.etag, found.content, found.part_checksums) == (3, "e", "ab01", ())
        assert found.description.headers == {"content-type": "text/csv"}
        assert found.description.metadata == {"a": "b"}
        assert found.checksum is not None
        upload, parts = store.uploads.parts(US, "bucket", "big", "u1")
        assert (upload.algorithm, upload.description.tags) == ("crc32", {})
        assert [part.content for part in parts] == ["cd02"]
        assert store.buckets.tags(US, "bucket") is None
        store.close()
    store = FileStore(root)
    store.tag_object(US, "bucket", "k", {"x": "y"})
    assert store.head_object(US, "bucket", "k").description.tags == {"x": "y"}
    store.close()


def test_two_servers_upgrade_at_once(root: Path) -> None:
    faults: list[BaseException] = []

    def start() -> None:
        try:
            Index(root / "index.db").close()
        except (PegboxError, sqlite3.Error) as error:
            faults.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_an_index_of_a_later_version_is_left_alone(root: Path) -> None:
    with sqlite3.connect(root / "index.db") as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(IndexTooNew, match="install a newer pegbox"):
        Index(root / "index.db")
