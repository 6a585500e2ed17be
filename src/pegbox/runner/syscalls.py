"""Linux system calls that Python has no function for: mounts, namespaces, capabilities (man-pages, section 2)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from pathlib import Path

_LIBRARY = ctypes.CDLL(None, use_errno=True)

NEWNS, NEWIPC, NEWUSER, NEWPID, NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x20000000, 0x40000000

_BIND, _REC, _PRIVATE, _REMOUNT, _READ_ONLY = 0x1000, 0x4000, 0x40000, 0x20, 0x1
_NO_SUID, _NO_DEV, _NO_EXEC = 0x2, 0x4, 0x8
_DETACH = 2  # MNT_DETACH
_AT_FDCWD, _AT_RECURSIVE, _ATTR_READ_ONLY = -100, 0x8000, 0x1
_MOUNT_SETATTR = 442  # the same on every architecture but alpha
_PIVOT_ROOT = {"x86_64": 155, "ppc64le": 203, "s390x": 217}  # 41 on the others
_FLAGS = {"ro": _READ_ONLY, "nosuid": _NO_SUID, "nodev": _NO_DEV, "noexec": _NO_EXEC, "noatime": 0x400,
          "nodiratime": 0x800, "relatime": 0x200000}  # fmt: skip

_CAP_SYS_ADMIN = 21
_CAPABILITY_VERSION = 0x20080522
_CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL, _SET_DUMPABLE = 24, 38, 47, 4, 4
_LAST_CAPABILITY = 63  # drops stop at the first number that the kernel does not know


def unshare(flags: int) -> None:
    """New namespaces for the calling process; a pid namespace is for its children."""
    call("unshare", flags)


def own_user_namespace(more: int = 0) -> None:
    """Enter a new user namespace in which our user and group keep their numbers, and `more` new namespaces."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(NEWUSER | more)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    """mount(2)."""
    texts = (kind.encode() if kind else None, data.encode() if data else None)
    call("mount", os.fsencode(source), os.fsencode(target), texts[0], ctypes.c_ulong(flags), texts[1])


def may_administer() -> bool:
    """Whether this process has CAP_SYS_ADMIN: root in a container usually has not."""
    lines = Path("/proc/self/status").read_text().splitlines()
    rights = next(line for line in lines if line.startswith("CapEff:"))
    return bool(int(rights.split()[1], 16) >> _CAP_SYS_ADMIN & 1)


def sync_file_system(directory: Path) -> None:
    """syncfs(2): bring all that was written to the file system of `directory` to disk, whoever wrote it."""
    fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        call("syncfs", fd)
    finally:
        os.close(fd)


def private_mounts() -> None:
    """Keep what is mounted here from the rest of the machine."""
    mount("none", "/", None, _REC | _PRIVATE)


def bind(source: str, target: str, *, writable: bool = True) -> None:
    """Show `source` and all that is mounted below it at `target`, which exists."""
    mount(source, target, None, _BIND | _REC)
    if not writable:
        make_read_only(target)


def tmpfs(target: str, *, size: int | None = None, mode: int = 0o755) -> None:
    """An empty file system in memory; `size` in bytes."""
    limit = "" if size is None else f",size={size}"
    mount("tmpfs", target, "tmpfs", _NO_SUID | _NO_DEV, f"mode={mode:o}{limit}")


def make_read_only(target: str, *, recursive: bool = True) -> None:
    """Refuse writes below a mount point (mount_setattr(2); before Linux 5.12 one remount for each mount)."""
    attributes = struct.pack("QQQQ", _ATTR_READ_ONLY, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    try:
        _numbered(_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), flags, attributes, len(attributes))
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        _remount(target, recursive)


def _remount(target: str, recursive: bool) -> None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        place = fields[4].encode().decode("unicode_escape")
        if place == target or (recursive and place.startswith(f"{target}/")):
            kept = sum(_FLAGS.get(option, 0) for option in set(fields[5].split(",")) - {"ro"})
            mount("none", place, None, _BIND | _REMOUNT | _READ_ONLY | kept)


def change_root(new: str) -> None:
    """Make the mount point `new` the root and let go of the old one (pivot_root(2), "pivot_root(".", ".")")."""
    os.chdir(new)
    _numbered(_PIVOT_ROOT.get(platform.machine(), 41), b".", b".")
    call("umount2", b".", _DETACH)
    os.chdir("/")


def drop_capabilities(keep: frozenset[int] = frozenset()) -> None:
    """Give up all capabilities but `keep`, for good: no program that is executed gets them back."""
    for number in range(_LAST_CAPABILITY + 1):
        if number not in keep:
            try:
                prctl(_CAPBSET_DROP, number)
            except OSError as error:
                if error.errno == errno.EINVAL:
                    break
                raise
    prctl(_CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    kept = sum(1 << number for number in keep)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    call("capset", struct.pack("Ii", _CAPABILITY_VERSION, 0), struct.pack("6I", low, low, 0, high, high, 0))
    prctl(_SET_NO_NEW_PRIVS, 1)


def refuse_tracing() -> None:
    """Let no process of the same user read or change this one's memory."""
    prctl(_SET_DUMPABLE, 0)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    call("prctl", option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))


def _numbered(number: int, *arguments: int | bytes) -> None:
    """A system call that the C library has no name for (syscall(2)): its numbers are longs."""
    longs = [ctypes.c_long(value) if isinstance(value, int) else value for value in (number, *arguments)]
    call("syscall", *longs)


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raises OSError for -1."""
    if getattr(_LIBRARY, name)(*arguments) == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
