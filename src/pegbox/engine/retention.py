"""Removing what is older than the settings say: logs of attempts in our own home; in the database metric points, and
what jobs have read.

Everything may be done by several servers at once, and may be interrupted anywhere: the next sweep goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from pegbox.engine.context import Context
from pegbox.engine.removal import remove
from pegbox.settings import Settings
from pegbox.store.base import OldRows, Unavailable

DAY = 86_400.0  #: seconds; also between two sweeps
TRY_AGAIN = 600.0  #: seconds until a sweep that met trouble is tried again

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """What is older than somebody wants to keep."""

    logs: int  #: training jobs whose directories are to go
    points: int  #: training jobs whose metric points are to go
    readings: int  #: training jobs of which it is to be forgotten what they have read


def find(settings: Settings, old: OldRows, now: float) -> Old:
    """What the next sweep will remove."""
    logs = len(list(_folders(settings, old, now)))
    points = old.with_points(now - settings.keep_points_days * DAY) if settings.keep_points_days else 0
    readings = old.with_readings(now - settings.keep_readings_days * DAY) if settings.keep_readings_days else 0
    return Old(logs=logs, points=points, readings=readings)


def sweep(settings: Settings, old: OldRows, now: float, stopping: threading.Event) -> Old:
    """Remove it; returns what was removed."""
    logs = points = readings = 0
    for folder in _folders(settings, old, now):
        if stopping.is_set():
            break
        remove(folder)
        logs += 1
    if settings.keep_points_days:
        points = _all(partial(old.drop_points, now - settings.keep_points_days * DAY), stopping)
    if settings.keep_readings_days:
        readings = _all(partial(old.drop_readings, now - settings.keep_readings_days * DAY), stopping)
        _all(old.drop_datasets, stopping)
    return Old(logs=logs, points=points, readings=readings)


def _all(drop_some: Callable[[], int], stopping: threading.Event) -> int:
    """Remove some until there are none; returns how many."""
    count = 0
    while not stopping.is_set() and (some := drop_some()):
        count += some
    return count


def keep_sweeping(context: Context, stopping: threading.Event) -> None:
    """Sweep at once and then every day, until `stopping`."""
    settings = context.settings
    if not (settings.keep_logs_days or settings.keep_points_days or settings.keep_readings_days):
        return
    pause = 0.0
    while not stopping.wait(pause):
        pause = DAY
        try:
            done = sweep(settings, context.store.old, context.clock(), stopping)
            log.info(
                "removed what was to be kept no longer",
                logs_of_jobs=done.logs,
                points_of_jobs=done.points,
                readings_of_jobs=done.readings,
            )
        except Unavailable:
            pause = TRY_AGAIN
        except Exception:
            log.exception("what is old could not be removed")
            pause = TRY_AGAIN


def _folders(settings: Settings, old: OldRows, now: float) -> Iterator[Path]:
    """Directories of jobs that are old, but for those with outputs in them that could not be stored."""
    if not settings.keep_logs_days:
        return
    folders = {int(path.name): path for path in (settings.home / "attempts").glob("[0-9]*") if path.name.isdigit()}
    for identity in sorted(old.ended(now - settings.keep_logs_days * DAY, folders)):
        if not any(folders[identity].glob("*/*/ml")):
            yield folders[identity]
