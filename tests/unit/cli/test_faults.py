"""Expected trouble ends a command with one line that says what to do, and exit code 1."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pegbox.cli.faults import told
from pegbox.settings import load


def run(command: str, home: Path | str, **variables: str) -> str:
    """What a command says that must end with one line and code 1."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PEGBOX_", "AWS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pegbox", *command.split()],
        env=kept | {"PEGBOX_HOME": str(home), "PEGBOX_PORT": "0"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    *before, last = done.stderr.splitlines()
    assert last.startswith("pegbox: "), done.stderr
    assert all('event="waiting for the database"' in line for line in before), done.stderr
    return last


URLS = {
    "foo": "database_url: is no URL",
    "sqlite:////nope/x.db": "unable to open database file",
    "sqlite+bogus:///x.db": "database_url is no SQLAlchemy URL",
    "postgresql+psycopg://me:secret@127.0.0.1:many/pegbox": "database_url is no SQLAlchemy URL",
    "postgresql+psycopg://me:secret@127.0.0.1:1/pegbox": "the database does not work: connection failed",
    "postgresql+pg8000://me:secret@127.0.0.1:1/pegbox": "database_url needs this driver",
}


@pytest.mark.parametrize("command", ["serve", "keys list"])
@pytest.mark.parametrize("url", URLS)
def test_a_database_that_does_not_work_is_told(tmp_path: Path, command: str, url: str) -> None:
    said = run(command, tmp_path, PEGBOX_DATABASE_URL=url)
    assert URLS[url] in said
    assert "secret" not in said


@pytest.mark.parametrize("command", ["serve", "migrate", "env"])
@pytest.mark.parametrize("home", ["/proc/x", "/etc/passwd"])
def test_a_home_that_cannot_be_is_told(command: str, home: str) -> None:
    said = run(command, home)
    assert said.startswith(f"pegbox: {home}") and "PEGBOX_HOME" in said


def test_a_database_of_a_newer_version_is_told(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "pegbox.db")
    connection.executescript(
        "create table alembic_version (version_num text); insert into alembic_version values (9999)"
    )
    connection.close()
    for command in ("serve", "migrate", "image list"):
        assert "install a newer pegbox" in run(command, tmp_path)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "pegbox.db").write_text("no database" * 100)
    assert "file is not a database" in run("serve", tmp_path)


def test_what_nobody_expects_keeps_its_traceback(tmp_path: Path) -> None:
    for error in (ValueError("x"), KeyError("x"), OSError("x"), BrokenPipeError(32, "x"), ImportError("x")):
        assert told(error) is None
    with pytest.raises(TypeError) as caught:
        load({"home": tmp_path, "nothing": 1}, {})
    assert told(caught.value) is None
