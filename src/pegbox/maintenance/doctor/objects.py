"""The built-in object store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pegbox.maintenance.doctor.finding import Finding, Patient
from pegbox.objects import index
from pegbox.objects.content import ContentFiles
from pegbox.objects.examine import Examination, Fault
from pegbox.objects.unnamed import is_suspicious

IDLE_SECONDS = 86_400.0  #: an upload that has no part after a day has been forgotten
MEANING = {
    "unreadable": "its row in the index cannot be read: the object, and lists of its bucket, are refused",
    "missing": "its content file is missing: the object is lost",
    "size": "its content file has another size than it was stored with",
    "digest": "its content is not what was stored: its ETag differs",
}


def examine(patient: Patient) -> Iterator[Finding]:
    """Findings about buckets and objects."""
    root = patient.settings.home / "objects"
    path = root / "index.db"
    if not index.is_there(path):
        if ContentFiles(root).is_made():
            yield Finding(kind="index-missing", about=str(path), message=index.lost(path))
        return
    store = Examination(root)
    damage = store.damage()
    for problem in damage:
        yield Finding(kind="index-damaged", about=str(path), message=f"{problem}: restore a backup")
    if damage:
        return
    gone, total = store.missing()
    away = gone > 0 and is_suspicious(gone, total)
    if away:
        yield Finding(
            kind="content-away",
            about=str(root / "content"),
            message=f"{gone} of {total} content files are missing, so no object is removed: see that their disk is "
            "mounted and nobody has moved it; what is lost for good can be deleted as any object, or restore a backup",
        )
    aside = patient.lost_and_found / "objects"
    for fault in store.faults(deep=patient.deep):
        if away and fault.problem == "missing":
            continue
        yield Finding(
            kind="row-unreadable" if fault.problem == "unreadable" else f"content-{fault.problem}",
            about=str(fault),
            message=MEANING[fault.problem],
            repair=partial(_forget, store, fault, aside),
        )
    for table, name in store.unreadable():
        yield Finding(
            kind="row-unreadable",
            about=f"{table} {name}",
            message="its row in the index cannot be read" + (": restore a backup" if table == "bucket" else ""),
            repair=partial(_take_out, store, name, aside) if table == "upload" else None,
        )
    for path in store.unnamed(patient.stale):
        unfinished = path.parent.name == "incoming"
        yield Finding(
            kind="incoming-leftover" if unfinished else "content-unnamed",
            about=str(path),
            message="belongs to no object",
            repair=partial(_remove, store, path, aside),
        )
    for upload in store.idle_uploads(IDLE_SECONDS, patient.now):
        yield Finding(
            kind="upload-idle",
            about=f"upload {upload}",
            message="it was begun a day ago and has no part",
            repair=partial(_abort, store, upload),
        )


def _forget(store: Examination, fault: Fault, aside: Path) -> str:
    if not store.forget(fault, aside):
        return "it has been mended or removed meanwhile"
    what = "the object is gone" if fault.table == "object" else "the part is gone"
    row = f"{what}; its row is in {aside / 'rows.jsonl'}"
    return row if fault.problem == "missing" else f"{row}, and what there was of it is {aside / fault.content}"


def _take_out(store: Examination, upload: str, aside: Path) -> str:
    if not store.take_out_upload(upload, aside):
        return "it has been completed or aborted meanwhile"
    return f"aborted; its row is in {aside / 'rows.jsonl'}"


def _remove(store: Examination, path: Path, aside: Path) -> str:
    unfinished = path.parent.name == "incoming"
    if not store.remove_unnamed(path, aside):
        return "an object has it now"
    return "removed" if unfinished else f"moved to {aside / 'content'}"


def _abort(store: Examination, upload: str) -> str:
    store.forget_upload(upload)
    return "aborted"
