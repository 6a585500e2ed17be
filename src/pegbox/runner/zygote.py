"""A process that has everything imported and forks runners: some milliseconds instead of a cold start.

It reads one JSON object a line on the socket that is its stdin, {"directory": ..., "preload": module or null}, and
answers {"pid": ...} or {"error": ...}.  It ends when the socket does, that is with its server; runners stay.

It only imports.  A process that has trained once has threads, and a fork of it would hang in its first parallel region
(OpenMP); so no algorithm ever runs here, and libraries that start threads on import are told not to.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.runner import __main__ as runner
from pegbox.runner import installation


def serve(channel: socket.socket) -> None:
    """Answer requests until the other end is gone."""
    with channel.makefile("rwb", buffering=0) as stream:
        while line := stream.readline():
            stream.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")


def _answer(request: dict[str, str | None]) -> dict[str, object]:
    try:
        if request["preload"]:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            importlib.import_module(request["preload"])
            gc.freeze()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    if request["directory"] is None:
        return {"pid": 0}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # runners need no reaping
    reach(BEFORE, "zygote fork")
    pid = os.fork()
    if pid == 0:
        _become_runner(Path(str(request["directory"])))
    reach(AFTER, "zygote fork")
    return {"pid": pid}


def _become_runner(directory: Path) -> NoReturn:
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        runner.main(directory.resolve())
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    installation.own()
    serve(socket.socket(fileno=os.dup(0)))
