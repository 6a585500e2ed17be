"""Before a job's processes start: its inputs, its source code and its checkpoints are laid out.

Everything here may be done again from the beginning: files are overwritten with the same content.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pegbox.domain.definition import CHECKPOINTS
from pegbox.engine import channels
from pegbox.engine.faults import ClientFault
from pegbox.objects.base import Location, NoSuchObject, ObjectStore
from pegbox.objects.locations import parse


def hosts(document: Mapping[str, Any]) -> list[str]:
    """The names of the job's instances."""
    return [f"algo-{number}" for number in range(1, document["ResourceConfig"]["InstanceCount"] + 1)]


def tree(directory: Path, host: str) -> Path:
    """Where an instance's /opt/ml lies."""
    return directory / host / "ml"


def stage(objects: ObjectStore, account: str, document: Mapping[str, Any], source: str | None, directory: Path) -> None:
    """Lay out the directory of an attempt.  Raises ClientFault when the request's data cannot be had."""
    directory.mkdir(parents=True, exist_ok=True)
    _check_output(objects, account, document["OutputDataConfig"]["S3OutputPath"])
    names = hosts(document)
    for channel in document.get("InputDataConfig") or []:
        found = channels.inputs(objects, account, channel)
        for number, host in enumerate(names):
            part = channels.share(found, channel, number, len(names))
            channels.fetch(objects, account, part, tree(directory, host) / "input" / "data" / channel["ChannelName"])
    for host in names:
        if source:
            _unpack(objects, account, source, tree(directory, host) / "code")
        if checkpoints := document.get("CheckpointConfig"):
            restore(objects, account, parse(checkpoints["S3Uri"]), checkpoint_path(directory, host, checkpoints))


def checkpoint_path(directory: Path, host: str, config: Mapping[str, Any]) -> Path:
    """Where an instance keeps its checkpoints: CheckpointConfig.LocalPath in its own /opt/ml."""
    below = config.get("LocalPath", CHECKPOINTS).removeprefix("/opt/ml").strip("/")
    path: Path = tree(directory, host) / below
    return path


def restore(objects: ObjectStore, account: str, location: Location, into: Path) -> None:
    """Bring the checkpoints that an earlier attempt or job left; none is no fault."""
    folder = Location(location.scheme, location.bucket, location.key.rstrip("/") + "/")
    into.mkdir(parents=True, exist_ok=True)
    try:
        channels.fetch(objects, account, list(channels.below(objects, account, folder)), into)
    except NoSuchObject:
        raise ClientFault(f"The bucket of the checkpoints [{location}] does not exist.") from None


def _check_output(objects: ObjectStore, account: str, path: str) -> None:
    """A job whose outputs have nowhere to go is not started."""
    try:
        next(iter(objects.list(account, parse(path))), None)
    except NoSuchObject:
        raise ClientFault(f"The bucket of the S3OutputPath [{path}] does not exist.") from None


def _unpack(objects: ObjectStore, account: str, source: str, into: Path) -> None:
    try:
        location = parse(source)
    except ValueError as error:
        raise ClientFault(f"The source code can't be found: {error}.") from None
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    try:
        if not location.key.endswith((".tar.gz", ".tgz")):
            folder = Location(location.scheme, location.bucket, location.key.rstrip("/") + "/")
            channels.fetch(objects, account, list(channels.below(objects, account, folder)), into)
            return
        with objects.open(account, location) as file, tarfile.open(fileobj=file, mode="r|gz") as archive:
            archive.extractall(into, filter="data")
    except NoSuchObject:
        raise ClientFault(f"The source code [{source}] does not exist.") from None
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ClientFault(f"The source code [{source}] can't be unpacked: {error}") from None
