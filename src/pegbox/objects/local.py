"""Files of this host as objects: file:///path inputs and outputs."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import BinaryIO

from pegbox.objects.base import Location, NoSuchObject, ObjectInfo, Refused, Unreachable, at_any_time, unseen
from pegbox.objects.content import copy_range, write_whole

_STEP = 1 << 20
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_TRIES = 3  #: to read a file that somebody writes
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
#: a disk that is broken, a file system behind a network that does not answer
_AWAY = frozenset({errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH})
_NO_FILES = (Path("/proc"), Path("/sys"), Path("/dev"))


class LocalStore:
    """Regular files under one of `roots`; whatever lies elsewhere, also behind a symbolic link, is absent.

    So is what lies under one of `apart`: the server's own home, with everybody's keys, and what only looks like files.
    Where an opened file really is is asked of the kernel, since a job may change a link while we look.

    The key of a location is the absolute path.  The ETag is derived from size and time of change, except that of `put`,
    which is the MD5.  Accounts are ignored.
    """

    def __init__(self, roots: Sequence[Path], apart: Sequence[Path] = ()) -> None:
        self._roots = tuple(root.resolve() for root in roots)
        self._apart = tuple(path.resolve() for path in (*apart, *_NO_FILES))

    def open(self, account: str, location: Location, seen: Callable[[ObjectInfo], None] = unseen) -> BinaryIO:
        """Open a file for streaming.  Raises NoSuchObject."""
        path = self._inside(location)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise _meant(error, location) from error
        try:
            if not S_ISREG(os.fstat(fd).st_mode):
                raise NoSuchObject(f"{location} is no regular file.")
            self._check(_place(fd), location)
            seen(_described(location.key, os.fstat(fd)))
        except BaseException:
            os.close(fd)
            raise
        return open(fd, "rb")

    def put(self, account: str, location: Location, source: BinaryIO, confirm: Callable[[], None] = at_any_time) -> str:
        """Replace the file in one step; missing folders are made.  Returns the MD5."""
        path = self._inside(location)
        digest = hashlib.md5(usedforsecurity=False)

        def fill(fd: int) -> None:
            while block := source.read(_STEP):
                digest.update(block)
                rest = memoryview(block)
                while rest:
                    rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
            confirm()

        with _told(location):
            folder = _made(path.parent, location)
        try:
            self._check(_place(folder) / path.name, location)
            with _told(location):
                write_whole(Path(f"/proc/self/fd/{folder}", path.name), fill)
        finally:
            os.close(folder)
        return digest.hexdigest()

    def list(self, account: str, prefix: Location) -> Iterator[ObjectInfo]:
        """All files whose path begins with the prefix's key, in UTF-8 byte order."""
        folder = Path(prefix.key[: prefix.key.rindex("/") + 1])
        if any(folder.is_relative_to(each) for each in self._apart):
            return iter(())
        return self._walk(folder, prefix.key)

    def check(self, account: str, location: Location) -> None:
        """Whether files may be put there; folders are made by `put`.  Raises NoSuchObject, Refused."""
        folder = self._inside(location)
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        if not folder.is_dir():
            raise Refused(f"{location}: [{folder}] is no folder")
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise Refused(f"{location}: [{folder}] can't be written")

    def delete(self, account: str, location: Location, confirm: Callable[[], None] = at_any_time) -> None:
        """Remove a file; a missing one is no error."""
        with suppress(NoSuchObject, FileNotFoundError, NotADirectoryError, IsADirectoryError):
            path = self._inside(location)
            folder = os.open(path.parent, _FOLDER)
            try:
                self._check(_place(folder) / path.name, location)
                confirm()
                os.unlink(path.name, dir_fd=folder)
            finally:
                os.close(folder)

    def fetch(self, account: str, location: Location, into: Path) -> ObjectInfo:
        """Write a private copy of a file to `into`, as it was at one moment.  Raises NoSuchObject.

        A file that changes while it is read is read again; Refused when it goes on to change.
        """
        into.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES):
            with self.open(account, location) as source:
                before = os.fstat(source.fileno())
                if _copied(source.fileno(), before, into, location):
                    return _described(location.key, before)
        raise Refused(f"{location} changes while it is read")

    def _walk(self, folder: Path, prefix: str) -> Iterator[ObjectInfo]:
        for name, entry in _in_byte_order(folder):
            path = str(folder / entry.name)
            if folder / entry.name in self._apart:
                continue
            if entry.is_dir(follow_symlinks=False):
                if (path + "/").startswith(prefix) or prefix.startswith(path + "/"):
                    yield from self._walk(folder / entry.name, prefix)
            elif path.startswith(prefix) and not name.endswith(b".incoming"):
                with suppress(NoSuchObject, OSError):
                    yield self._info(path)

    def _info(self, path: str) -> ObjectInfo:
        location = Location("file", "", path)
        fd = os.open(self._inside(location), os.O_PATH | os.O_CLOEXEC)
        try:
            self._check(_place(fd), location)
            found = os.fstat(fd)
        finally:
            os.close(fd)
        if not S_ISREG(found.st_mode):
            raise NoSuchObject(f"{path} is no regular file.")
        return _described(path, found)

    def _inside(self, location: Location) -> Path:
        """The path with all links followed.  Raises NoSuchObject if it is not under a root."""
        try:
            path = Path(location.key).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise NoSuchObject(f"{location}: {error}") from error
        self._check(path, location)
        return path

    def _check(self, path: Path, location: Location) -> None:
        """Raise NoSuchObject for a path, without links, that is none of ours."""
        if not any(path.is_relative_to(root) for root in self._roots):
            allowed = ", ".join(map(str, self._roots)) or "none"
            raise NoSuchObject(f"{location} is not in a folder that this server may use ({allowed}).")
        if any(path.is_relative_to(each) for each in self._apart):
            raise NoSuchObject(f"{location} is the server's or the system's own.")


def _place(fd: int) -> Path:
    """Where an open file or folder is now."""
    return Path(os.readlink(f"/proc/self/fd/{fd}"))


def _made(folder: Path, location: Location) -> int:
    """A descriptor of a folder whose path has no links; what is missing of it is made.

    Raises NoSuchObject when a part of the path has become a link, Refused when one is no folder.
    """
    fd = os.open("/", _FOLDER)
    try:
        for name in folder.parts[1:]:
            inner = _entered(fd, name, location)
            os.close(fd)
            fd = inner
    except BaseException:
        os.close(fd)
        raise
    return fd


def _entered(fd: int, name: str, location: Location) -> int:
    with suppress(FileNotFoundError):
        return _opened(fd, name, location)
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=fd)
    return _opened(fd, name, location)


def _opened(fd: int, name: str, location: Location) -> int:
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
    except NotADirectoryError:
        if S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            raise NoSuchObject(f"{location}: a part of the path has become a link.") from None
        raise Refused(f"{location}: [{_place(fd) / name}] is no folder") from None


def _described(path: str, found: os.stat_result) -> ObjectInfo:
    """A file; the time of its last change and its size stand in for an ETag."""
    return ObjectInfo(
        key=path,
        size=found.st_size,
        etag=f"{found.st_mtime_ns:x}-{found.st_size:x}",
        modified=datetime.fromtimestamp(found.st_mtime, UTC),
    )


def _copied(source: int, before: os.stat_result, into: Path, location: Location) -> bool:
    """Copy a file that was as it is described `before`; False if it has changed meanwhile."""
    is_short = False
    with into.open("wb", buffering=0) as target:
        try:
            copy_range(source, target.fileno(), 0, before.st_size)
        except OSError as error:
            if error.errno not in _AWAY:
                raise  # of the copy
            is_short = True
    after = os.fstat(source)
    if (after.st_mtime_ns, after.st_size) != (before.st_mtime_ns, before.st_size):
        return False
    if is_short:
        raise Unreachable(f"{location} can't be read: {os.strerror(errno.EIO)}")
    return True


@contextmanager
def _told(location: Location) -> Iterator[None]:
    """Raise Refused or Unreachable for a place that cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno in _FORBIDDEN | _AWAY:
            raise _meant(error, location) from error
        raise


def _meant(error: OSError, location: Location) -> Exception:
    kind = Refused if error.errno in _FORBIDDEN else Unreachable if error.errno in _AWAY else NoSuchObject
    return kind(f"{location}: {error.strerror}")


def _in_byte_order(folder: Path) -> list[tuple[bytes, os.DirEntry[str]]]:
    """The entries of a folder, each sub-folder at the place of its name with a slash behind it."""
    try:
        with os.scandir(folder) as entries:
            named = [(os.fsencode(e.name) + b"/" * e.is_dir(follow_symlinks=False), e) for e in entries]
    except OSError as error:
        if error.errno in _FORBIDDEN | _AWAY:  # a part of the data is not the data
            raise _meant(error, Location("file", "", str(folder))) from error
        return []
    return sorted(named, key=lambda pair: pair[0])
