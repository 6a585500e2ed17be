"""MLflow's folder mlruns: a folder for each experiment, in it one for each run, in it a file for each parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pegbox.sources.base import SourceError
from pegbox.sources.mlflow import Kept, KeptRun, seconds

_META = "meta.yaml"
_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}  #: mlflow/protos, RunStatus


def experiments(folder: Path, wanted: Callable[[str], bool], step: Callable[[int], None]) -> Iterator[Kept]:
    """The experiments whose names are wanted.  Raises SourceError."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: there is no such folder")
    found = sorted(path.parent for path in folder.glob(f"*/{_META}") if path.parent.name != ".trash")
    if not found:
        raise SourceError(f"{folder} is no folder of MLflow's: no folder in it has a file {_META}")
    for place in found:
        meta = _read(place / _META)
        if meta.get("lifecycle_stage", "active") == "active" and wanted(str(meta.get("name"))):
            yield Kept(
                id=str(meta.get("experiment_id", place.name)),
                title=str(meta.get("name")),
                created=seconds(meta.get("creation_time")),
                runs=list(_runs(place, step)),
            )


def _runs(place: Path, step: Callable[[int], None]) -> Iterator[KeptRun]:
    for path in sorted(place.glob(f"*/{_META}")):
        meta, run = _read(path), path.parent
        if meta.get("lifecycle_stage", "active") != "active" or "status" not in meta:
            continue  # deleted, or no run: a trace, a data set
        step(1)
        tags = _texts(run / "tags")
        yield KeptRun(
            id=str(meta.get("run_id") or meta.get("run_uuid") or run.name),
            title=str(meta.get("run_name") or meta.get("name") or tags.get("mlflow.runName", "")),
            status=_STATUS.get(meta["status"], str(meta["status"])),
            started=seconds(meta.get("start_time")),
            ended=seconds(meta.get("end_time")),
            artifacts=str(meta.get("artifact_uri") or ""),
            parameters=_texts(run / "params"),
            metrics=_metrics(run / "metrics"),
            tags=tags,
        )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        meta = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(meta, dict):
        raise SourceError(f"{path} is not what MLflow writes")
    return meta


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """The names, which may have slashes, and texts of the files in a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def _texts(folder: Path) -> dict[str, str]:
    return dict(_files(folder))


def _metrics(folder: Path) -> dict[str, tuple[float, float | None]]:
    """The last value of each: that of the highest step, of those the latest, as MLflow has it."""
    found: dict[str, tuple[float, float | None]] = {}
    for name, text in _files(folder):
        points = []
        for line in text.splitlines():
            words = line.split()
            try:
                points.append((int(words[2]) if len(words) > 2 else 0, int(words[0]), float(words[1])))
            except (ValueError, IndexError):
                raise SourceError(f"{folder / name}: {line!r} is no value of a metric") from None
        if points:
            _, at, value = max(points)
            found[name] = (value, seconds(at))
    return found
