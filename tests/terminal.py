"""A terminal with a command in it."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence

from running import wait_for

SIZE = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}


class Terminal:
    """Runs a command on a terminal of 100 columns and keeps what it shows."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._main, other = pty.openpty()
        self.process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env={**environment, **SIZE})
        os.close(other)
        self._shown: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def screen(self) -> str:
        """Everything that was shown, without the terminal's control sequences."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", b"".join(self._shown).decode("utf-8", "replace"))

    def see(self, text: str) -> None:
        """Wait until it is shown."""
        try:
            wait_for(f"{text!r} on the terminal", lambda: text in self.screen, 30.0)
        except TimeoutError as error:
            raise AssertionError(f"{error}:\n{self.screen}") from None

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._main, f"{text}\n".encode())

    def end(self) -> int:
        """Wait for the command's end; returns its exit code."""
        code = self.process.wait(120)
        self._reader.join(10)
        return code

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._main, 65536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            self._shown.append(data)
