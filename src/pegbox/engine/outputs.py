"""After a job's processes have ended: its model, its other outputs and its checkpoints are stored.

Archives are written beside the attempt and put whole, so a crash leaves either no object or all of it, and the next
server does it again.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pegbox.domain.training_request import artifacts
from pegbox.engine.faults import ClientFault
from pegbox.engine.staging import checkpoint_path, hosts, tree
from pegbox.objects.base import Location, NoSuchObject, ObjectStore
from pegbox.objects.locations import parse


def store_model(
    objects: ObjectStore, account: str, document: Mapping[str, Any], directory: Path, *, empty: bool
) -> None:
    """Store /opt/ml/model of all instances under S3ModelArtifacts; with `empty` also when there is nothing in it."""
    files = _merged([tree(directory, host) / "model" for host in hosts(document)])
    if files or empty:
        _store(objects, account, artifacts(document), files, directory / "model.tar.gz")


def store_data(objects: ObjectStore, account: str, document: Mapping[str, Any], directory: Path) -> None:
    """Store /opt/ml/output/data of all instances, if there is anything in it."""
    files = _merged([tree(directory, host) / "output" / "data" for host in hosts(document)])
    if files:
        base = artifacts(document).rsplit("/output/", 1)[0]
        plain = document["OutputDataConfig"].get("CompressionType") == "NONE"
        target = f"{base}/output/data/" if plain else f"{base}/output/output.tar.gz"
        _store(objects, account, target, files, directory / "output.tar.gz")


def store_checkpoints(objects: ObjectStore, account: str, document: Mapping[str, Any], directory: Path) -> None:
    """Bring CheckpointConfig.S3Uri up to date with the files of all instances: new, changed and removed ones."""
    config = document.get("CheckpointConfig")
    if not config:
        return
    files = _merged([checkpoint_path(directory, host, config) for host in hosts(document)])
    base = parse(config["S3Uri"])
    base = Location(base.scheme, base.bucket, base.key.rstrip("/") + "/")
    there = {info.key: info for info in objects.list(account, base)}
    for name, path in files.items():
        known = there.pop(base.key + name, None)
        if known is None or known.size != path.stat().st_size or known.modified.timestamp() < path.stat().st_mtime:
            _put(objects, account, Location(base.scheme, base.bucket, base.key + name), path)
    for key in there:
        objects.delete(account, Location(base.scheme, base.bucket, key))


def _store(objects: ObjectStore, account: str, uri: str, files: Mapping[str, Path], scratch: Path) -> None:
    location = parse(uri)
    if location.key.endswith("/"):
        for name, path in files.items():
            _put(objects, account, Location(location.scheme, location.bucket, location.key + name), path)
        return
    with tarfile.open(scratch, "w:gz", compresslevel=6) as archive:
        for name, path in files.items():
            archive.add(path, name, recursive=False)
    _put(objects, account, location, scratch)
    scratch.unlink()


def _put(objects: ObjectStore, account: str, location: Location, path: Path) -> None:
    try:
        with path.open("rb") as file:
            objects.put(account, location, file)
    except NoSuchObject:
        raise ClientFault(f"The bucket of the output [{location}] does not exist.") from None


def _merged(roots: Sequence[Path]) -> dict[str, Path]:
    """Relative name -> file over all instances; of two files with one name, the first instance's counts."""
    merged: dict[str, Path] = {}
    for root in roots:
        for path in _files(root):
            merged.setdefault(path.relative_to(root).as_posix(), path)
    return dict(sorted(merged.items()))


def _files(root: Path) -> Iterator[Path]:
    """Regular files only, links not followed: a job cannot have other files of the host stored as its own."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path
