"""Expected trouble ends a command with one line that says what to do, and exit code 1."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path

import pytest
from s3transfer.exceptions import RetriesExceededError
from typer.testing import CliRunner

import forking
from pegbox.cli.faults import told
from pegbox.cli.main import app
from pegbox.home import open_store
from pegbox.objects.files import FileStore
from pegbox.settings import SettingsError, load
from pegbox.store import place
from pegbox.store.sql import SqlStore
from running import clean_environment


def run(command: str, home: Path | str, **variables: str) -> str:
    """What a command says that must end with one line and code 1."""
    given = {"PEGBOX_HOME": str(home), "PEGBOX_PORT": "0", "PEGBOX_DATABASE_WAIT": "0"} | variables
    done = forking.run(command.split(), clean_environment() | given)
    assert (done.returncode, done.stdout) == (1, "")
    *before, last = done.stderr.splitlines()
    assert last.startswith("pegbox: "), done.stderr
    assert all('event="waiting for the database"' in line for line in before), done.stderr
    return last


def within(command: str, home: Path, *more: str) -> str:
    """The same, in this process, which is quicker."""
    result = CliRunner().invoke(app, [*command.split(), *more, "--home", str(home)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert isinstance(result.exception, Exception)
    said = told(result.exception)
    assert said is not None, result.exception
    return said


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
    makes_none = command == "keys list" and url == "sqlite:////nope/x.db"
    assert ("the database has no tables: see the setting database_url" if makes_none else URLS[url]) in said
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
    said = run("serve", tmp_path)
    assert "file is not a database; see pegbox doctor, and pegbox restore for a backup" in said


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a key, an object store, and files of a job."""
    home = tmp_path / "home"
    assert CliRunner().invoke(app, ["keys", "add", "--home", str(home)]).exit_code == 0
    FileStore(home / "objects").close()
    (home / "attempts" / "1" / "1").mkdir(parents=True)
    return home


@pytest.mark.parametrize("left", [None, b""], ids=["nothing", "an empty file"])
@pytest.mark.parametrize("name", ["pegbox.db", "objects/index.db"])
def test_what_is_lost_is_not_made_anew(home: Path, name: str, left: bytes | None) -> None:
    (home / name).unlink()
    if left is not None:
        (home / name).write_bytes(left)
    into = home.with_name("backup")
    said = [run("serve", home), within(f"backup {into}", home)]
    if name == "pegbox.db":
        said += [within(command, home) for command in ("migrate", "keys list", "env")]
    for line in said:
        assert "is gone, or empty" in line and "pegbox restore" in line and "to begin anew" in line
    assert not (into / "manifest.json").exists()
    assert (home / name).read_bytes() == b"" if left is not None else not (home / name).exists()


def test_a_damaged_index_is_told(home: Path) -> None:
    (home / "objects" / "index.db").write_bytes(b"no index" * 1000)
    for said in (run("serve", home), within(f"backup {home.with_name('backup')}", home)):
        assert "objects/index.db: file is not a database: restore a backup (pegbox restore)" in said


@pytest.mark.parametrize("sign", ["attempts", "objects", "run/database", "run/database of a home that was moved"])
def test_each_sign_of_a_lost_database_counts(tmp_path: Path, sign: str) -> None:
    sign, _, moved = sign.partition(" of ")
    (tmp_path / sign).parent.mkdir(exist_ok=True)
    url = f"sqlite:///{tmp_path / 'moved' / 'pegbox.db' if moved else tmp_path / 'pegbox.db'}"
    if sign == "run/database":
        (tmp_path / sign).write_text(place.digest(SqlStore(url, migrate=False).engine))
    else:
        (tmp_path / sign / "1").mkdir(parents=True)
    settings = load({"home": tmp_path}, {})
    with pytest.raises(SettingsError, match=re.escape(str(tmp_path / sign.partition("/")[0]).removesuffix("/run"))):
        open_store(settings)
    assert not (tmp_path / "pegbox.db").exists()


def test_another_database_may_be_empty(home: Path, tmp_path: Path) -> None:
    (home / "run" / "database").write_text("of another")
    shutil.rmtree(home / "attempts")
    open_store(load({"home": home, "database_url": f"sqlite:///{tmp_path / 'new.db'}"}, {})).close()


@pytest.mark.parametrize("folder", [".", "/"])
def test_a_folder_is_no_file_to_write(home: Path, folder: str) -> None:
    assert run(f"admin dump {folder}", home) == f"pegbox: {folder}: Is a directory"


def test_a_download_that_breaks_off_is_told() -> None:
    assert told(RetriesExceededError(ConnectionError("gone"))) == "Max Retries Exceeded"


def test_what_nobody_expects_keeps_its_traceback(tmp_path: Path) -> None:
    for error in (ValueError("x"), KeyError("x"), OSError("x"), BrokenPipeError(32, "x"), ImportError("x")):
        assert told(error) is None
    with pytest.raises(TypeError) as caught:
        load({"home": tmp_path, "nothing": 1}, {})
    assert told(caught.value) is None
