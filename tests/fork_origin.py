"""The process that servers are forked from: `forking.py` starts it and asks it on a socket, its standard input.

A request is the JSON of what to run, with two descriptors: where to say the pid and, at the end, the exit status, each
as a line; and the log.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys

from typer.testing import CliRunner

import pegbox.cli
from pegbox import crashpoints
from pegbox.app import operation_table
from pegbox.cli.main import app

LOADED = (
    "alembic.config",
    "psycopg",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "uvicorn.lifespan.off",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.h11_impl",
    "pegbox.serving",
)
MOST_BYTES = 1 << 20  #: of a request


class Origin:
    """Forks for whoever asks, and tells who has ended."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._running: dict[int, socket.socket] = {}
        self._heard, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken.fileno())

    def serve(self) -> list[str] | None:
        """Returns in each child, with the arguments of the server that it is, and with None at the end."""
        with selectors.DefaultSelector() as selector:
            for source in (self._requests, self._heard):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._heard in ready:
                    self._heard.recv(MOST_BYTES)
                    self._tell_ends()
                if self._requests in ready:
                    text, descriptors, _, _ = socket.recv_fds(self._requests, MOST_BYTES, 2)
                    if not text:
                        for pid in self._running:
                            os.kill(pid, signal.SIGKILL)
                        return None
                    if arguments := self._fork(json.loads(text), socket.socket(fileno=descriptors[0]), descriptors[1]):
                        return arguments

    def _fork(self, request: dict[str, object], asker: socket.socket, log: int) -> list[str] | None:
        pid = os.fork()
        if pid == 0:
            asker.close()
            self._become(request, log)
            return list(request["arguments"])
        os.close(log)
        asker.send(f"{pid}\n".encode())
        self._running[pid] = asker
        return None

    def _become(self, request: dict[str, object], log: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._requests, self._heard, self._woken, *self._running.values()):
            each.close()
        os.open(os.devnull, os.O_RDONLY)  # the lowest that is free: what the requests came by
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["folder"])

    def _tell_ends(self) -> None:
        for pid, asker in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with contextlib.suppress(OSError):  # perhaps nobody listens any more
                    asker.send(f"{os.waitstatus_to_exitcode(status)}\n".encode())
                self._running.pop(pid).close()


def main() -> None:
    """Load all that a server does, with the models of the services, which do not change; then serve."""
    for name in LOADED:
        importlib.import_module(name)
    operation_table()
    CliRunner().invoke(app, ["--version"])
    gc.freeze()
    arguments = Origin(socket.socket(fileno=0)).serve()
    if arguments is not None:
        sys.argv = ["pegbox", *arguments]
        importlib.reload(crashpoints)  # it reads the environment
        pegbox.cli.main()


if __name__ == "__main__":
    main()
