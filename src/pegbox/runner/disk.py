"""What the files of a program take, however deep it nests them and whatever it moves while we look."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from pegbox.runner import beneath

Identity = tuple[int, int]  #: st_dev, st_ino
BLOCK = 512  #: bytes, of st_blocks (stat(3type))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """A folder on the way to the one that is looked at."""

    name: str
    identity: Identity
    waiting: list[str] = field(default_factory=list)  #: folders in it


def sizes(directory: str, left_out: Iterable[str] = ()) -> Iterator[int]:
    """Bytes on disk of one file or folder after the other below a directory, those with several names counted once.

    No path is longer than a name, no link is followed, and only one folder is open: a program may nest folders deeper
    than a path, or the descriptors, can go.
    """
    skipped = {PurePath(path).relative_to(directory).parts for path in left_out}
    seen: set[Identity] = set()
    fd = -1
    try:
        fd = _root(directory)
        levels = [_Level(name="", identity=_identity(fd))]
        yield from _entries(fd, levels, seen, skipped)
        while levels:
            if levels[-1].waiting:
                name = levels[-1].waiting.pop()
                with contextlib.suppress(OSError):
                    inner = beneath.open_folder(fd, name)
                    os.close(fd)
                    fd = inner
                    levels.append(_Level(name=name, identity=_identity(fd)))
                    yield from _entries(fd, levels, seen, skipped)
                continue
            levels.pop()
            if levels:
                above = os.open("..", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
                os.close(fd)
                fd = above
                if _identity(fd) != levels[-1].identity:  # what we were in was moved: on with the rest of the root
                    os.close(fd)
                    fd = -1
                    fd = _root(directory)
                    del levels[1:]
    except OSError:  # the folder was removed: the next look will see
        return
    finally:
        if fd >= 0:
            os.close(fd)


def unnamed(directory: str, pids: Iterable[int]) -> Iterator[int]:
    """Bytes on disk of the files that processes have open, on the disk of a directory, and that are deleted."""
    seen: set[int] = set()
    with contextlib.suppress(OSError):
        device = os.stat(directory).st_dev
        for pid in pids:
            for name in _descriptors(pid):
                with contextlib.suppress(OSError):
                    found = os.stat(f"/proc/{pid}/fd/{name}")
                    if not found.st_nlink and found.st_dev == device and found.st_ino not in seen:
                        seen.add(found.st_ino)
                        yield found.st_blocks * BLOCK


def _descriptors(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(f"/proc/{pid}/fd")
    return []


def _root(directory: str) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _identity(fd: int) -> Identity:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino


def _entries(fd: int, levels: list[_Level], seen: set[Identity], skipped: set[tuple[str, ...]]) -> Iterator[int]:
    """What is in the open folder, the last of `levels`; folders in it will wait there."""
    with contextlib.suppress(OSError), os.scandir(fd) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    if not _is_skipped(entry.name, levels, skipped):
                        levels[-1].waiting.append(entry.name)
                elif found.st_nlink > 1:
                    if (found.st_dev, found.st_ino) in seen:
                        continue
                    seen.add((found.st_dev, found.st_ino))
                yield found.st_blocks * BLOCK


def _is_skipped(name: str, levels: list[_Level], skipped: set[tuple[str, ...]]) -> bool:
    if all(len(parts) != len(levels) for parts in skipped):
        return False
    return (*(level.name for level in levels[1:]), name) in skipped
