"""Directories and processes of training jobs."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pegbox.domain.training import Phase as Stage
from pegbox.domain.training import TrainingJob
from pegbox.engine import removal
from pegbox.engine.context import attempt_directory, is_wanted
from pegbox.executors import directory as files
from pegbox.executors.base import Phase
from pegbox.maintenance.doctor.finding import Finding, NotRepaired, Patient
from pegbox.store import examine as faults
from pegbox.store.examine import Row
from pegbox.store.resources import TRAINED

CLEANING = 60.0  #: seconds within which a server gives back the disk of a job that has ended
MARK = b"PEGBOX_ATTEMPT="
SCRATCH = re.compile(r"\.[a-z.]+\.(?P<pid>\d+)")  #: of files that are written and then renamed


@dataclass(frozen=True, slots=True)
class _Job:
    row: Row
    job: TrainingJob


def examine(patient: Patient) -> Iterator[Finding]:
    """Findings about attempts.  Processes are listed first: what begins meanwhile is none of them."""
    processes = _processes(patient.settings.home / "attempts")
    jobs, unreadable = _jobs(patient)
    for pid, directory in processes.items():
        yield from _of_process(patient, jobs, unreadable, pid, directory)
    for folder in sorted((patient.settings.home / "attempts").glob("[0-9]*")):
        if not folder.name.isdigit():
            continue
        if int(folder.name) in jobs:
            yield from _of_job(patient, jobs[int(folder.name)], folder)
        elif (
            int(folder.name) not in unreadable
            and not any(path.is_relative_to(folder) for path in processes.values())
            and _is_gone(patient, folder)
        ):
            yield Finding(
                kind="attempt-unknown",
                about=str(folder),
                message="the database knows no job of this number",
                repair=partial(_put_aside, folder, patient.lost_and_found / "attempts"),
            )
    yield from _unattended(patient, jobs)


def _jobs(patient: Patient) -> tuple[dict[int, _Job], set[int]]:
    """The jobs by number, and the numbers of rows that nobody can read here: a newer pegbox may go on with them."""
    jobs, unreadable = {}, set()
    for row in faults.rows(patient.store.engine):
        if row.kind in TRAINED:
            try:
                jobs[row.id] = _Job(row, TrainingJob.parse(row.state or {}))
            except (KeyError, TypeError, ValueError):
                unreadable.add(row.id)
    return jobs, unreadable


def _of_process(
    patient: Patient, jobs: Mapping[int, _Job], unreadable: Collection[int], pid: int, directory: Path
) -> Iterator[Finding]:
    """What a process runs for may be ended only if its job's row says so: a row that is missing may be elsewhere."""
    number, attempt = directory.parent.name, directory.name
    if not (number.isdigit() and attempt.isdigit()) or int(number) in unreadable:
        return
    known = jobs.get(int(number))
    wanted = known is not None and is_wanted(known.job, known.row.id, patient.settings.home, directory)
    if wanted or _attempt_of(pid) != directory or (known is None and faults.exists(patient.store.engine, int(number))):
        return
    if known:
        yield Finding(
            kind="process-orphan",
            about=f"process {pid}",
            message=f"it runs for {directory}, which no job goes on in",
            repair=partial(_kill, pid, directory),
        )
    else:
        yield Finding(
            kind="process-unknown",
            about=f"process {pid}",
            message=f"it runs for {directory}, and the database knows no job of this number: "
            "see that it is the right database, or end the process",
        )


def _is_gone(patient: Patient, folder: Path) -> bool:
    """Whether it is still there, and of no job that has been created since."""
    return folder.is_dir() and int(folder.name) not in {row.id for row in faults.rows(patient.store.engine)}


def _of_job(patient: Patient, known: _Job, folder: Path) -> Iterator[Finding]:
    ended = known.job.phase is Stage.ENDED and patient.now - (known.row.ended_at or patient.now) > CLEANING
    for attempt in sorted(folder.glob("[0-9]*")):
        trees = [tree for tree in attempt.glob("*/ml") if tree.is_dir()]
        if ended and not known.job.broken and trees:
            yield Finding(
                kind="tree-left",
                about=str(attempt),
                message=f"the working files of {known.row.name}, which has ended, are still there",
                repair=partial(_remove_trees, trees),
            )
        for file in attempt.glob(".*"):
            scratch = SCRATCH.fullmatch(file.name)
            if scratch and not Path("/proc", scratch["pid"]).exists():
                yield Finding(
                    kind="scratch-left", about=str(file), message="its writer died", repair=partial(_remove, file)
                )


def _unattended(patient: Patient, jobs: Mapping[int, _Job]) -> Iterator[Finding]:
    """Jobs of this home that are In Progress, whose processes are gone, while no server is there to notice."""
    if patient.served:
        return
    for known in jobs.values():
        if known.job.phase is not Stage.RUNNING or known.row.host != patient.identity:
            continue
        home = known.job.home or str(patient.settings.home)
        phase, _ = files.phase(attempt_directory(home, known.row.id, known.job.attempt))
        if phase is Phase.LOST:
            yield Finding(
                kind="job-unattended",
                about=f"training-job {known.row.name}",
                message="its processes are gone and no server is running: pegbox serve tries it again, or lets it fail",
            )


def _processes(below: Path) -> dict[int, Path]:
    """pid -> directory of the attempt that a process belongs to, for attempts of this home."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        directory = _attempt_of(int(entry.name))
        if directory is not None and directory.is_relative_to(below):
            found[int(entry.name)] = directory
    return found


def _attempt_of(pid: int) -> Path | None:
    with contextlib.suppress(OSError):
        for variable in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if variable.startswith(MARK):
                return Path(os.fsdecode(variable.removeprefix(MARK)))
    return None


def _kill(pid: int, directory: Path) -> str:
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            if _attempt_of(pid) == directory:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)
    return "killed"


def _put_aside(folder: Path, aside: Path) -> str:
    return f"moved to {removal.put_aside(folder, aside)}"


def _remove_trees(trees: list[Path]) -> str:
    for tree in trees:
        removal.remove(tree)
    if left := [str(tree) for tree in trees if tree.exists()]:
        raise NotRepaired(f"{', '.join(left)} could not be removed whole: see who may write there, and what is mounted")
    return "removed"


def _remove(path: Path) -> str:
    path.unlink(missing_ok=True)
    return "removed"
