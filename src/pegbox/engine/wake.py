"""Being woken: runners send the id of their attempt when something happened; polling stays the truth."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

MOST_PATH = 100  #: bytes that fit into a unix socket's address


class WakeSocket:
    """A unix datagram socket; calls `heard` with each attempt id, from a thread of its own."""

    def __init__(self, directory: Path, heard: Callable[[str], None]) -> None:
        self._wanted = directory / "wake.sock"
        if is_heard(short_path(self._wanted)):  # another server of this home keeps its own
            self._wanted = directory / f"wake-{os.getpid()}.sock"
        self.path = short_path(self._wanted)
        self._heard = heard
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._socket.bind(str(self.path))
        self.path.chmod(0o600)
        self._thread = threading.Thread(target=self._listen, name="wake", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and leave no file."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        if self.path != self._wanted:
            with contextlib.suppress(OSError):
                self.path.parent.rmdir()

    def _listen(self) -> None:
        while True:
            try:
                message = self._socket.recv(256)
            except OSError:
                return
            if not message:
                return
            self._heard(message.decode("ascii", "replace"))


def is_heard(path: Path) -> bool:
    """Whether a server listens there, be it stopped, told at once; a message without an attempt tells it nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        try:
            channel.sendto(b"-", str(path))
        except BlockingIOError:  # whoever has so much to read is there, and reads nothing now
            return True
        except OSError:
            return False
    return True


def short_path(path: Path) -> Path:
    """A home may lie deeper than a socket's address can say: its socket is then in a directory for temporary files.

    It is the same one in every start, so that runners of an earlier server reach this one.
    """
    if len(os.fsencode(path)) <= MOST_PATH:
        return path
    name = f"pegbox-{os.getuid()}-{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]}"
    directory = Path(tempfile.gettempdir()) / name
    if len(os.fsencode(directory / path.name)) > MOST_PATH:  # TMPDIR may be as deep
        directory = Path("/tmp") / name
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(errno.EPERM, "is not a directory that only its owner, this user, can use", str(directory))
    return directory / path.name
