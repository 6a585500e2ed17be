"""`pegbox backup`: everything that a home and its database hold, while the server goes on.

The order makes it whole.  The database is read first, as one moment; objects after it, so whatever a job of that moment
has stored is there; logs last, which only grow.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pegbox import __version__
from pegbox.engine import homes
from pegbox.maintenance import archive, losses
from pegbox.maintenance.archive import Entry, MaintenanceError, Manifest
from pegbox.maintenance.progress import Progress
from pegbox.objects import snapshot
from pegbox.objects.content import ContentFiles
from pegbox.objects.index import is_there, lost, unusable
from pegbox.settings import Settings
from pegbox.store import dump, place
from pegbox.store.resources import TRAINED
from pegbox.store.sql import SqlStore

MARK = ".pegbox-backup"  #: says that the folder is a backup under way, so that the next try may go on with it
#: of an attempt: what shows what happened.  The rest is for the processes that run, or lies in the object store
KEPT = ("*.log", "*.idx", "points", "attempt.json")
KEPT_OF_ENDED = ("exit.json", "runner.json")


@dataclass(slots=True)
class Done:
    """What a backup has become."""

    manifest: Manifest
    missing: list[str] = field(default_factory=list)  #: objects whose content was not there


def backup(settings: Settings, into: Path, clock: Callable[[], float], progress: Progress) -> Done:
    """Write a backup to the folder `into`: a new or empty one, or an interrupted backup of this home.

    Raises MaintenanceError.
    """
    with archive.blaming(into, "give a folder that you may write to", written=into):
        return _backup(settings, into, clock, progress)


def _backup(settings: Settings, into: Path, clock: Callable[[], float], progress: Progress) -> Done:
    _open(into, settings.home)
    made = clock()
    jobs, revision, rows = _database(settings, into / "database", progress)
    written = {into / "database" / f"{table}.jsonl" for table in rows}
    missing = _objects(settings.home / "objects", into / "objects", written, progress)
    for identity, ended in jobs.items():
        written |= _attempts(settings.home / "attempts" / str(identity), into / "attempts" / str(identity), ended)
    for name in (archive.SETTINGS_FILE, archive.CREDENTIALS_FILE):
        if (settings.home / name).is_file():
            archive.copy(settings.home / name, into / name)
            written.add(into / name)
    _forget_others(into, written)
    manifest = Manifest(
        format=archive.FORMAT,
        pegbox=__version__,
        made=made,
        schema=revision,
        home=str(settings.home),
        rows=rows,
        files=dict(_entries(into, progress)),
    )
    archive.sync_all()
    manifest.write(into)
    (into / MARK).unlink()
    return Done(manifest, missing)


def _open(into: Path, home: Path) -> None:
    if into.resolve().is_relative_to(home):
        raise MaintenanceError(f"{into} is in the home that is to be backed up: give a folder outside it")
    if not home.is_dir():
        raise MaintenanceError(f"{home} is no home: --home or PEGBOX_HOME names one")
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (into / archive.MANIFEST).exists():
        raise MaintenanceError(f"{into} is a backup already: give another folder")
    if any(into.iterdir()) and not (into / MARK).exists():
        raise MaintenanceError(f"{into} is not empty: give another folder")
    into.chmod(0o700)
    ours = _identity(home)
    if (into / MARK).exists() and (into / MARK).read_text(errors="replace") not in ("", ours):
        raise MaintenanceError(f"{into} is an interrupted backup of another home: give another folder")
    with archive.private(into / MARK) as mark:
        mark.write(ours.encode())


def _identity(home: Path) -> str:
    """What distinguishes a home, before its first start as well."""
    file = home / homes.IDENTITY
    return file.read_text(errors="replace") if file.exists() else str(home)


def _database(settings: Settings, into: Path, progress: Progress) -> tuple[dict[int, bool], str, dict[str, int]]:
    """Write the tables.  Returns the training jobs (id -> whether it has ended), the schema, and rows by table."""
    store = SqlStore(settings.database, migrate=False)
    jobs: dict[int, bool] = {}
    rows: dict[str, int] = {}
    try:
        if why := losses.of_database(settings, store):
            raise MaintenanceError(why)
        if place.is_missing(store.engine):
            raise dump.NoSchema
        with dump.snapshot(store.engine) as found:
            for table in found.tables:
                progress.begin(f"table {table}", found.count(table))
                with archive.private(into / f"{table}.jsonl") as file:
                    rows[table] = 0
                    for row in found.rows(table):
                        file.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
                        rows[table] += 1
                        progress.step()
                        if table == "resource" and row["kind"] in TRAINED:
                            jobs[row["id"]] = row["ended_at"] is not None
            return jobs, found.revision, rows
    except dump.NoSchema:
        raise MaintenanceError("the database is empty: there is nothing to back up") from None
    finally:
        store.close()


def _objects(root: Path, into: Path, written: set[Path], progress: Progress) -> list[str]:
    """Returns what is missing.  Of what is written only the index is noted, which names all else."""
    if not is_there(root / "index.db"):
        if ContentFiles(root).is_made():
            raise MaintenanceError(lost(root / "index.db"))
        return []
    into.mkdir(exist_ok=True, mode=0o700)
    written.add(into / "index.db")
    try:
        return _copy_objects(root, into, progress)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise MaintenanceError(f"{into}: {error}: make room on its disk, then try again") from error
        raise MaintenanceError(unusable(root / "index.db", error)) from error


def _copy_objects(root: Path, into: Path, progress: Progress) -> list[str]:
    index = into / "index.db"
    index.unlink(missing_ok=True)
    index.touch(0o600)
    snapshot.copy_index(root, index)
    progress.begin("objects", snapshot.count(index)[0])

    def bring(source: Path, path: str, size: int) -> None:
        archive.link_or_copy(source, into / path)
        progress.step(size)

    return snapshot.bring_contents(root, index, bring)


def _forget_others(into: Path, written: set[Path]) -> None:
    """Remove what an interrupted try has brought, and this one has not: it is there no more."""
    index, content = into / "objects" / "index.db", into / "objects" / "content"
    named = snapshot.names(index) if index in written else set()
    for path in archive.files_below(into):
        is_named = path.name in named if path.is_relative_to(content) else path in written
        if path.name != MARK and not is_named:
            path.unlink()


def _attempts(source: Path, into: Path, ended: bool) -> set[Path]:
    """Returns what has been written."""
    written = set()
    for attempt in sorted(source.glob("[0-9]*")):
        for pattern in (*KEPT, *(KEPT_OF_ENDED if ended else ())):
            for file in sorted(attempt.glob(pattern)):
                if file.is_file() and not file.is_symlink():
                    with suppress(FileNotFoundError):  # cleaned up meanwhile
                        archive.copy(file, into / attempt.name / file.name)
                        written.add(into / attempt.name / file.name)
    return written


def _entries(folder: Path, progress: Progress) -> Iterator[tuple[str, Entry]]:
    progress.begin("digests")
    for path in archive.files_below(folder):
        if path.name == MARK:
            continue
        entry = archive.digest(path)
        progress.step(entry.size)
        yield str(path.relative_to(folder)), entry
