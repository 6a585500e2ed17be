"""The home itself: who may read it, what was left in it, how much room there is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pegbox.engine.wake import is_heard, short_path
from pegbox.executors.base import NotNow
from pegbox.executors.containment import MEANING, Containment
from pegbox.maintenance.doctor.finding import Finding, Patient
from pegbox.settings import RESTORING

LEAST_ROOM = 512 << 20  #: bytes
#: below the home, what holds secrets, and the mode that it has to have
PRIVATE = {".": 0o700, "credentials": 0o600, "pegbox.db": 0o600, "objects": 0o700, "run": 0o700}


def examine(patient: Patient) -> Iterator[Finding]:
    """Findings about the home."""
    home = patient.settings.home
    if (home / RESTORING).exists():
        yield Finding(
            kind="restore-unfinished", about=str(home), message="a restore was interrupted: run pegbox restore again"
        )
    yield from _modes(home)
    yield from _leftovers(patient)
    free = shutil.disk_usage(home).free
    if free < LEAST_ROOM:
        yield Finding(
            kind="disk-space",
            about=str(home),
            message=f"{free >> 20} MiB are free: make room, or jobs and puts will fail",
        )
    if patient.settings.containment != "off":
        yield from _containment(patient.settings.containment)


def _containment(mode: str) -> Iterator[Finding]:
    try:
        missing = Containment(mode).missing()
    except NotNow as error:
        yield Finding(kind="containment", about="programs", message=f"{error}; until it can, none is started")
        return
    for what, why in missing.items():
        yield Finding(kind="containment", about=what, message=f"{why}: {MEANING[what]}; see docs/how-to/containment.md")


def _modes(home: Path) -> Iterator[Finding]:
    for name, mode in PRIVATE.items():
        path = home / name
        if not path.exists():
            continue
        found = path.stat()
        if found.st_uid != os.geteuid():
            yield Finding(
                kind="owner",
                about=str(path),
                message=f"belongs to user {found.st_uid}: run pegbox as that user, or chown it",
            )
        elif found.st_mode & 0o077:
            yield Finding(
                kind="permissions",
                about=str(path),
                message=f"others may use it (mode {found.st_mode & 0o777:o}), and it holds secrets",
                repair=partial(_protect, path, mode),
            )


def _leftovers(patient: Patient) -> Iterator[Finding]:
    run = patient.settings.home / "run"
    for announcement in (run / "server.json", *sorted(run.glob("server-*.json"))):
        if announcement.exists() and not _is_alive(announcement):
            yield Finding(
                kind="server-file",
                about=str(announcement),
                message="names a server that is not there",
                repair=partial(_remove, announcement),
            )
    for wanted in sorted({run / "wake.sock", *run.glob("wake*.sock")}):
        socket = short_path(wanted)
        if socket.exists() and not is_heard(socket):
            yield Finding(
                kind="socket", about=str(socket), message="nobody listens there", repair=partial(_remove, socket)
            )


def _is_alive(announcement: Path) -> bool:
    """Whether the process that wrote it is there, if it does not answer just now."""
    try:
        os.kill(int(json.loads(announcement.read_text())["pid"]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _protect(path: Path, mode: int) -> str:
    path.chmod(mode)
    return f"mode {mode:o}"


def _remove(path: Path) -> str:
    path.unlink(missing_ok=True)
    return "removed"
