"""The built-in object store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pegbox.maintenance.doctor.finding import Finding, Patient
from pegbox.objects.examine import Examination, Fault

IDLE_SECONDS = 86_400.0  #: an upload that has no part after a day has been forgotten
MEANING = {
    "missing": "its content file is missing: the object is lost",
    "size": "its content file has another size than it was stored with",
    "digest": "its content is not what was stored: its ETag differs",
}


def examine(patient: Patient) -> Iterator[Finding]:
    """Findings about buckets and objects."""
    root = patient.settings.home / "objects"
    if not (root / "index.db").is_file():
        return
    store = Examination(root)
    damage = store.damage()
    for problem in damage:
        yield Finding(kind="index-damaged", about=str(root / "index.db"), message=f"{problem}: restore a backup")
    if damage:
        return
    for fault in store.faults(deep=patient.deep):
        yield Finding(
            kind=f"content-{fault.problem}",
            about=str(fault),
            message=MEANING[fault.problem],
            repair=partial(_forget, store, fault, patient.lost_and_found / "objects"),
        )
    for path in store.unnamed(patient.stale):
        kind = "incoming-leftover" if path.parent.name == "incoming" else "content-unnamed"
        yield Finding(kind=kind, about=str(path), message="belongs to no object", repair=partial(_remove, store, path))
    for upload in store.idle_uploads(IDLE_SECONDS, patient.now):
        yield Finding(
            kind="upload-idle",
            about=f"upload {upload}",
            message="it was begun a day ago and has no part",
            repair=partial(_abort, store, upload),
        )


def _forget(store: Examination, fault: Fault, aside: Path) -> str:
    store.forget(fault, aside)
    what = "the object is gone" if fault.table == "object" else "the part is gone"
    return what if fault.problem == "missing" else f"{what}; what there was of it is {aside / fault.content}"


def _remove(store: Examination, path: Path) -> str:
    return "removed" if store.remove_unnamed(path) else "an object has it now"


def _abort(store: Examination, upload: str) -> str:
    store.forget_upload(upload)
    return "aborted"
