"""What lies where a job is about to begin, though nothing of it has begun: another job has had its number.

That happens when an older database is put back, and when a power cut takes rows whose directories stay.  Taken for the
job's own, such a directory would end it with the other one's results.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from pegbox.engine import staging
from pegbox.engine.attempts import may_run
from pegbox.engine.removal import put_aside
from pegbox.executors.base import Executor, NotNow
from pegbox.small_files import sync_folder
from pegbox.store.resources import Resource

log = structlog.get_logger()

LOST_AND_FOUND = "lost+found"  #: in a home: what may be somebody's data


def make_directory(
    directory: Path, resource: Resource, home: Path, executor: Executor, confirm: Callable[[], None]
) -> bool:
    """Make the directory of an attempt that is about to begin, below `home`, or take what is the job's own.

    Returns whether it is new: then nothing has been started in it.
    `confirm` raises for a lost lease: whoever has the job now may be laying out the very same directory.  Raises NotNow
    while another job's processes run in it, which are told to end.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)  # first: it is never there
    try:
        directory.mkdir()
        return True
    except FileExistsError:
        if not _is_of(directory, resource):
            confirm()
            _end(directory, executor)
            _make_way(directory, home)
        return False


def _is_of(directory: Path, resource: Resource) -> bool:
    """Whether the directory says that it is this job's: the commits that tell of it may have been lost."""
    try:
        found = json.loads((directory / "attempt.json").read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(found, Mapping) and _same(found, resource)


def _same(found: Mapping[str, Any], resource: Resource) -> bool:
    return (
        found.get("job_arn") == resource.arn
        and found.get("created") == resource.created_at
        and found.get("hyperparameters") == (resource.document.get("HyperParameters") or {})
    )


def _make_way(directory: Path, home: Path) -> None:
    """Empty the directory: what was only brought is removed, what tells of an attempt is put aside with all else."""
    if set(directory.iterdir()) - set(staging.passing(directory)):
        aside = put_aside(directory, home / LOST_AND_FOUND / "attempts" / directory.parent.name)
        log.warning("another job's files were where a job begins", directory=str(directory), moved_to=str(aside))
        directory.mkdir()
    else:
        staging.clear(directory)
        sync_folder(directory)  # before it is written down that the job has begun here


def _end(directory: Path, executor: Executor) -> None:
    seen = executor.observe(directory, 0)
    if may_run(seen, directory):
        executor.stop(directory)
        raise NotNow(f"The processes of another training job still run in [{directory}].")
