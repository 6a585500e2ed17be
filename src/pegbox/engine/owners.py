"""Who holds leases, and whether it is still there.

Each server holds a lock on a file of its own in the home.  The kernel frees it when the process ends, however it ends,
and it tells servers in different containers apart, whose pids mean nothing to each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Owner:
    """The name under which this process holds leases; `hold` makes it known to be alive.

    The name is a digest of the home's identity, the pid for those who read it, and what makes it unique.
    """

    def __init__(self, host: str, home: Path, pid: int) -> None:
        self.unique = uuid.uuid4().hex[:8]
        self.name = f"{_digest(host)}/{pid}/{self.unique}"
        self._file = lock_file(home, self.unique)
        self._fd = -1

    def hold(self) -> None:
        """Take the lock, for the rest of this process's life or until `let_go`."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        while True:
            self._fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if self._is_named():  # a server that tidies may have come between the two
                return
            os.close(self._fd)

    def _is_named(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._fd), os.stat(self._file))
        except FileNotFoundError:
            return False

    def let_go(self) -> None:
        """Leave no file."""
        if self._fd >= 0:
            self._file.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def lock_file(home: Path, unique: str) -> Path:
    """Where an owner holds its lock."""
    return home / "run" / f"owner-{unique}.lock"


def is_dead(owner: str, host: str, home: Path) -> bool:
    """Whether an owner is a server of this home that is there no more."""
    digest, pid, unique = [*owner.split("/"), "", ""][:3]
    if digest != _digest(host) or not pid.isdigit() or not unique.isalnum():
        return False
    return not _is_held(lock_file(home, unique))


def living(home: Path) -> bool:
    """Whether any server of this home is there, whatever it has announced."""
    return any(map(_is_held, _files(home)))


def tidy(home: Path) -> None:
    """Remove the lock files of the dead."""
    for file in _files(home):
        with _locked(file, fcntl.LOCK_EX) as is_free:  # a server that takes it later finds that it has no name
            if is_free:
                file.unlink(missing_ok=True)


def _is_held(file: Path) -> bool:
    with _locked(file, fcntl.LOCK_SH) as is_free:  # shared: two who look at once are no owner to each other
        return not is_free


@contextmanager
def _locked(file: Path, how: int) -> Iterator[bool]:
    """Whether nobody holds the lock in the other way; then it is ours until the end."""
    try:
        fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True  # its server ended, and gave it up
        return
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        is_free = True
    except BlockingIOError:
        is_free = False
    try:
        yield is_free
    finally:
        os.close(fd)


def _files(home: Path) -> Iterator[Path]:
    return (home / "run").glob("owner-*.lock")


def _digest(host: str) -> str:
    return hashlib.sha256(host.encode()).hexdigest()[:16]
