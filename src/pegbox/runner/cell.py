"""The walls around a training program: its own processes, its own view of the files, no capabilities.

The runner enters a user namespace unless it is root with all rights.  Each instance then gets a process, a mount and an
IPC namespace.  Its first process (pid 1) builds the view, starts the program and stays to reap; when it ends, for
whatever reason, the kernel kills everything in the namespace (pid_namespaces(7)).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Iterable, Sequence
from typing import NoReturn

from pegbox.runner import syscalls
from pegbox.runner.view import Entry, Kind

#: CAP_CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID: what root keeps, since files may be others'
KEPT_BY_ROOT = frozenset({0, 1, 3, 4, 5, 6, 7})

_SET_FLAGS, _UP = 0x8914, 0x1  # SIOCSIFFLAGS, IFF_UP
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ACCELERATORS = ("nvidia", "dri", "kfd", "infiniband", "neuron", "accel", "dxg")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs")
_PROC_COVERED = ("kcore", "keys", "timer_list", "latency_stats", "sched_debug", "kallsyms")


def enter_as_runner(*, network: bool = True) -> None:
    """What has to be done once for an attempt.  Raises OSError where namespaces are not allowed.

    Without `network`, all its instances share one in which nothing can be reached but they themselves.
    """
    if not syscalls.may_administer():
        syscalls.own_user_namespace()
    if not network:
        syscalls.unshare(syscalls.NEWNET)
        loopback_up()


def loopback_up() -> None:
    """Make 127.0.0.0/8 reachable in a new network namespace (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        request = struct.pack("16sh22x", b"lo", _UP)
        fcntl.ioctl(channel, _SET_FLAGS, request)


def unshare() -> None:
    """Namespaces for one instance; the next child is the first process in them."""
    syscalls.unshare(syscalls.NEWNS | syscalls.NEWPID | syscalls.NEWIPC)


def build(view: Sequence[Entry], base: str, memory: int | None = None) -> None:
    """As the first process: make the view our root and give up what is needed for that.  `base` may be created.

    `memory`: bytes that files in memory may take at most; half of the machine's when there is no limit.
    """
    is_root = os.geteuid() == 0
    os.makedirs(base, exist_ok=True)
    syscalls.private_mounts()
    syscalls.tmpfs(base)
    for name in os.listdir("/"):  # /bin and the like, where they are links into /usr
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{base}/{name}")
    covers = []
    for entry in view:
        place = base + entry.target
        if entry.source is None:
            if not os.path.lexists(place):  # it is covered with what is above
                continue
            covers.append(place)
        _show(entry, place)
    for place in covers:  # only now: what lies below has its place in it
        syscalls.make_read_only(place, recursive=False)
    _devices(f"{base}/dev", memory)
    _processes(f"{base}/proc", is_root)
    syscalls.make_read_only(base, recursive=False)
    syscalls.change_root(base)
    syscalls.drop_capabilities(KEPT_BY_ROOT if is_root else frozenset())


def _show(entry: Entry, place: str) -> None:
    is_directory = os.path.isdir(entry.source or place)
    try:
        _make(place, is_directory)
        if entry.inside and os.path.realpath(place) != place:  # a link inside something visible leads away
            if entry.kind is Kind.READABLE:
                return
            raise OSError(0, "a part of the path is a link")
        if entry.source is not None:
            syscalls.bind(entry.source, place, writable=entry.writable)
        elif is_directory:
            syscalls.tmpfs(place)
        else:
            syscalls.bind(os.devnull, place)
    except OSError as error:
        raise OSError(error.errno, f"cannot show {entry.target}: {error.strerror}") from None


def _make(place: str, is_directory: bool) -> None:
    if os.path.lexists(place):
        return
    os.makedirs(place if is_directory else os.path.dirname(place), exist_ok=True)
    if not is_directory:
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))


def _devices(dev: str, memory: int | None) -> None:
    os.mkdir(dev)
    found = [*_DEVICES, *(name for name in os.listdir("/dev") if name.startswith(_ACCELERATORS))]
    for name in found:
        if os.path.exists(f"/dev/{name}"):
            _make(f"{dev}/{name}", os.path.isdir(f"/dev/{name}"))
            syscalls.bind(f"/dev/{name}", f"{dev}/{name}")
    for name, target in _LINKS.items():
        os.symlink(target, f"{dev}/{name}")
    os.mkdir(f"{dev}/pts")
    with contextlib.suppress(OSError):  # programs do without terminals
        syscalls.mount("devpts", f"{dev}/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620")
    os.mkdir(f"{dev}/shm")
    syscalls.tmpfs(f"{dev}/shm", size=memory, mode=0o1777)


def _processes(proc: str, is_root: bool) -> None:
    os.mkdir(proc)
    syscalls.mount("proc", proc, "proc")
    if not is_root:  # of this, only root may change or read anything
        return
    for name in _PROC_READ_ONLY:
        if os.path.exists(f"{proc}/{name}"):
            syscalls.bind(f"{proc}/{name}", f"{proc}/{name}", writable=False)
    for name in _PROC_COVERED:
        if os.path.exists(f"{proc}/{name}"):
            syscalls.bind(os.devnull, f"{proc}/{name}")


def attend(main: int, verdict: int) -> NoReturn:
    """As the first process: reap, forward TERM to the program's group, tell how the program ended, and end.

    TERM and CHLD are blocked.  After TERM the group may use its grace; it is the runner that ends it with KILL.
    """
    syscalls.refuse_tracing()
    is_stopping = False
    status = None
    while status is None:
        if signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGTERM:
            is_stopping = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(main, signal.SIGTERM)
        for pid, ended in _ended():
            status = ended if pid == main else status
    os.write(verdict, b"%d\n" % status)
    if is_stopping:
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-main, 0)
    os._exit(0)


def _ended() -> Iterable[tuple[int, int]]:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, status
