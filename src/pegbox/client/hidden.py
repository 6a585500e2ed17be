"""Files that are there, and that a program did not find: it sees its own folder only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegbox.client.lines import told

if TYPE_CHECKING:
    from pegbox.client.connection import Connection

#: as Python says it, and as most programs do
_MISSING = re.compile(
    r"No such file or directory: '([^'\n]+)'|(?:^|[\s'\"])([^\s:'\"]+)['\"]?: No such file or directory"
)


def hint(reason: str, workdir: Path) -> str | None:
    """What to write so that the program sees the file that its FailureReason names; None if that is not the trouble."""
    for found in _MISSING.finditer(reason):
        written = found[1] or found[2]
        path, inside = Path(os.path.abspath(workdir / written)), Path(os.path.abspath(workdir))
        if path.is_relative_to(inside) or not path.exists():
            continue
        above = inside.is_relative_to(path.parent)
        shown = written if above else os.path.dirname(written)
        return f"{written} is there, but programs see only their folder: add bind: [{shown}:ro], or image add --bind"
    return None


def reasons(connection: Connection, job: Mapping[str, Any]) -> Iterator[str]:
    """The hint for a training job, as DescribeTrainingJob shows it; nothing if there is none."""
    image = job["AlgorithmSpecification"].get("TrainingImage")
    if not connection.is_ours or not image or "No such file or directory" not in job.get("FailureReason", ""):
        return
    from pegbox.home import open_store  # which is much, and seldom needed

    store = open_store(connection.settings, make=False)
    known = store.images.find(image)
    store.close()
    found = hint(job["FailureReason"], Path(known.workdir)) if known is not None and known.workdir else None
    if found:
        yield told("", found)
