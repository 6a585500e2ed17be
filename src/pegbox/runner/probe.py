"""What containment this machine allows, found by trying it: `python -m pegbox.runner.probe` prints JSON.

It needs no room on a disk.  What fails for a reason that may pass says nothing about the machine: then nothing is
printed, and the end is an error with that reason.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pegbox.runner import cell, cgroups
from pegbox.runner.view import Entry, Kind

NO_GROUP = "this user may not make control groups for it"

#: what the kernel says where it would say the same at any time
FOR_GOOD = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL, errno.ENODEV, errno.EOPNOTSUPP, errno.EROFS, errno.ENOENT}
)
_SPENT = frozenset({errno.ENOSPC, errno.EUSERS})  #: there are as many namespaces as there may be
_PLACES = ("/tmp", "/mnt", "/var", "/home", "/root")  #: folders to build on, in a view of our own


class Passing(Exception):
    """Nothing can be told at the moment; the message says why."""


def probe() -> dict[str, str]:
    """Kind of containment -> why it is not possible, "" when it is.  Forks: call it in a process without threads.

    Raises Passing when that cannot be told at the moment.
    """
    if not sys.platform.startswith("linux"):
        return dict.fromkeys(("files", "network", "memory", "processes"), "it needs Linux")
    made = cgroups.hierarchies()
    for_good = FOR_GOOD | (_SPENT if _are_none_allowed() else frozenset())
    return {
        "files": _tried("files", _enter_a_cell, for_good),
        "network": _tried("network", _leave_the_network, for_good),
        "memory": "" if "memory" in made else NO_GROUP,
        "processes": "" if "pids" in made else NO_GROUP,
    }


def _are_none_allowed() -> bool:
    """Whether there may be no namespaces of a kind, ever (namespaces(7), /proc/sys/user)."""
    return any(limit.read_text().strip() == "0" for limit in Path("/proc/sys/user").glob("max_*_namespaces"))


def _tried(kind: str, attempt: Callable[[], None], for_good: frozenset[int]) -> str:
    number, said = _in_a_child(attempt)
    if number is not None and number not in for_good:
        raise Passing(f"{kind}: {said}")
    return said


def _in_a_child(attempt: Callable[[], None]) -> tuple[int | None, str]:
    """The number and the text of the error that it ended with; (None, "") for none, and 0 for what has no number."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        _say(theirs, attempt)
    os.close(theirs)
    with open(ours, "rb") as file:
        said = file.read().decode()
    os.waitpid(pid, 0)
    number, text = json.loads(said) if said else (0, "its process was killed")
    return number, text


def _say(theirs: int, attempt: Callable[[], None]) -> NoReturn:
    found: tuple[int | None, str] = (None, "")
    try:
        attempt()
    except OSError as error:
        found = error.errno or 0, error.strerror or str(error)
    except BaseException as error:
        found = 0, repr(error)
    finally:
        os.write(theirs, json.dumps(found).encode())
        os._exit(0)


def _enter_a_cell() -> None:
    cell.enter_as_runner()
    cell.unshare()
    number, said = _in_a_child(_build)
    if number is not None:
        raise OSError(number, said)


def _build() -> None:
    place = next(filter(os.path.isdir, _PLACES), "/srv")
    cell.build([Entry(target="/usr", source="/usr", kind=Kind.SYSTEM)], os.path.realpath(place))


def _leave_the_network() -> None:
    cell.enter_as_runner(network=False)


if __name__ == "__main__":
    try:
        print(json.dumps(probe()))
    except Passing as why:
        sys.exit(str(why))
