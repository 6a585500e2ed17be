"""Content files: written once, never changed, named at random, removed when the index has forgotten them.

A file is first `incoming/<name>`, then, whole and on disk, `content/<first two digits>/<name>`.  It counts for nothing
until a row of the index names it, so a crash at any point leaves at most a file that `sweep` removes later.
Because contents never change, a copy of an object is a second hard link, and a reader keeps an unlinked file alive.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from uuid import uuid4

from pegbox.baton import put_down
from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.small_files import sync_folder

_STEP = 1 << 30  #: bytes asked of one copy_file_range
_BUFFER = 1 << 20
_AHEAD = 16 << 20  #: bytes after which the kernel is to begin with bringing a file to disk
_LARGE = 64 << 20  #: bytes of a file whose room takes some time to be freed, ten milliseconds
_closing = threading.BoundedSemaphore(4)  #: threads that free it
_SYNC_FILE_RANGE_WRITE = 2
_sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)  # of Linux


class Incoming:
    """A content file that is being written.  Leaving the `with` block removes it unless it was kept."""

    def __init__(self, folder: Path, destination: Callable[[str], Path]) -> None:
        self.name = uuid4().hex
        self.size = 0
        self._on_its_way = 0
        self._path = folder / self.name
        self._destination = destination
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._kept = False

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._close()
        if not self._kept:
            self._path.unlink(missing_ok=True)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self.size += len(data)
        if self.size - self._on_its_way >= _AHEAD:
            _begin_to_sync(self._fd, self._on_its_way, self.size)
            self._on_its_way = self.size

    def append_range(self, source: int, offset: int, count: int) -> None:
        """Append `count` bytes of the open file `source`; in the kernel, and shared on disk, where that is possible."""
        copy_range(source, self._fd, offset, count)
        self.size += count

    def settle(self) -> None:
        """Bring the file to disk under its final name.  It is still removed unless `keep` is called."""
        with put_down():
            os.fsync(self._fd)
        self._close()
        final = self._destination(self.name)
        reach(BEFORE, "content settled")
        self._path.rename(final)
        self._path = final
        sync_folder(final.parent)
        reach(AFTER, "content settled")

    def link_to(self, content: Path) -> None:
        """Become another name of an existing content file instead of a new one.  Raises FileNotFoundError, OSError."""
        final = self._destination(self.name)
        os.link(content, final)
        self._close()
        self._path.unlink()
        self._path = final
        self.size = final.stat().st_size
        sync_folder(final.parent)

    def present(self) -> bool:
        """Whether the settled file is still there (a sweep might have taken it)."""
        return self._path.exists()

    def keep(self) -> None:
        """The index is about to name this file: from now on only a sweep may remove it."""
        self._kept = True

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class ContentFiles:
    """The folder of content files."""

    def __init__(self, root: Path) -> None:
        self._root, self._incoming, self._content = root, root / "incoming", root / "content"

    def is_made(self) -> bool:
        """Whether `make` has been here: then there was an index before it."""
        return self._incoming.is_dir() or (self._content / "00").is_dir()

    def make(self) -> None:
        """Make the folders that are missing."""
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number in range(256):
            (self._content / f"{number:02x}").mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_folder(self._content)

    def path(self, name: str) -> Path:
        """Where the content of this name lies."""
        return self._root / content_path(name)

    def receive(self) -> Incoming:
        """Begin a new content file."""
        return Incoming(self._incoming, self.path)

    def open(self, name: str) -> int:
        """A file descriptor for reading.  Raises FileNotFoundError."""
        return os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)

    def remove(self, name: str) -> None:
        """Unlink a content file; readers that have it open keep it."""
        reach(BEFORE, "content removed")
        with _freed_later(self.path(name)):
            self.path(name).unlink(missing_ok=True)
        reach(AFTER, "content removed")

    def folders(self) -> Iterator[Path]:
        """The folders that files lie in; all but the first are named like the beginning of their files' names."""
        yield from (folder for folder in (self._incoming,) if folder.is_dir())
        if self._content.is_dir():
            yield from (folder for folder in self._content.iterdir() if folder.is_dir())

    def is_finished(self, path: Path) -> bool:
        """Whether a file is one that a row may have named."""
        return path.parent != self._incoming

    def count(self) -> int:
        """How many finished files there are."""
        return sum(len(os.listdir(folder)) for folder in self.folders() if folder != self._incoming)

    def stale_in(self, folder: Path, seconds: float) -> Iterator[Path]:
        """The files of one folder untouched for `seconds`."""
        limit = time.time() - seconds
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # settled or removed meanwhile
                    if entry.stat(follow_symlinks=False).st_ctime < limit:
                        yield Path(entry.path)


def content_path(name: str) -> Path:
    """Where a content file lies below the store's folder."""
    return Path("content", name[:2], name)


def copy_range(source: int, target: int, offset: int, count: int) -> None:
    """Copy `count` bytes from `offset` of one open file to the position of the other.  OSError if it is short."""
    while count:
        done = _copy_some(source, target, offset, min(count, _STEP))
        if not done:
            raise OSError(errno.EIO, "the content file is shorter than the index says")
        offset, count = offset + done, count - done


def write_whole(path: Path, fill: Callable[[int], None]) -> None:
    """Replace `path` in one step by what `fill` writes to a descriptor; on disk when this returns."""
    temporary = path.with_name(f".{uuid4().hex}.incoming")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            fill(fd)
            os.fsync(fd)
        finally:
            os.close(fd)
        reach(BEFORE, "file replaced")
        temporary.replace(path)
        reach(AFTER, "file replaced")
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def _freed_later(path: Path) -> Iterator[None]:
    """Keep a file open while it loses its name.  A large one is closed on a thread: nobody waits for its room."""
    fd = -1
    with suppress(OSError):  # it is away, or there are too many open files
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        if fd >= 0:
            _close_later(fd)


def _close_later(fd: int) -> None:
    if os.fstat(fd).st_size < _LARGE or not _closing.acquire(blocking=False):
        os.close(fd)
        return

    def close() -> None:
        try:
            os.close(fd)
        finally:
            _closing.release()

    try:
        threading.Thread(target=close, name="content-close", daemon=True).start()
    except RuntimeError:  # the machine has no room for a thread
        close()


def _begin_to_sync(fd: int, start: int, end: int) -> None:
    """Let the kernel begin to write, so that `fsync` has less to wait for.  That alone makes nothing safe."""
    if _sync_file_range is not None:
        numbers = (ctypes.c_int64(start), ctypes.c_int64(end - start))
        _sync_file_range(fd, *numbers, ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def _copy_some(source: int, target: int, offset: int, count: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, count, offset)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
                raise
    data = os.pread(source, min(count, _BUFFER), offset)
    return os.write(target, data)
