"""A database that a home has had, and that is not there any more.

Nobody may make an empty one in its place unasked: it would be taken for all there is, and its jobs would get the
numbers of jobs whose files are still in the home.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pegbox.engine import homes
from pegbox.settings import Settings
from pegbox.store import examine, place
from pegbox.store.sql import SqlStore


def of_database(settings: Settings, store: SqlStore) -> str:
    """What is missing, and what to do about it; "" if the database has tables, or the home has never had any."""
    if not place.is_missing(store.engine) and examine.revision(store.engine) is not None:
        return ""
    signs = list(_signs(settings, place.digest(store.engine)))
    if not signs:
        return ""
    return (
        f"the database is gone, or empty, and {signs[0]}: put it back (an SQLite file with its -wal file), see the "
        f"setting database_url, or restore a backup (pegbox restore); to begin anew, move {settings.home} aside"
    )


def recorded(home: Path) -> str:
    """The digest of the place of the database that the home's last server had; "" if there was none."""
    file = home / homes.DATABASE
    return file.read_text(errors="replace") if file.exists() else ""


def _signs(settings: Settings, digest: str) -> Iterator[str]:
    """What shows that the home has had this database, or has files of the jobs of another one."""
    home, last = settings.home, recorded(settings.home)
    if last and (last == digest or settings.sqlite_at_home):  # which has another digest when the home is moved
        yield f"{home} has been served before"
    attempts = home / "attempts"
    if attempts.is_dir() and any(attempts.iterdir()):
        yield f"{attempts} has files of training jobs"
    if not last and settings.sqlite_at_home and (home / "objects").is_dir():
        yield f"{home / 'objects'} is there"
