"""What containment this machine allows, found by trying it: `python -m pegbox.runner.probe` prints JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable

from pegbox.runner import cell, cgroups
from pegbox.runner.view import Entry, Kind

NO_GROUP = "this user may not make control groups for it"


def probe() -> dict[str, str]:
    """Kind of containment -> why it is not possible, "" when it is.  Forks: call it in a process without threads."""
    if not sys.platform.startswith("linux"):
        return dict.fromkeys(("files", "network", "memory", "processes"), "it needs Linux")
    made = cgroups.hierarchies()
    return {
        "files": _tried(_enter_a_cell),
        "network": _tried(_leave_the_network),
        "memory": "" if "memory" in made else NO_GROUP,
        "processes": "" if "pids" in made else NO_GROUP,
    }


def _tried(attempt: Callable[[], None]) -> str:
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
        except OSError as error:
            os.write(theirs, (error.strerror or str(error)).encode())
        except BaseException as error:
            os.write(theirs, repr(error).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as file:
        said = file.read().decode()
    os.waitpid(pid, 0)
    return said


def _enter_a_cell() -> None:
    with tempfile.TemporaryDirectory(prefix="pegbox-") as name:
        cell.enter_as_runner()
        cell.unshare()
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                cell.build([Entry(target="/usr", source="/usr", kind=Kind.SYSTEM)], f"{name}/root")
            except OSError as error:
                os.write(theirs, (error.strerror or str(error)).encode())
            finally:
                os._exit(0)
        os.close(theirs)
        os.waitpid(pid, 0)
        if said := os.read(ours, 4096):
            raise OSError(0, said.decode())


def _leave_the_network() -> None:
    cell.enter_as_runner(network=False)


if __name__ == "__main__":
    print(json.dumps(probe()))
