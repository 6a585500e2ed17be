"""The database: whether it answers, its schema, its clock, and rows that contradict themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from pegbox.counts import counted
from pegbox.domain import training, tuning
from pegbox.domain.training import TrainingJob
from pegbox.domain.tuning import TuningJob
from pegbox.maintenance import losses
from pegbox.maintenance.doctor.finding import Finding, Patient
from pegbox.objects.examine import note
from pegbox.store import examine as faults
from pegbox.store import place
from pegbox.store.examine import Row
from pegbox.store.resources import JOBS, TRAINED, Kind
from pegbox.store.upgrade import HEAD, upgrade

MOST_SKEW = 5.0  #: seconds
TERMINAL = {Kind.TRAINING_JOB: training.TERMINAL, Kind.TUNING_JOB: tuning.TERMINAL}


def examine(patient: Patient) -> Iterator[Finding]:
    """Findings about the file, the schema, the clock and the rows."""
    engine = patient.store.engine
    is_another = not patient.settings.sqlite_at_home and patient.database not in ("", place.digest(engine))
    if not is_another and (lost := losses.of_database(patient.settings, patient.store)):
        yield Finding(kind="database-missing", about="database", message=lost)
        return
    if patient.has_no_database and not is_another:
        return
    revision = None if patient.has_no_database else faults.revision(engine)
    if revision != HEAD:
        yield _schema(patient, revision)
        return
    for problem in faults.damage(engine):
        yield Finding(
            kind="database-damaged", about="database", message=f"{problem}: restore a backup (pegbox restore)"
        )
    skew = patient.store.now() - patient.now
    if abs(skew) > MOST_SKEW:
        yield Finding(
            kind="clock",
            about="database",
            message=f"its clock and this machine's differ by {skew:.0f} s: set the one that is wrong",
        )
    points = faults.orphaned_points(engine)
    if points:
        yield Finding(
            kind="points-orphaned",
            about=counted(points, "metric point"),
            message="they belong to no job",
            repair=lambda: f"removed {counted(faults.delete_orphaned_points(engine), 'metric point')}",
        )
    misfits = faults.index_misfits(engine)
    if misfits:
        yield Finding(
            kind="search-index",
            about=counted(misfits, "property or job", "properties or jobs"),
            message="what Search looks in does not fit together",
            repair=lambda: f"removed; {counted(faults.drop_index(engine), 'resource')} will be indexed anew",
        )
    if datasets := faults.spoilt_datasets(engine):
        yield Finding(
            kind="dataset",
            about=counted(len(datasets), "dataset"),
            message="objects are missing of what jobs have read",
            repair=partial(_doubt, patient, datasets),
        )
    yield from _rows(patient)


def foreign(patient: Patient) -> str:
    """Why the database may be another one than the home's; "" if it is the one that its last server had."""
    engine = patient.store.engine
    if not patient.database:
        return "no server of this home has said which database is its own"
    if patient.database != place.digest(engine):
        return "the last server of this home had another database"
    if faults.revision(engine) == HEAD and not place.has_seen(engine, patient.identity):
        return "this database has never seen a server of this home"
    return ""


def _schema(patient: Patient, revision: str | None) -> Finding:
    known = revision is None or revision < HEAD
    meaning = "pegbox serve or pegbox migrate upgrades it" if known else "install a newer pegbox"
    said = "it has no tables" if revision is None else f"its schema is {revision}, this pegbox has {HEAD}: {meaning}"
    repair = None

    def migrate() -> str:
        upgrade(patient.store.engine)
        return f"upgraded to {HEAD}"

    if known and not patient.served:  # what runs may be of the version that wrote it
        repair = migrate
    return Finding(
        kind="schema",
        about="database",
        message=said,
        repair=repair,
    )


def _doubt(patient: Patient, datasets: Sequence[int]) -> str:
    faults.doubt_datasets(patient.store.engine, datasets)
    return "pegbox audit says that what was there is not recorded"


def _rows(patient: Patient) -> Iterator[Finding]:
    engine = patient.store.engine
    known: set[int] = set()
    for row in faults.rows(engine):
        known.add(row.id)
        if row.state is None or row.document is None or _unreadable(row):
            yield _unreadable_row(patient, row)
            continue
        if row.kind not in JOBS:
            continue
        if wrong := _contradiction(row, row.state):
            yield Finding(
                kind="status",
                about=f"{row.kind} {row.name}",
                message=f"its columns contradict its state: {', '.join(sorted(wrong))}",
                repair=partial(_amend, patient, row, wrong),
            )
        elif row.ended_at is None and row.due_at is None:
            yield Finding(
                kind="never-due",
                about=f"{row.kind} {row.name}",
                message="it has not ended, and no server would ever look at it",
                repair=partial(_mark_due, patient, row),
            )
        if row.parent_id is None or row.ended_at is not None:
            continue  # a tuning job may be deleted when it has ended
        if row.parent_id not in known and faults.exists(engine, row.parent_id):
            known.add(row.parent_id)
        if row.parent_id not in known:
            yield Finding(
                kind="parent-missing",
                about=f"{row.kind} {row.name}",
                message="its tuning job is gone",
                repair=partial(_amend, patient, row, {"parent_id": None, "number": None}),
            )


def _unreadable_row(patient: Patient, row: Row) -> Finding:
    """One whose JSON is spoilt is put aside; one that only this version does not understand is left alone."""
    is_spoilt = row.state is None or row.document is None
    what_else = "--repair puts it aside" if is_spoilt else "another version may have written it"
    return Finding(
        kind="document-unreadable",
        about=f"{row.kind} {row.name}",
        message=f"its document cannot be read, so nobody can go on with it: restore a backup; {what_else}",
        repair=partial(_take_out, patient, row) if is_spoilt else None,
    )


def _take_out(patient: Patient, row: Row) -> str:
    aside = patient.lost_and_found / "database"
    if faults.take_out(patient.store.engine, row, partial(note, aside, "resource")):
        return f"the job is gone; its row is in {aside / 'rows.jsonl'}"
    return "a server has changed it meanwhile"


def _unreadable(row: Row) -> bool:
    try:
        if row.kind in TRAINED:
            TrainingJob.parse(row.state or {})
        elif row.kind == Kind.TUNING_JOB:
            TuningJob.parse(row.status, row.state or {})
    except (KeyError, TypeError, ValueError):
        return True
    return False


def _contradiction(row: Row, state: dict[str, Any]) -> dict[str, Any]:
    """The columns that are wrong, with their right values.  The state is what the engine goes by."""
    right: dict[str, Any] = {}
    status = row.status
    if row.kind == Kind.TRAINING_JOB:
        job = TrainingJob.parse(state)
        status = job.status
        right = {"status": status, "outcome": job.outcome}
    if (row.ended_at is not None) != (status in TERMINAL[Kind(row.kind)]):
        right["ended_at"] = (state.get("finished") or row.modified_at) if row.ended_at is None else None
        right["due_at"] = None if row.ended_at is None else 0.0
    return {name: value for name, value in right.items() if getattr(row, name) != value}


def _amend(patient: Patient, row: Row, columns: dict[str, Any]) -> str:
    if faults.amend(patient.store.engine, row, **columns):
        return f"set {', '.join(sorted(columns))}"
    return "a server has changed it meanwhile"


def _mark_due(patient: Patient, row: Row) -> str:
    faults.mark_due(patient.store.engine, row.id)
    return "due now"
