"""One fsync of a write-ahead log for all who wait for it."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from pegbox import wal
from pegbox.errors import S3Error
from pegbox.objects.index import Index
from pegbox.store import connections
from pegbox.store.base import Full, NotFound, Unavailable
from pegbox.store.sql import SqlStore
from pegbox.wal import WriteAheadLog

PATIENCE = 30


class Disk:
    """A disk that is as slow as the test wants: each fsync waits for `go`."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.count = 0
        self.fault: OSError | None = None

    def sync(self, fd: int) -> None:
        self.count += 1
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE)
        if self.fault:
            raise self.fault
        os.fsync(fd)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    with closing(sqlite3.connect(tmp_path / "some.db", isolation_level=None)) as connection:
        for statement in ("pragma journal_mode=wal", "create table some (value)", "insert into some values (1)"):
            connection.execute(statement)
        yield tmp_path / "some.db"


def test_who_comes_during_an_fsync_waits_for_the_next_and_all_share_it(database: Path) -> None:
    disk = Disk()
    log = WriteAheadLog(database, disk.sync)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(log.wait)
        assert disk.begun.acquire(timeout=PATIENCE)
        later = [pool.submit(log.wait) for _ in range(5)]
        disk.go.release()
        first.result(PATIENCE)
        assert disk.begun.acquire(timeout=PATIENCE)  # what they have committed may have come after the first began
        assert not any(each.done() for each in later)
        disk.go.release(5)
        for each in later:
            each.result(PATIENCE)
    assert disk.count in (2, 3)  # 3: a thread came so late that the second fsync had begun


def test_a_failed_fsync_is_told_and_the_next_one_tries_for_itself(database: Path) -> None:
    disk = Disk()
    log = WriteAheadLog(database, disk.sync)
    disk.fault = OSError(errno.EIO, "no")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(log.wait) for _ in range(2)]
        disk.go.release(2)
        faults = [each.exception(PATIENCE) for each in both]
    assert sorted(type(fault).__name__ for fault in faults) == ["NoneType", "OSError"]
    assert disk.count == 1


def test_after_a_failed_fsync_nothing_is_confirmed_until_all_is_in_the_database(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel marks what it could not write as clean: the next fsync has nothing to do, and succeeds."""
    monkeypatch.setattr(wal, "CHECKPOINT_SECONDS", 0.01)
    left = database.with_name("some.db-wal")
    disk = Disk()
    disk.go.release(10)
    log = WriteAheadLog(database, disk.sync)
    disk.fault = OSError(errno.EIO, "no")
    with pytest.raises(OSError, match="no"):
        log.wait()
    disk.fault = None
    with closing(sqlite3.connect(database, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select * from some").fetchall()
        with closing(sqlite3.connect(database, isolation_level=None)) as writer:
            writer.execute("insert into some values (2)")
        with pytest.raises(OSError, match="somebody reads"):
            log.wait()
        assert left.stat().st_size > 0
        reader.execute("commit")
    log.wait()
    assert (left.stat().st_size, disk.count) == (0, 1)
    log.wait()
    assert disk.count == 2  # all is well again


def test_after_a_failed_fsync_a_database_that_is_gone_confirms_nothing(database: Path) -> None:
    disk = Disk()
    disk.go.release(10)
    log = WriteAheadLog(database, disk.sync)
    disk.fault = OSError(errno.EIO, "no")
    with pytest.raises(OSError, match="no"):
        log.wait()
    database.unlink()
    with pytest.raises(OSError, match="unable to open"):
        log.wait()
    assert not database.exists()


def test_a_log_that_is_not_there_has_been_brought_to_the_database(tmp_path: Path) -> None:
    WriteAheadLog(tmp_path / "other.db").wait()
    WriteAheadLog(None).wait()


def test_a_link_leads_to_the_log_beside_the_database(database: Path, tmp_path: Path) -> None:
    synced: list[tuple[int, int]] = []
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(database)
    WriteAheadLog(link, lambda fd: synced.append((os.fstat(fd).st_dev, os.fstat(fd).st_ino))).wait()
    there = os.stat(f"{database}-wal")
    assert synced == [(there.st_dev, there.st_ino)]


def test_only_what_is_to_last_waits_for_the_disk(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    synced: list[int] = []
    log = WriteAheadLog(tmp_path / "pegbox.db", synced.append)
    store.engine.update_execution_options(**{connections.ONE_WRITER: connections.OneWriter(log, None)})
    with store.transaction(lasting=False):
        pass
    store.beat("here")
    assert synced == []
    with store.transaction():
        pass
    assert len(synced) == 1
    store.close()


def _store_with(path: Path, sync: Callable[[int], None]) -> SqlStore:
    store = SqlStore(f"sqlite:///{path / 'pegbox.db'}")
    log = WriteAheadLog(path / "pegbox.db", sync)
    store.engine.update_execution_options(**{connections.ONE_WRITER: connections.OneWriter(log, None)})
    return store


def test_a_refusal_waits_for_what_it_rests_on(tmp_path: Path) -> None:
    """The commit of another client, which is told why it is refused, may still be on its way to the disk."""
    synced: list[int] = []
    store = _store_with(tmp_path, synced.append)
    with pytest.raises(NotFound), store.transaction() as tx:
        tx.by_id(1)
    assert len(synced) == 1
    with pytest.raises(NotFound), store.transaction(lasting=False) as tx:
        tx.by_id(1)
    with pytest.raises(Unavailable), store.transaction():
        raise Unavailable
    assert len(synced) == 1
    store.close()


def test_a_refusal_is_not_told_when_what_it_rests_on_does_not_reach_the_disk(tmp_path: Path) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    store = _store_with(tmp_path, fail)
    with pytest.raises(Unavailable), store.transaction() as tx:
        tx.by_id(1)
    store.close()


def test_a_refusal_of_the_object_store_waits_for_what_it_rests_on(tmp_path: Path) -> None:
    index, synced = Index(tmp_path / "index.db"), []
    index._log = WriteAheadLog(tmp_path / "index.db", synced.append)
    with pytest.raises(S3Error), index.write():
        raise S3Error("PreconditionFailed", 412, "It is there.")
    assert len(synced) == 1
    index.close()


@pytest.mark.parametrize(("code", "told"), [(errno.ENOSPC, Full), (errno.EIO, Unavailable)])
def test_a_log_that_does_not_reach_the_disk_is_trouble_of_the_database(
    tmp_path: Path, code: int, told: type[Exception]
) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    log = WriteAheadLog(tmp_path / "pegbox.db", fail)
    store.engine.update_execution_options(**{connections.ONE_WRITER: connections.OneWriter(log, None)})
    with pytest.raises(told), store.transaction():
        pass
    store.close()
