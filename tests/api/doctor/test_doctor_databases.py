"""Databases that are gone, damaged, away or another: the doctor tells them apart and ends nothing."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from examination import change, ended, examine, finish, running_job
from running import RunningServer

Start = Callable[..., RunningServer]


@pytest.mark.parametrize("served", [True, False])
def test_another_database_ends_nothing(start_server: Start, tmp_path: Path, postgres: Any, served: bool) -> None:
    before = start_server(environment={"PEGBOX_TICK": "0.2"})
    before.client("s3").create_bucket(Bucket="kept")
    ended(before, tmp_path)  # its row is the first in SQLite, the next one's the first in PostgreSQL
    assert before.stop() == 0
    shutil.rmtree(before.home / "attempts")
    url = postgres.database(f"doctor_{uuid.uuid4().hex[:8]}")
    server = RunningServer(before.home, environment={"PEGBOX_TICK": "0.2", "PEGBOX_DATABASE_URL": url})
    try:
        name, identity = running_job(server, tmp_path)
        if not served:
            assert server.stop() == 0
        findings = examine(server.home, "--repair")[1]
        assert {each["kind"] for each in findings} == {"database-foreign", "process-orphan"}
        change(server, "delete from resource where id = ?", identity)
        change(server, "insert into point values (999999, 1, 0, 'algo-1', 'loss', 1.0, 1.0)")
        findings += examine(server.home, "--repair")[1]
        assert {"database-foreign", "points-orphaned", "process-unknown"} <= {each["kind"] for each in findings}
        assert not any(each["repairable"] for each in findings)
        if not served:
            server.start()
        finish(server, name, tmp_path)
    finally:
        server.kill()


def test_another_database_that_is_empty_is_told_as_that(live: RunningServer, tmp_path: Path) -> None:
    _, findings = examine(live.home, "--repair", PEGBOX_DATABASE_URL=f"sqlite:///{tmp_path / 'other.db'}")
    assert [(each["kind"], each["repairable"]) for each in findings] == [("database-foreign", False), ("schema", False)]


def test_a_database_that_has_never_seen_the_home_moves_nothing(start_server: Start) -> None:
    server = start_server()
    assert server.stop() == 0
    folder = server.home / "attempts" / "7" / "1"
    folder.mkdir(parents=True)
    change(server, "delete from host")
    code, findings = examine(server.home, "--repair")
    assert (code, [each["kind"] for each in findings]) == (1, ["database-foreign", "attempt-unknown"])
    assert folder.exists()
    server.start()
    assert examine(server.home, "--repair")[0] == 0
    assert not folder.exists()


def test_a_database_that_is_gone_damaged_or_of_another_version(start_server: Start) -> None:
    server = start_server()
    assert server.stop() == 0
    home, database = server.home, server.home / "pegbox.db"
    for revision, kinds in (("0000", ["schema"]), ("9999", ["schema"])):
        with closing(sqlite3.connect(database)) as connection, connection:
            (before,) = connection.execute("select version_num from alembic_version").fetchone()
            connection.execute("update alembic_version set version_num = ?", (revision,))
        assert [each["kind"] for each in examine(home)[1]] == kinds
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("update alembic_version set version_num = ?", (before,))
    whole = database.read_bytes()
    database.write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    assert "database-damaged" in {each["kind"] for each in examine(home)[1]}
    for damaged in (whole[:4096] + b"\xff" * 4096 + whole[8192:], b"no database at all" * 1000):
        database.write_bytes(damaged)
        assert [each["kind"] for each in examine(home)[1]] == ["database-damaged"]
    database.write_bytes(b"")
    assert [each["kind"] for each in examine(home)[1]] == ["database-missing"]
    database.unlink()
    assert [each["kind"] for each in examine(home)[1]] == ["database-missing"]
    assert not database.exists()
    database.write_bytes(whole)
    database.chmod(0o600)
    assert examine(home) == (0, [])
    (home / "objects" / "index.db").rename(home / "away")
    assert [each["kind"] for each in examine(home)[1]] == ["index-missing"]
    (home / "objects" / "index.db").write_bytes(b"no index" * 1000)
    assert [each["kind"] for each in examine(home)[1]] == ["index-damaged"]
    (home / "restoring").touch()
    assert [each["kind"] for each in examine(home)[1]] == ["restore-unfinished", "index-damaged"]


def test_a_database_that_does_not_answer(live: RunningServer) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/pegbox"
    code, findings = examine(live.home, PEGBOX_DATABASE_URL=url)
    assert (code, [each["kind"] for each in findings]) == (1, ["database-unreachable"])
    assert "secret" not in findings[0]["message"]
