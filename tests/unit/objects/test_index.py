"""What readers of the index see while others write."""

from __future__ import annotations

from pathlib import Path

from pegbox.objects.index import Index


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
