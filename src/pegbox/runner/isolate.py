"""A private view of /etc/hosts and /opt/ml for one instance, by a Linux mount namespace (unshare(2), mount(2)).

Works as root and wherever ordinary users may create user namespaces; elsewhere the instance runs without it and learns
the addresses of its peers from PEGBOX_HOST_ADDRESSES and its paths from SM_*.
"""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from pathlib import Path

from pegbox.runner import syscalls

FIRST = 500  #: of 1000

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


def isolate(hosts: Path, ml: Path, shadow: Path) -> list[str]:
    """Give the calling process `hosts` as /etc/hosts and `ml` as /opt/ml.  Returns what was not possible.

    `shadow` is a directory that may be created: a copy of /opt is built on it when the machine has no /opt/ml.
    Call it in a single-threaded process, before exec.
    """
    if not sys.platform.startswith("linux"):
        return ["no private /etc/hosts and /opt/ml: not on Linux"]
    try:
        _private_mounts()
    except OSError as error:
        return [f"no private /etc/hosts and /opt/ml: {error.strerror}"]
    actions = {"/etc/hosts": partial(syscalls.bind, str(hosts), "/etc/hosts"), "/opt/ml": partial(_opt, ml, shadow)}
    notes = []
    for name, action in actions.items():
        try:
            action()
        except OSError as error:
            notes.append(f"no private {name}: {error.strerror}")
    return notes


def _private_mounts() -> None:
    try:
        syscalls.unshare(syscalls.NEWNS)
    except OSError:
        syscalls.own_user_namespace(syscalls.NEWNS)
    syscalls.private_mounts()


def _opt(ml: Path, shadow: Path) -> None:
    target = Path("/opt/ml")
    if not target.is_dir():
        _shadow_opt(shadow)
    syscalls.bind(str(ml), str(target))


def _shadow_opt(shadow: Path) -> None:
    """Cover /opt by a file system of our own with the same entries, and `ml`."""
    shadow.mkdir(exist_ok=True)
    syscalls.tmpfs(str(shadow))
    for entry in Path("/opt").iterdir():
        place = shadow / entry.name
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
            continue
        if entry.is_dir():
            place.mkdir()
        else:
            place.touch()
        syscalls.bind(str(entry), str(place))
    (shadow / "ml").mkdir(exist_ok=True)
    syscalls.bind(str(shadow), "/opt")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` to the calling process when its parent dies (Linux; elsewhere nothing)."""
    _prctl(_SET_PDEATHSIG, signal_number)


def die_first() -> None:
    """Have the kernel choose this process and its children before others when memory runs out (proc(5))."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(FIRST))


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies, also of those in other sessions (Linux)."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            syscalls.prctl(option, value)
