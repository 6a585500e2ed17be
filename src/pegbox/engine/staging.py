"""Before a job's processes start: its inputs, its source code and its checkpoints are laid out.

Everything here may be done again from the beginning: files are overwritten with the same content.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.domain.definition import local_path
from pegbox.domain.readings import Source, Version
from pegbox.engine import channels, read
from pegbox.engine.archives import unpack
from pegbox.engine.faults import ClientFault
from pegbox.engine.obstacles import FULL
from pegbox.engine.read import Brought
from pegbox.engine.removal import remove
from pegbox.objects.base import Location, NoSuchObject, ObjectInfo, ObjectStore
from pegbox.objects.locations import parse

KEPT = "checkpoints.json"  #: in the directory of an attempt
CODE = "/opt/ml/code"  #: where source code comes to
SCRATCH = "staging."  #: and the lease's epoch: where inputs are laid out
Stamp = tuple[int, int]  #: st_mtime_ns, st_size
Kept = dict[str, dict[str, Stamp | None]]  #: instance -> name of a checkpoint -> as it was; None: not known to be whole


def hosts(document: Mapping[str, Any]) -> list[str]:
    """The names of the job's instances."""
    return [f"algo-{number}" for number in range(1, document["ResourceConfig"]["InstanceCount"] + 1)]


def tree(directory: Path, host: str) -> Path:
    """Where an instance's /opt/ml lies."""
    return Path(directory, host, "ml")


def clear(directory: Path) -> None:
    """Remove all but the records of an attempt: the trees of its instances, and what was being written by the dead."""
    for path in passing(directory):
        remove(path) if path.is_dir() else path.unlink(missing_ok=True)


def passing(directory: Path) -> list[Path]:
    """What is in the directory of an attempt only as long as it goes on."""
    try:
        with os.scandir(directory) as entries:
            return [directory / entry.name for entry in entries if _is_passing(entry)]
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # what is another home's may be closed to us
        return []


def _is_passing(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    if name.startswith("algo-"):
        return entry.is_dir() and not name.endswith(".root")
    return name.startswith(SCRATCH) or (name.startswith(".") and "." in name[1:])


def scratch(directory: Path, epoch: int) -> Path:
    """A place of its own for whoever lays out the attempt now; what earlier ones left is removed.

    Later ones there can be as well: a server that slept just before this has lost its lease.
    """
    own = directory / f"{SCRATCH}{epoch}"
    for other in directory.glob(f"{SCRATCH}*"):
        if int(other.name.removeprefix(SCRATCH)) <= epoch:
            shutil.rmtree(other, ignore_errors=True)
    own.mkdir(parents=True)
    return own


def settle(own: Path, directory: Path) -> None:
    """Put what was laid out in its place.  What is there already stays: a program may run with it."""
    for path in sorted(own.iterdir()):
        target = directory / path.name
        try:
            if path.is_dir():
                path.rename(target)
            else:
                os.link(path, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def stage(objects: ObjectStore, account: str, document: Mapping[str, Any], source: str | None, directory: Path) -> None:
    """Lay out the directory of an attempt.  Raises ClientFault when the request's data cannot be had."""
    directory.mkdir(parents=True, exist_ok=True)
    check_output(objects, account, document)
    names = hosts(document)
    brought = {host: list[Brought]() for host in names}
    for channel in document.get("InputDataConfig") or []:
        manifest: list[ObjectInfo] = []
        found = channels.inputs(objects, account, channel, manifest.append)
        part = Brought.of_channel(channel)
        itself = [channels.version(parse(part.place), info) for info in manifest]
        for number, host in enumerate(names):
            own = channels.share(found, channel, number, len(names))
            into = tree(directory, host) / "input" / "data" / channel["ChannelName"]
            brought[host].append(part.with_versions(itself + channels.fetch(objects, account, own, into)))
    for host in names:
        if source:
            most = document["ResourceConfig"]["VolumeSizeInGB"] << 30
            code = _unpack(objects, account, source, tree(directory, host) / "code", most)
            brought[host].append(Brought(CODE, str(parse(source)), Source.CODE, code))
    if config := document.get("CheckpointConfig"):
        location = parse(config["S3Uri"])
        restored: dict[str, dict[str, Stamp | None]] = {}
        for host in names:
            versions, restored[host] = restore(objects, account, location, checkpoint_path(directory, host, config))
            brought[host].append(Brought(local_path(config), str(location), Source.CHECKPOINTS, versions))
        keep(directory, restored)
    for host in names:
        read.write(directory / host, brought[host])


def checkpoint_path(directory: Path, host: str, config: Mapping[str, Any]) -> Path:
    """Where an instance keeps its checkpoints: CheckpointConfig.LocalPath in its own /opt/ml."""
    path: Path = tree(directory, host) / local_path(config).removeprefix("/opt/ml/").rstrip("/")
    return path


def restore(
    objects: ObjectStore, account: str, location: Location, into: Path
) -> tuple[list[Version], dict[str, Stamp | None]]:
    """Bring the checkpoints that an earlier attempt or job left and tell which; none is no fault."""
    into.mkdir(parents=True, exist_ok=True)
    try:
        found = list(channels.below(objects, account, channels.folder(location)))
        versions = channels.fetch(objects, account, found, into)
    except NoSuchObject:
        raise ClientFault(f"The bucket of the checkpoints [{location}] does not exist.") from None
    return versions, {str(item.path): stamp((into / item.path).lstat()) for item in found}


def stamp(found: os.stat_result) -> Stamp:
    """By this a changed file is known."""
    return found.st_mtime_ns, found.st_size


def kept(directory: Path) -> Kept:
    """The checkpoints that this attempt restored or uploaded, whichever server did."""
    try:
        known = json.loads((directory / KEPT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {host: {name: tuple(was) if was else None for name, was in names.items()} for host, names in known.items()}


def keep(directory: Path, known: Kept) -> None:
    """Replace the list of checkpoints in one step."""
    with tempfile.NamedTemporaryFile("w", dir=directory, prefix=f".{KEPT}.", delete=False, encoding="utf-8") as file:
        try:
            json.dump(known, file)
            file.flush()
            os.fsync(file.fileno())
            reach(BEFORE, KEPT)
            Path(file.name).replace(directory / KEPT)
            reach(AFTER, KEPT)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def is_nothing(document: Mapping[str, Any], source: str | None) -> bool:
    """Whether there is nothing to bring before the job's processes start."""
    return not (document.get("InputDataConfig") or source is not None or document.get("CheckpointConfig"))


def check_output(objects: ObjectStore, account: str, document: Mapping[str, Any]) -> None:
    """A job whose outputs have nowhere to go is not started: ClientFault."""
    path = document["OutputDataConfig"]["S3OutputPath"]
    try:
        objects.check(account, parse(path))
    except NoSuchObject:
        raise ClientFault(f"The bucket of the S3OutputPath [{path}] does not exist.") from None


def _unpack(objects: ObjectStore, account: str, source: str, into: Path, most: int) -> list[Version]:
    try:
        location = parse(source)
    except ValueError as error:
        raise ClientFault(f"The source code can't be found: {error}.") from None
    shutil.rmtree(into, ignore_errors=True)
    try:
        if not location.key.endswith((".tar.gz", ".tgz")):
            found = list(channels.below(objects, account, channels.folder(location)))
            return channels.fetch(objects, account, found, into)
        archive: list[ObjectInfo] = []
        with objects.open(account, location, archive.append) as file:
            unpack(file, into, most)
        return [channels.version(location, info) for info in archive]
    except ClientFault as fault:
        raise ClientFault(f"The source code [{source}] can't be unpacked: {fault}.") from None
    except NoSuchObject:
        raise ClientFault(f"The source code [{source}] does not exist.") from None
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        raise ClientFault(f"The source code [{source}] can't be unpacked: {error}") from None
