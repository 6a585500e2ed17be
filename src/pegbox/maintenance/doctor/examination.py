"""All parts of an examination, in an order in which one's faults do not hide another's."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from pegbox.engine import homes
from pegbox.engine.retention import Old, find
from pegbox.errors import PegboxError
from pegbox.maintenance import losses
from pegbox.maintenance.doctor import attempts, database, home, images, objects
from pegbox.maintenance.doctor.finding import Finding, Patient
from pegbox.objects.index import is_out_of_reach, unusable
from pegbox.settings import Settings, SettingsError
from pegbox.store import examine as faults
from pegbox.store.base import Damaged, Unavailable
from pegbox.store.sql import SqlStore
from pegbox.store.upgrade import HEAD

STRANGE = ("schema", "process-unknown")  #: what another database looks like, though it cannot be repaired


@contextmanager
def patient(
    settings: Settings, *, served: bool, deep: bool, clock: Callable[[], float], stale: float
) -> Iterator[Patient]:
    """What is examined: the home as it is, and the database without an upgrade."""
    if not settings.home.is_dir():
        raise SettingsError(f"{settings.home} is no home: --home or PEGBOX_HOME names one")
    identity = settings.home / homes.IDENTITY
    store = SqlStore(settings.database, migrate=False)
    try:
        yield Patient(
            settings=settings,
            store=store,
            identity=identity.read_text(errors="replace") if identity.exists() else "",
            database=losses.recorded(settings.home),
            served=served,
            deep=deep,
            clock=clock,
            stale=stale,
        )
    finally:
        store.close()


def examine(patient: Patient) -> Iterator[Finding]:
    """Every finding.  Repairs may be carried out while it goes on."""
    yield from home.examine(patient)
    yield from _objects(patient)
    try:
        yield from _trusted(patient, database.examine(patient))
        if (
            not patient.has_no_database and faults.revision(patient.store.engine) == HEAD
        ):  # it may have been repaired just now
            yield from images.examine(patient)
            yield from _trusted(patient, attempts.examine(patient))
    except Damaged as error:
        yield Finding(
            kind="database-damaged", about="database", message=f"{_line(error)}: restore a backup (pegbox restore)"
        )
    except Unavailable as error:
        yield Finding(
            kind="database-unreachable",
            about="database",
            message=f"{_line(error)}: see the settings database_url and home, and that it is up",
        )


def _trusted(patient: Patient, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, without their repairs if the database may be another one than the home's."""
    said = False
    for finding in findings:
        telling = finding.repair is not None or finding.kind in STRANGE
        if not telling or not (why := database.foreign(patient)):
            yield finding
            continue
        if not said:
            said = True
            yield Finding(
                kind="database-foreign",
                about="database",
                message=f"{why}: nothing is repaired by its rows; see the settings database_url and home, "
                "or start a server with them",
            )
        yield replace(finding, repair=None)


def old(patient: Patient) -> dict[str, int]:
    """Of how many jobs the next sweep will remove what: no fault."""
    try:
        if patient.has_no_database or faults.revision(patient.store.engine) != HEAD:
            return {}
        found = find(patient.settings, patient.store.old, patient.now)
    except Unavailable:
        return {}
    return {what: count for what, count in _named(found) if count}


def _named(found: Old) -> Iterator[tuple[str, int]]:
    yield "logs", found.logs
    yield "metric points", found.points
    yield "readings", found.readings


def _objects(patient: Patient) -> Iterator[Finding]:
    try:
        yield from objects.examine(patient)
    except (sqlite3.DatabaseError, PegboxError) as error:
        index = patient.settings.home / "objects" / "index.db"
        message = unusable(index, error).removeprefix(f"{index}: ")
        if is_out_of_reach(error):
            yield Finding(kind="index-unusable", about=str(index), message=message)
        else:
            yield Finding(kind="index-damaged", about=str(index), message=message)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
