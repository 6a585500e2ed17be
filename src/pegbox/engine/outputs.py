"""After a job's processes have ended: its model, its other outputs and its checkpoints are stored.

Archives are written beside the attempt and put whole, so a crash leaves either no object or all of it, and the next
server does it again.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Any, BinaryIO

from pegbox.domain.training_request import artifacts
from pegbox.engine.channels import folder
from pegbox.engine.faults import ClientFault
from pegbox.engine.staging import Kept, Stamp, checkpoint_path, hosts, keep, kept, stamp
from pegbox.objects.base import Location, NoSuchObject, ObjectStore, at_any_time
from pegbox.objects.locations import parse

SMALL = 1 << 20  #: bytes that are stored in a moment
FILE_COST = 1 << 14  #: bytes that could be stored in the time that a file takes

VOLUMES = 10  #: what outputs may fill of them: less room is taken by holes, and by what a file system compresses
LONGEST_NAME = 4096  #: characters below the folder, PATH_MAX of Linux; a program can nest deeper, step by step
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})  #: nothing, a link, a socket


def store_model(
    objects: ObjectStore,
    account: str,
    document: Mapping[str, Any],
    directory: Path,
    *,
    empty: bool,
    volume: int | None = None,
) -> None:
    """Store /opt/ml/model of all instances under S3ModelArtifacts; with `empty` also when there is nothing in it.

    `volume` is what an instance may have on disk, in bytes.  Raises ClientFault for what cannot be stored.
    """
    files, links = _merged([_Folder(directory, (host, "ml", "model")) for host in hosts(document)], volume)
    if files or empty:
        _store(objects, account, artifacts(document), files, links, directory)


def store_data(
    objects: ObjectStore, account: str, document: Mapping[str, Any], directory: Path, *, volume: int | None = None
) -> None:
    """Store /opt/ml/output/data of all instances, if there is anything in it; `volume` as for the model."""
    files, links = _merged([_Folder(directory, (host, "ml", "output", "data")) for host in hosts(document)], volume)
    if files:
        base = artifacts(document).rsplit("/output/", 1)[0]
        plain = document["OutputDataConfig"].get("CompressionType") == "NONE"
        target = f"{base}/output/data/" if plain else f"{base}/output/output.tar.gz"
        _store(objects, account, target, files, links, directory)


def store_checkpoints(
    objects: ObjectStore,
    account: str,
    document: Mapping[str, Any],
    directory: Path,
    confirm: Callable[[], None] = at_any_time,
    *,
    volume: int | None = None,
) -> None:
    """Bring CheckpointConfig.S3Uri up to date with the files of all instances: new, changed and removed ones.

    Only objects that this attempt restored or uploaded are ever removed; all others are not ours.  `confirm` raises
    Stale when another server does this now: then its list counts, and ours is not written.  `volume` as for the model.
    """
    config = document.get("CheckpointConfig")
    if not config:
        return
    folders = {
        host: _Folder(directory, checkpoint_path(directory, host, config).relative_to(directory).parts)
        for host in hosts(document)
    }
    checkpoints = _Checkpoints(objects, account, folder(parse(config["S3Uri"])), directory, folders, confirm)
    found = {host: dict(below.files()) for host, below in folders.items()}
    for host, below in folders.items():
        _check_size(sum(size for _, size in found[host].values()), below, volume)
    checkpoints.upload(found)
    checkpoints.remove(set().union(*found.values()))
    _check_names(set().union(*found.values()))


_STORED = (("model",), ("output", "data"))


def are_small(document: Mapping[str, Any], directory: Path) -> bool:
    """Whether storing the outputs takes a moment only: nobody needs to see the job Uploading."""
    if document.get("CheckpointConfig"):
        return False
    left = SMALL
    folders = (_Folder(directory, (host, "ml", *names)) for host in hosts(document) for names in _STORED)
    try:
        for _, (_, size) in (each for folder in folders for each in folder.files()):
            left -= size + FILE_COST
            if left < 0:
                return False
    except ClientFault:  # who stores them will say so
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Folder:
    """The regular files of a folder inside the directory of an attempt.

    No link on the way to it or in it is followed, also none that the program makes while we look: a job cannot have
    other files of the host stored as its own.
    """

    directory: Path
    parts: tuple[str, ...]  #: names of the folders that lead to it

    def files(self) -> Iterator[tuple[str, Stamp]]:
        """Name and stamp of all files.  Raises ClientFault for a folder that cannot be read."""
        return ((name, stamp(found)) for name, found, _ in self.entries() if S_ISREG(found.st_mode))

    def entries(self) -> Iterator[tuple[str, os.stat_result, str]]:
        """Name, state and, of a link, target of all that is in the folder but folders."""
        names = [""]
        while names:
            name = names.pop()
            if (fd := self._open(name)) is None:
                continue
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        with suppress(FileNotFoundError):
                            found = entry.stat(follow_symlinks=False)
                            if len(name) + len(entry.name) > LONGEST_NAME:
                                raise ClientFault(f"The output [{_printable(name)[:200]}...] is nested too deeply.")
                            if S_ISDIR(found.st_mode):
                                names.append(f"{name}{entry.name}/")
                            else:
                                is_link = S_ISLNK(found.st_mode)
                                target = os.readlink(entry.name, dir_fd=fd) if is_link else ""
                                yield name + entry.name, found, target
            finally:
                os.close(fd)

    def open(self, name: str) -> BinaryIO | None:
        """Open a file; None when there is none any more.  Raises ClientFault when it cannot be read."""
        if (fd := self._open(name)) is None:
            return None
        if not S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            return None
        return open(fd, "rb")

    def there(self) -> bool:
        """Whether the folder itself is there."""
        if (fd := self._open("")) is None:
            return False
        os.close(fd)
        return True

    def lacks(self, name: str) -> bool:
        """Whether there is nothing of this name, or a folder."""
        if (fd := self._open(name)) is None:
            return True
        try:
            return S_ISDIR(os.fstat(fd).st_mode)
        finally:
            os.close(fd)

    def _open(self, name: str) -> int | None:
        """A descriptor of a file or, without a name or with a slash behind it, of a folder; None when it is none."""
        kind = 0 if name and not name.endswith("/") else os.O_DIRECTORY
        *above, last = [*self.parts, *filter(None, name.split("/"))]
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in above:
                fd = _step(fd, part, os.O_DIRECTORY)
            return _step(fd, last, kind)
        except PermissionError as error:
            what = _printable(f"{self.parts[-1]}/{name}")
            raise ClientFault(f"The output [{what}] can't be read: {error.strerror}.") from None
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise


def _step(fd: int, part: str, kind: int) -> int:
    """From the open folder `fd`, which is closed, to what is in it."""
    try:
        return os.open(part, kind | os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Checkpoints:
    """The checkpoints of one attempt and their objects.

    The list of what was restored or uploaded is written before an upload and after it: whatever a crash interrupts,
    every object of ours is in the list, and what is not known to be whole is uploaded again.
    """

    objects: ObjectStore
    account: str
    base: Location
    directory: Path
    folders: Mapping[str, _Folder]  #: by instance
    confirm: Callable[[], None]

    def upload(self, found: Mapping[str, Mapping[str, Stamp]]) -> None:
        """Upload new and changed files; of two with one name, the first instance's counts."""
        known = kept(self.directory)
        changed = {
            host: [name for name, now in files.items() if known.get(host, {}).get(name) != now and _is_key(name)]
            for host, files in found.items()
        }
        if not any(changed.values()):
            return
        before = {host: dict(names) for host, names in known.items()}
        for host, names in changed.items():
            known.setdefault(host, {}).update(dict.fromkeys(names))
        self._keep(known)
        done: set[str] = set()
        try:
            for host, names in changed.items():
                for name in sorted(names):
                    if name in done:
                        known[host][name] = found[host][name]
                    elif (read := self._upload(self.folders[host], name)) is not None:
                        known[host][name] = read
                        done.add(name)
                    elif name not in before.get(host, {}):
                        del known[host][name]
        finally:
            self._keep(known)

    def remove(self, found: Collection[str]) -> None:
        """Delete the objects of listed files that no instance has any more.

        An instance whose whole folder is missing says nothing about single files.
        """
        known = kept(self.directory)
        gone = {name for names in known.values() for name in names}.difference(found)
        gone = {name for name in gone if all(below.lacks(name) for below in self.folders.values())}
        if not gone or not all(below.there() for below in self.folders.values()):
            return
        for name in sorted(gone):
            self.objects.delete(self.account, _under(self.base, name))
        self._keep({host: _without(names, gone) for host, names in known.items()})

    def _keep(self, known: Kept) -> None:
        self.confirm()
        keep(self.directory, known)

    def _upload(self, below: _Folder, name: str) -> Stamp | None:
        """The stamp of the file as it was before it was read; None when it is gone."""
        file = below.open(name)
        if file is None:
            return None
        with file:
            before = stamp(os.fstat(file.fileno()))
            _put(self.objects, self.account, _under(self.base, name), file)
        return before


def _without(names: Mapping[str, Stamp | None], gone: Collection[str]) -> dict[str, Stamp | None]:
    return {name: known for name, known in names.items() if name not in gone}


def _store(
    objects: ObjectStore,
    account: str,
    uri: str,
    files: Mapping[str, _Folder],
    links: Mapping[str, str],
    scratch: Path,
) -> None:
    location = parse(uri)
    if location.key.endswith("/"):
        _check_names(files)
        for name, file in _opened(files):
            _put(objects, account, _under(location, name), file)
        return
    if not files and not links:  # a model that is none, of a program that saves nothing
        _put(objects, account, location, io.BytesIO(_empty_archive()))
        return
    with tempfile.TemporaryFile(dir=scratch) as packed:  # without a name: nobody else's, and gone after a crash
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
            for name, file in _opened(files):
                member = archive.gettarinfo(arcname=name, fileobj=file)
                archive.addfile(member, file if member.isreg() else None)
            for name, target in links.items():
                archive.addfile(_link(name, target))
        packed.seek(0)
        _put(objects, account, location, packed)


@cache
def _empty_archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz"):
        pass
    return packed.getvalue()


def _link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


def _stays_inside(name: str, target: str) -> bool:
    """Whether a link, read as text, leads to a place in its own folder."""
    place = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return not target.startswith("/") and place != ".." and not place.startswith("../")


def _opened(files: Mapping[str, _Folder]) -> Iterator[tuple[str, BinaryIO]]:
    for name, below in files.items():
        file = below.open(name)
        if file is not None:
            with file:
                yield name, file


def _put(objects: ObjectStore, account: str, location: Location, file: BinaryIO) -> None:
    try:
        objects.put(account, location, file)
    except NoSuchObject:
        raise ClientFault(f"The bucket of the output [{location}] does not exist.") from None


def _under(base: Location, name: str) -> Location:
    return replace(base, key=base.key + name)


def _merged(folders: Sequence[_Folder], volume: int | None) -> tuple[dict[str, _Folder], dict[str, str]]:
    """Files of all instances, with the folder they are in, and links that stay in theirs, with where they lead.

    Of two with one name, the first instance's counts; a file counts before a link.
    """
    files: dict[str, _Folder] = {}
    links: dict[str, str] = {}
    for below in folders:
        size = 0
        for name, found, target in below.entries():
            if S_ISREG(found.st_mode):
                files.setdefault(name, below)
                size += found.st_size
            elif target and _stays_inside(name, target):
                links.setdefault(name, target)
        _check_size(size, below, volume)
    return dict(sorted(files.items())), {name: links[name] for name in sorted(links) if name not in files}


def _check_size(size: int, below: _Folder, volume: int | None) -> None:
    """Files with holes take no room before they are stored: a program could fill the store, or keep a slot for days."""
    if volume is not None and size > VOLUMES * volume:
        raise ClientFault(
            f"The files of the output [{below.parts[-1]}] have {size} bytes, more than {VOLUMES} times VolumeSizeInGB: "
            "holes in files count, and files with several names as often."
        )


def _check_names(names: Iterable[str]) -> None:
    """Keys are UTF-8 (S3 user guide, "Naming Amazon S3 objects"); names of files are any bytes."""
    for name in sorted(names):
        if not _is_key(name):
            raise ClientFault(
                f"The name of the file [{_printable(name)}] is not UTF-8: it can't be the key of an object."
            )


def _is_key(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(name: str) -> str:
    return os.fsencode(name).decode(errors="backslashreplace")
