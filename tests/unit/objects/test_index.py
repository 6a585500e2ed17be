"""What readers of the index see while others write, and what happens when its file goes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pegbox.errors import ServiceUnavailable
from pegbox.objects.files import FileStore
from pegbox.objects.index import Index, IndexLost, IndexUnusable


def test_a_reader_sees_one_moment(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.db")
    count = "select count(*) from bucket"
    with index.read() as reader:
        assert reader.execute(count).fetchone() == (0,)
        with index.write() as writer:
            writer.execute("insert into bucket (name, account, region, created) values ('b', '1', 'r', 0)")
        assert reader.execute(count).fetchone() == (0,)
    with index.read() as reader:
        assert reader.execute(count).fetchone() == (1,)
    index.close()


def test_a_reader_that_fails_leaves_no_transaction_open(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.db")
    try:
        with index.read() as reader:
            reader.execute("select * from bucket").fetchone()
            raise KeyError
    except KeyError:
        pass
    with index.write() as writer:
        writer.execute("insert into bucket (name, account, region, created) values ('b', '1', 'r', 0)")
    with index.read() as reader:
        assert reader.execute("select name from bucket").fetchall() == [("b",)]
    index.close()


def some_bucket(index: Index) -> None:
    with index.write() as writer:
        writer.execute("insert into bucket (name, account, region, created) values ('b', '1', 'r', 0)")


def names(index: Index) -> list[tuple[str]]:
    with index.read() as reader:
        return reader.execute("select name from bucket").fetchall()


def test_an_index_that_is_removed_is_neither_written_to_nor_replaced(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    index = Index(path)
    some_bucket(index)
    path.rename(tmp_path / "away")
    for use in (some_bucket, names):
        with pytest.raises(ServiceUnavailable, match="is gone"):
            use(index)
    assert not path.exists()
    (tmp_path / "away").rename(path)
    assert names(index) == [("b",)]
    index.close()


def test_what_is_written_while_the_index_is_removed_is_not_acknowledged(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.db")
    with pytest.raises(ServiceUnavailable, match="is gone"), index.write():
        (tmp_path / "index.db").unlink()
    index.close()


def test_another_index_in_its_place_is_used(tmp_path: Path) -> None:
    index, other = Index(tmp_path / "index.db"), Index(tmp_path / "other.db")
    some_bucket(other)
    other.close()
    assert names(index) == []
    for file in tmp_path.glob("index.db-*"):
        file.unlink()  # as with any SQLite database: what is in it would be read into the other one
    (tmp_path / "other.db").replace(tmp_path / "index.db")
    assert names(index) == [("b",)]
    index.close()


@pytest.mark.parametrize("left", ["nothing", "an empty file", "no tables"])
def test_an_index_that_is_lost_is_not_made_anew(tmp_path: Path, left: str) -> None:
    root = tmp_path / "a folder? yes"
    FileStore(root).close()
    (root / "index.db").unlink()
    if left != "nothing":
        (root / "index.db").touch()
    if left == "no tables":
        with closing(sqlite3.connect(root / "index.db")) as connection:
            connection.execute("pragma journal_mode=wal").fetchall()
            connection.execute("pragma user_version = 1")
    before = [(path, path.stat().st_size) for path in root.iterdir()]
    with pytest.raises(IndexLost, match="restore a backup"):
        FileStore(root)
    assert [(path, path.stat().st_size) for path in root.iterdir()] == before


def test_a_folder_that_was_prepared_for_contents_is_a_new_store(tmp_path: Path) -> None:
    (tmp_path / "content" / "lost+found").mkdir(parents=True)
    FileStore(tmp_path).close()
    FileStore(tmp_path).close()


def test_an_index_that_is_up_to_date_is_opened_without_a_change(tmp_path: Path) -> None:
    Index(tmp_path / "index.db").close()
    with closing(sqlite3.connect(tmp_path / "index.db", isolation_level=None)) as other:
        other.execute("begin immediate")  # nobody else may write
        Index(tmp_path / "index.db").close()


def test_what_is_wrong_with_an_index_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"no index" * 1000)
    with pytest.raises(IndexUnusable, match=r"index\.db: file is not a database: restore a backup"):
        Index(tmp_path / "index.db")
    (tmp_path / "index.db").unlink()
    (tmp_path / "index.db").mkdir()
    with pytest.raises(IndexUnusable, match=r"unable to open database file: see that you may read and write it"):
        Index(tmp_path / "index.db")
