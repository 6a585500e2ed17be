"""Where a database lies, and who may read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.store.sql import SqlStore

NAMES = ["own.db", "own.db-wal", "own.db-shm", "own.db-journal"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory, with a link to it, while files are made for everybody."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    yield tmp_path / "real"
    os.umask(before)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///{place}/own.db",
        "sqlite:///{place}/own.db?timeout=5",
        "sqlite+pysqlite:///real/own.db",
        "sqlite:///link/own.db",
        "sqlite:///file:real/own.db?mode=rwc&uri=true",
    ],
)
def test_the_files_are_known_however_they_are_named(place: Path, url: str) -> None:
    store = SqlStore(url.format(place=place))
    assert store.files() == [place / name for name in NAMES]
    store.close()


def test_a_new_database_is_for_its_owner_only(place: Path) -> None:
    store = SqlStore(f"sqlite:///{place}/own.db?timeout=5")
    assert {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()} == dict.fromkeys(NAMES[:3], 0o600)
    store.close()
