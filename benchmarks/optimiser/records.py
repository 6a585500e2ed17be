"""Results: a file for each search, a row for each evaluation in the order of their ends.

    FOLDER/<setting>/<task>/<method>/<seed>.csv, and FOLDER/versions/<method>.json

A search whose file is there is not run again.  Files are written whole.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .methods.method import Setting, State
from .simulation import Evaluation

FIELDS = ("number", "known", "running", "seconds", "begun", "ended", "state", "value", "exact", "expected", "values")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which search it is."""

    setting: str
    task: str
    method: str
    seed: int

    def file(self, folder: Path) -> Path:
        return folder / self.setting / self.task / self.method / f"{self.seed}.csv"


def write(folder: Path, key: Key, evaluations: Sequence[Evaluation], versions: Mapping[str, str]) -> None:
    file = key.file(folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    with draft.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(FIELDS)
        rows.writerows(_row(evaluation) for evaluation in evaluations)
    note_versions(folder, key.method, versions)
    draft.rename(file)


def _row(evaluation: Evaluation) -> list[object]:
    found = {name: getattr(evaluation, name) for name in FIELDS}
    found |= {"state": evaluation.state.value, "values": json.dumps(dict(evaluation.values))}
    found |= {name: f"{getattr(evaluation, name):.6g}" for name in ("seconds", "begun", "ended")}
    return list(found.values())


def read(folder: Path, key: Key) -> list[Evaluation]:
    with key.file(folder).open(newline="") as source:
        return [_evaluation(row) for row in csv.DictReader(source)]


def _evaluation(row: Mapping[str, str]) -> Evaluation:
    return Evaluation(
        number=int(row["number"]),
        values=json.loads(row["values"]),
        known=int(row["known"]),
        running=int(row["running"]),
        seconds=float(row["seconds"]),
        begun=float(row["begun"]),
        ended=float(row["ended"]),
        state=State(row["state"]),
        value=float(row["value"]) if row["value"] else None,
        exact=float(row["exact"]) if row["exact"] else None,
        expected=float(row["expected"]) if row.get("expected") else None,
    )


def keys(folder: Path, setting: Setting | None = None) -> Iterator[Key]:
    """All searches of a folder, or those of a setting."""
    for file in sorted(folder.glob(f"{setting or '*'}/*/*/*.csv")):
        yield Key(*file.parts[-4:-1], int(file.stem))


def note_versions(folder: Path, method: str, versions: Mapping[str, str]) -> None:
    """Remember with what a method ran: a file of its own, since several processes write."""
    file = folder / "versions" / f"{method}.json"
    if not file.exists():
        file.parent.mkdir(exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(versions, indent=1))
        draft.rename(file)


def versions_of(folder: Path, method: str) -> Mapping[str, str]:
    file = folder / "versions" / f"{method}.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}
