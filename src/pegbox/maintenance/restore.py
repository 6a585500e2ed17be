"""`pegbox restore`: a home and a database from a backup.

A restored home is another home.  What ran when the backup was made runs elsewhere or nowhere: here those attempts are
lost, and their jobs are tried again or fail.  Nothing here names a directory or process of the home that was backed up,
which may be alive.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pegbox.domain import training
from pegbox.domain.training import TrainingJob
from pegbox.engine import removal
from pegbox.engine.context import attempt_directory
from pegbox.maintenance import archive
from pegbox.maintenance.archive import Entry, MaintenanceError, Manifest
from pegbox.maintenance.progress import Progress
from pegbox.operations.catalogs import KINDS
from pegbox.operations.indexing import properties_of
from pegbox.settings import RESTORING, Settings
from pegbox.store import dump, filling, place
from pegbox.store.resources import TRAINED
from pegbox.store.sql import SqlStore
from pegbox.store.transaction import SqlTransaction

#: runner.json of an attempt that ran when the backup was made: of no process
LOST: dict[str, Any] = {
    "pid": 0,
    "start_time": None,
    "boot_id": None,
    "started": None,
    "hosts": {},
    "notes": ["restored from a backup"],
}
#: all that a restore writes, but for the mark
OURS = ("attempts", "credentials", "objects", "pegbox.db", "pegbox.db-shm", "pegbox.db-wal", "pegbox.toml", "run")


def check(source: Path, progress: Progress) -> Manifest:
    """The manifest of a backup whose every file is as it was written.  Raises MaintenanceError."""
    manifest = Manifest.read(source)
    progress.begin("checking", len(manifest.files))
    for path, entry in manifest.files.items():
        if _found(source / path) != entry:
            raise MaintenanceError(f"{source / path} is damaged or missing: nothing was restored")
        progress.step(entry.size)
    return manifest


def restore(
    settings: Settings,
    source: Path,
    identity: Callable[[Path], str],
    progress: Progress,
    *,
    write_database_url: bool = False,
    overwrite: bool = False,
) -> Manifest:
    """Fill the home and the database that `settings` name.  Raises MaintenanceError before anything is changed.

    `identity` makes the name of a home; `write_database_url` puts the database's URL into the home's pegbox.toml;
    `overwrite` moves a home that is there aside and drops what the database holds, if `write_database_url` says that
    the database was chosen for this restore, or if it lies in the home, and if no server has used it of late.
    """
    home = settings.home
    if source.resolve().is_relative_to(home):
        raise MaintenanceError(f"{source} is in the home that is to be filled: move it somewhere else first")
    with archive.blaming(source, "see that you may read it", written=home):
        return _restore(settings, source, identity, progress, write_database_url, overwrite)


def _restore(
    settings: Settings,
    source: Path,
    identity: Callable[[Path], str],
    progress: Progress,
    write_database_url: bool,
    overwrite: bool,
) -> Manifest:
    manifest = check(source, progress)
    home = settings.home
    _check_home(home, overwrite)
    if not settings.sqlite_at_home:
        _check_database(settings, overwrite, named=write_database_url)
    _clear(home, overwrite)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)
    (home / RESTORING).touch()
    (home / "run").mkdir(mode=0o700)
    _bring_files(source, home, manifest, progress)
    if write_database_url:
        _write_database_url(home / archive.SETTINGS_FILE, settings.database_url)
    _load(settings, source, manifest, identity(home), overwrite, progress)
    archive.sync_all()
    (home / RESTORING).unlink()
    return manifest


def _found(path: Path) -> Entry | None:
    try:
        return archive.digest(path)
    except OSError:
        return None


def _check_home(home: Path, overwrite: bool) -> None:
    if not home.exists() or overwrite or (home / RESTORING).exists():
        return
    if not home.is_dir():
        raise MaintenanceError(f"{home} is no directory")
    if any(home.iterdir()):
        raise MaintenanceError(f"{home} is not empty: give another --home, or --overwrite to move it aside")


def _check_database(settings: Settings, overwrite: bool, *, named: bool) -> None:
    """Refuse one that holds something, unless it was `named` to be overwritten and no server uses it."""
    store = SqlStore(settings.database, migrate=False)
    try:
        if dump.is_empty(store.engine):
            return
        if not overwrite:
            raise MaintenanceError(
                "the database is not empty: give the --database-url of another one, or --overwrite to replace its rows"
            )
        if not named:
            raise MaintenanceError(
                "the database is not empty, and may be that of the home that was backed up: "
                "give --database-url together with --overwrite"
            )
        if alive := place.alive(store.engine, settings.silence):
            raise MaintenanceError(
                f"the database is used by a server: {', '.join(alive)} was alive less than {settings.silence:g} "
                "seconds ago; stop its servers, wait, and try again"
            )
    finally:
        store.close()


def _clear(home: Path, overwrite: bool) -> None:
    """Remove what an interrupted restore has left; keep what somebody may want."""
    if (home / RESTORING).exists():
        for name in OURS:
            path = home / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    elif overwrite and home.is_dir() and any(home.iterdir()):
        number = 1
        while (aside := home.with_name(f"{home.name}.before-{number}")).exists():
            number += 1
        home.rename(aside)


def _bring_files(source: Path, home: Path, manifest: Manifest, progress: Progress) -> None:
    progress.begin("files", len(manifest.files))
    for path, entry in manifest.files.items():
        top = path.partition("/")[0]
        if top != "database":
            bring = archive.link_or_copy if path.startswith("objects/content/") else archive.copy
            bring(source / path, home / path)
        progress.step(entry.size)


def _write_database_url(file: Path, url: str) -> None:
    """The settings of the backup may name the database of the home that was backed up."""
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    line = f"database_url = {json.dumps(url)}"
    text, found = re.subn(r"(?m)^\s*database_url\s*=.*$", lambda _: line, before)
    if not found:
        text = f"{line}\n{before}"
    with archive.private(file.with_suffix(".new")) as new:
        new.write(text.encode())
    file.with_suffix(".new").replace(file)


def _load(settings: Settings, source: Path, manifest: Manifest, host: str, overwrite: bool, progress: Progress) -> None:
    change = partial(_moved, before=manifest.home, home=settings.home, host=host)
    tables = {
        table: partial(
            _rows, source / "database" / f"{table}.jsonl", change if table == "resource" else _same, progress
        )
        for table in manifest.rows
        if table != "host"  # who was alive then
    }
    progress.begin("rows", sum(manifest.rows.values()))
    store = SqlStore(settings.database, migrate=False)
    try:
        index = partial(_index, progress=progress)
        dump.load(store.engine, manifest.schema, tables, replace=overwrite, index=index)
    finally:
        store.close()
    if settings.sqlite_at_home:
        (settings.home / "pegbox.db").chmod(0o600)


def _index(tx: SqlTransaction, progress: Progress) -> None:
    """Search answers at once, not when a server has indexed everything."""
    kinds = KINDS.values()
    progress.begin("indexing for Search", filling.count(tx, kinds))
    filling.fill(tx, kinds, properties_of, lambda count: progress.step(count=count))


def _rows(file: Path, change: Callable[[dump.Row], dump.Row], progress: Progress) -> Iterator[dump.Row]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            progress.step()
            try:
                yield change(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                raise MaintenanceError(
                    f"{file}:{number} is no row that a server has written: the home cannot be used"
                ) from None


def _same(row: dump.Row) -> dump.Row:
    return row


def _moved(row: dump.Row, before: str, home: Path, host: str) -> dump.Row:
    """A resource as it is in the new home."""
    if type(row["id"]) is not int:  # it names a directory
        raise ValueError(row["id"])
    free = {"lease_owner": None, "lease_until": 0.0, "due_at": None if row["ended_at"] is not None else 0.0}
    if row["kind"] not in TRAINED:
        return {**row, **free}
    state: dict[str, Any] = json.loads(row["state"])
    if row["ended_at"] is not None:
        if state.get("home") == before:
            state["home"] = str(home)
        return {**row, **free, "state": _json(state)}
    job = training.moved(TrainingJob.parse(state), str(home))
    if type(job.attempt) is not int:
        raise ValueError(job.attempt)
    is_lost = job.phase is training.Phase.RUNNING
    _remove_later(attempt_directory(str(home), row["id"], job.attempt), its_own=not is_lost)
    if is_lost:
        _mark_lost(attempt_directory(str(home), row["id"], job.attempt))
    return {**row, **free, "state": _json(job.dump()), "host": host if row["host"] else None}


def _remove_later(directory: Path, *, its_own: bool) -> None:
    """Remove what was begun after the moment of the backup, which is begun again here: later attempts, and this one."""
    first = int(directory.name) + (0 if its_own else 1)
    for attempt in directory.parent.glob("[0-9]*"):
        if attempt.name.isdigit() and int(attempt.name) >= first:
            removal.remove(attempt)


def _mark_lost(directory: Path) -> None:
    """An attempt whose runner has been and is gone, by the docstring of pegbox.runner."""
    archive.private_folder(directory)
    (directory / "runner.json").write_text(json.dumps(LOST))


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def database_url_of(source: Path) -> str:
    """The setting of that name in the backup's pegbox.toml; "" when there is none.  Raises MaintenanceError."""
    file = source / archive.SETTINGS_FILE
    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8")).get("database_url", "")) if file.is_file() else ""
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise MaintenanceError(f"{file} is damaged: nothing was restored") from None
