"""What a module is forked from: `forking.py` starts this process and asks it on a socket, its standard input.

    python fork_origin.py MODULE

A request is the JSON of what to run, with three descriptors: where to say the pid and, at the end, the exit status,
each as a line; standard output; standard error.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from typing import Any

from typer.testing import CliRunner

from pegbox import crashpoints

#: of pegbox itself; for any other module it is what it imports
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
        """Returns in each child, with the arguments of its command, and with None at the end."""
        with selectors.DefaultSelector() as selector:
            for source in (self._requests, self._heard):
                selector.register(source, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._heard in ready:
                    self._heard.recv(MOST_BYTES)
                    self._tell_ends()
                if self._requests in ready:
                    text, descriptors, _, _ = socket.recv_fds(self._requests, MOST_BYTES, 3)
                    if not text:
                        for pid in self._running:
                            os.kill(pid, signal.SIGKILL)
                        return None
                    asker = socket.socket(fileno=descriptors[0])
                    if (arguments := self._fork(json.loads(text), asker, descriptors[1:])) is not None:
                        return arguments

    def _fork(self, request: dict[str, Any], asker: socket.socket, outputs: list[int]) -> list[str] | None:
        pid = os.fork()
        if pid == 0:
            asker.close()
            self._become(request, outputs)
            return list(request["arguments"])
        for descriptor in outputs:
            os.close(descriptor)
        asker.send(f"{pid}\n".encode())
        self._running[pid] = asker
        return None

    def _become(self, request: dict[str, Any], outputs: list[int]) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for each in (self._requests, self._heard, self._woken, *self._running.values()):
            each.close()
        os.open(os.devnull, os.O_RDONLY)  # the lowest that is free: what the requests came by
        for ours, theirs in enumerate(outputs, 1):
            os.dup2(theirs, ours)
            os.close(theirs)
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


def load_pegbox() -> None:
    """All that its commands import, with the models of the services, which do not change."""
    from pegbox.app import operation_table
    from pegbox.cli.main import app

    for name in LOADED:
        importlib.import_module(name)
    operation_table()
    CliRunner().invoke(app, ["--version"])


def main() -> None:
    """Import, fork for whoever asks, and run the module in each child."""
    module = sys.argv[1]
    if module == "pegbox":
        load_pegbox()
    else:
        importlib.import_module(module)
        del sys.modules[module]  # a child runs it as `python -m` does
    gc.freeze()
    arguments = Origin(socket.socket(fileno=0)).serve()
    if arguments is not None:
        sys.argv = [module, *arguments]
        importlib.reload(crashpoints)  # it reads the environment
        runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
