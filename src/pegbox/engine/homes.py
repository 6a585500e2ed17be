"""Homes on this machine: whose attempts can be gone on with, and what must not go on in our own.

A training job that has a slot belongs to a home, since its files and processes are there.  When the servers of a home
are silent, another one on the same machine can go on with its jobs.  It must be the same machine: locks and processes
of another one cannot be seen, and what cannot be seen would be taken for dead and started twice.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

import structlog

from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine import staging
from pegbox.engine.attempts import may_run
from pegbox.engine.context import Context, is_wanted
from pegbox.executors.base import Phase as Seen
from pegbox.processes import boot_id
from pegbox.store.base import NotFound, Stale
from pegbox.store.resources import Resource

#: in a home: its name, the boot of the machine, and the digest of the place of its database
IDENTITY, BOOT, DATABASE = Path("run") / "identity", Path("run") / "boot_id", Path("run") / "database"

log = structlog.get_logger()


def mark(home: Path) -> None:
    """Say on which machine the home's processes are, since which boot."""
    write(home / BOOT, boot_id() or "")


def write(file: Path, text: str) -> None:
    """Replace a small file in one step."""
    scratch = file.with_name(f".{file.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.replace(file)


def is_there(home: Path, host: str) -> bool:
    """Whether the home of this identity is at this place, and its attempts are open to us.

    A path says little: homes on several machines, or in several containers, may have the same.
    """
    try:
        same = (home / IDENTITY).read_text(errors="replace") == host
    except OSError:
        return False
    return same and os.access(home / "attempts", os.R_OK | os.W_OK | os.X_OK)


def is_near(home: Path, host: str) -> bool:
    """Whether the home of this identity is on this machine, since the same boot, and its attempts are open to us."""
    boot = boot_id()
    try:
        same = (home / BOOT).read_text(errors="replace") == boot
    except OSError:
        return False
    return boot is not None and same and is_there(home, host)


def near(context: Context) -> frozenset[str]:
    """Silent hosts whose homes are on this machine: their servers are gone, their training jobs can be gone on with.

    One job that names the host's home is enough.  Those that have just got their slot name none yet, or one before:
    see give_back().
    """
    silent = context.store.silent(context.settings.lease)
    named = {(row.host, TrainingJob.parse(row.state).home) for row in silent if row.host != context.host}
    return frozenset(host for host, home in named if host and home and is_near(Path(home), host))


def give_back(context: Context) -> None:
    """Let jobs that silent hosts have given a slot and not begun wait again, for a slot of whoever has one.

    Nothing of them is anywhere, so it does not matter where the host is.  Should it come back in this very moment, one
    of the two has changed the row first, and the other writes nothing.
    """
    for silent in context.store.silent(context.settings.lease):
        if silent.host != context.host and TrainingJob.parse(silent.state).phase is Phase.WAITING:
            with contextlib.suppress(NotFound, Stale), context.store.transaction() as tx:
                tx.save(replace(silent, host=None))
                log.info("a job waits again whose server is gone", job=silent.name)


def tidy(context: Context) -> bool:
    """End what nobody asks for any more in our own home, and give its disk back; False while something still ends.

    While we were silent, another server may have given up an attempt and begun the next one elsewhere.
    """
    done = True
    for directory in sorted((context.settings.home / "attempts").glob("*/*")):
        if directory.name.isdigit() and directory.parent.name.isdigit():
            with contextlib.suppress(OSError):
                done = _tidy(context, directory) and done
    return done


def _tidy(context: Context, directory: Path) -> bool:
    litter = staging.passing(directory)
    if not litter and ((directory / "exit.json").exists() or not (directory / "attempt.json").exists()):
        return True
    row = _row(context, int(directory.parent.name))
    is_wanted = row is not None and _is_wanted(context, row, directory)
    if is_wanted and row is not None and row.ended_at is None:
        return True
    seen = context.executor.observe(directory, 0)
    if seen.phase in (Seen.STARTING, Seen.RUNNING) and not (directory / "stop").exists():
        log.warning("stopping an attempt that was given up", directory=str(directory))
        context.executor.stop(directory)
    if may_run(seen, directory):
        return False
    if row is not None and not is_wanted:
        staging.clear(directory)
    return True


def _row(context: Context, identity: int) -> Resource | None:
    with contextlib.suppress(NotFound), context.store.reading() as tx:
        return tx.by_id(identity)
    return None


def _is_wanted(context: Context, row: Resource, directory: Path) -> bool:
    """Whether the job goes on in this directory, or has failed for a fault of ours and keeps what it made.

    Another home that has the job may have the path of ours.
    """
    job = TrainingJob.parse(row.state)
    if row.host not in (None, context.host) and int(directory.name) <= job.attempt:
        return False
    return is_wanted(job, row.id, context.settings.home, directory)
