"""A home: its directory, its name, and its database."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from pegbox.engine import homes
from pegbox.maintenance import losses
from pegbox.settings import RESTORING, Settings, SettingsError, make_home
from pegbox.slow import telling
from pegbox.small_files import sync_folder
from pegbox.store import examine, place
from pegbox.store.base import Unavailable
from pegbox.store.sql import SqlStore

LOOK_SECONDS = 3.0  #: between two looks whether the database is there
FIRST_LOOK_SECONDS = 0.25  #: between the first two; both may have been started at once
NOTHING = "\0\N{REPLACEMENT CHARACTER}"  #: what a power cut, or a bad disk, has left of a name

log = structlog.get_logger()


def open_home(settings: Settings) -> None:
    """Make the home directory, for its owner only.  Raises SettingsError for one that is half restored."""
    check_restored(settings)
    make_home(settings.home)


def check_restored(settings: Settings) -> None:
    """Raise SettingsError for a home that is half restored."""
    if (settings.home / RESTORING).exists():
        raise SettingsError(f"a restore into {settings.home} was not finished: run pegbox restore again")


def open_store(settings: Settings, patience: float = 0.0, *, make: bool = True) -> SqlStore:
    """The database, brought to the present schema.  One on a server of its own is waited for so many seconds.

    Raises SettingsError for one that the home has lost, and unless it may `make` one, for one that is not there yet.
    """
    open_home(settings) if make else check_restored(settings)
    store = _patiently(settings, time.monotonic() + patience, make)
    for file in store.files():
        with suppress(OSError):  # most are not there, and some may be another user's
            file.chmod(0o600)
    return store


def check_database(settings: Settings, store: SqlStore) -> None:
    """Raise SettingsError if making tables would hide that they are lost."""
    if lost := losses.of_database(settings, store):
        raise SettingsError(lost)


def check_made(settings: Settings, store: SqlStore) -> None:
    """Raise SettingsError if there is no database to look into: the home may be another than was meant."""
    if settings.sqlite_at_home and place.is_missing(store.engine):
        raise SettingsError(
            f"{settings.home} is no home of a server: --home or PEGBOX_HOME names one, and pegbox serve makes one"
        )
    if place.is_missing(store.engine) or examine.revision(store.engine) is None:
        raise SettingsError("the database has no tables: see the setting database_url; pegbox serve makes them")


def _patiently(settings: Settings, deadline: float, make: bool) -> SqlStore:
    pause = FIRST_LOOK_SECONDS
    while True:
        store = SqlStore(settings.database, migrate=False, hasty=True)
        try:
            with telling("opening the database"):
                check_database(settings, store)
            if not make:
                check_made(settings, store)
            store.upgrade()
            return store
        except BaseException as error:
            store.close()
            if not isinstance(error, Unavailable):
                raise
            if not settings.database_url.startswith("postgresql") or time.monotonic() >= deadline:
                raise
            log.warning("waiting for the database", error=" ".join(str(error).split()))
            time.sleep(pause)
            pause = min(2 * pause, LOOK_SECONDS)


def identity_of(home: Path) -> str:
    """The name under which this home holds slots: its attempts can be reached through it alone, whatever the host."""
    file = home / homes.IDENTITY
    if not file.exists():
        _name(file, os.link)
    elif not file.read_text(errors="replace").strip(NOTHING):
        _name(file, os.replace)
    return file.read_text(errors="replace")


def _name(file: Path, settle: Callable[[Path, Path], None]) -> None:
    """Give the home a name, on disk before anything is known by it; another server of the home may be quicker."""
    scratch = file.with_suffix(f".{os.getpid()}")
    with scratch.open("w") as new:
        new.write(f"{platform.node() or 'localhost'}-{uuid.uuid4().hex[:12]}")
        new.flush()
        os.fsync(new.fileno())
    with suppress(FileExistsError):
        settle(scratch, file)
    scratch.unlink(missing_ok=True)
    sync_folder(file.parent)
