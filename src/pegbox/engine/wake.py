"""Being woken: runners send the id of their attempt when something happened; polling stays the truth."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

MOST_PATH = 100  #: bytes that fit into a unix socket's address


class WakeSocket:
    """A unix datagram socket; calls `heard` with each attempt id, from a thread of its own."""

    def __init__(self, directory: Path, heard: Callable[[str], None]) -> None:
        self.path = _short(directory / "wake.sock")
        self._heard = heard
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self._socket.bind(str(self.path))
        self.path.chmod(0o600)
        self._thread = threading.Thread(target=self._listen, name="wake", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _listen(self) -> None:
        while True:
            try:
                message = self._socket.recv(256)
            except OSError:
                return
            if not message:
                return
            self._heard(message.decode("ascii", "replace"))


def _short(path: Path) -> Path:
    """A home may lie deeper than a socket's address can say."""
    if len(os.fsencode(path)) <= MOST_PATH:
        return path
    return Path(tempfile.mkdtemp(prefix="pegbox-")) / "wake.sock"
