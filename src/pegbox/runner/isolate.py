"""A private view of /etc/hosts and /opt/ml for one instance, by a Linux mount namespace (unshare(2), mount(2)).

Works as root and wherever ordinary users may create user namespaces; elsewhere the instance runs without it and learns
the addresses of its peers from PEGBOX_HOST_ADDRESSES and its paths from SM_*.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from functools import partial
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000
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
    actions = {"/etc/hosts": partial(_bind, hosts, Path("/etc/hosts")), "/opt/ml": partial(_opt, ml, shadow)}
    notes = []
    for name, action in actions.items():
        try:
            action()
        except OSError as error:
            notes.append(f"no private {name}: {error.strerror}")
    return notes


def _private_mounts() -> None:
    uid, gid = os.geteuid(), os.getegid()
    try:
        _call("unshare", _NEWNS)
    except OSError:
        _call("unshare", _NEWUSER | _NEWNS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _mount("none", Path("/"), None, _REC | _PRIVATE)


def _opt(ml: Path, shadow: Path) -> None:
    target = Path("/opt/ml")
    if not target.is_dir():
        _shadow_opt(shadow)
    _bind(ml, target)


def _shadow_opt(shadow: Path) -> None:
    """Cover /opt by a file system of our own with the same entries, and `ml`."""
    shadow.mkdir(exist_ok=True)
    _mount("tmpfs", shadow, "tmpfs", 0)
    for entry in Path("/opt").iterdir():
        place = shadow / entry.name
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
            continue
        if entry.is_dir():
            place.mkdir()
        else:
            place.touch()
        _bind(entry, place)
    (shadow / "ml").mkdir(exist_ok=True)
    _bind(shadow, Path("/opt"))


def _bind(source: Path, target: Path) -> None:
    _mount(str(source), target, None, _BIND | _REC)


def _mount(source: str, target: Path, kind: str | None, flags: int) -> None:
    _call(
        "mount", os.fsencode(source), os.fsencode(target), kind.encode() if kind else None, ctypes.c_ulong(flags), None
    )


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` to the calling process when its parent dies (Linux; elsewhere nothing)."""
    _prctl(_SET_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent dies, also of those in other sessions (Linux)."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            _call("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
