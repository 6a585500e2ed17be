"""A file goes only when the change that took its name is on disk: after a power cut its object would be there again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pegbox.objects.base import Location
from pegbox.objects.examine import Examination
from pegbox.objects.files import FileStore
from pegbox.objects.index import Index
from pegbox.wal import WriteAheadLog

US = "111111111111"
Sweep = Callable[[FileStore, Path, WriteAheadLog], object]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileStore]:
    opened = FileStore(tmp_path / "objects")
    opened.buckets.create(US, "bucket", "us-east-1")
    with (tmp_path / "source").open("w+b") as source:
        opened.put(US, Location("s3", "bucket", "key"), source)
    yield opened
    opened.close()


def _by_server(store: FileStore, root: Path, log: WriteAheadLog) -> object:
    store._index._log = log
    return store._garbage.sweep(seconds=-1.0, share=1.0)


def _by_doctor(_: FileStore, root: Path, log: WriteAheadLog) -> object:
    examination = Examination(root)
    examination._log = log
    return [examination.remove_unnamed(path, root.with_name("aside")) for path in examination.unnamed(-1.0)]


@pytest.mark.parametrize("sweep", [_by_server, _by_doctor], ids=["server", "doctor"])
def test_a_file_goes_only_after_the_change_that_took_its_name_is_on_disk(
    store: FileStore, tmp_path: Path, sweep: Sweep
) -> None:
    root = tmp_path / "objects"
    (content,) = (root / "content").glob("*/*")
    index = Index(root / "index.db")
    with index._writing, index._connection() as connection:  # another server, whose fsync has not come yet
        connection.execute("delete from object")
    was_there: list[bool] = []
    sweep(store, root, WriteAheadLog(root / "index.db", lambda _: was_there.append(content.exists())))
    assert not content.exists()
    assert was_there[:1] == [True]
    index.close()
