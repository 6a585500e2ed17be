"""What the kernel tells a runner: signals, whose numbers arrive on a descriptor, and children that have ended."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator


def listen() -> int:
    """Have TERM, USR1, USR2 and CHLD end a select: returns the descriptor on which their numbers arrive."""
    ours, theirs = os.pipe()
    for fd in (ours, theirs):
        os.set_blocking(fd, False)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
        signal.signal(number, _ignore)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    return ours


def _ignore(number: int, frame: object) -> None:
    """A handler must exist for the wake-up descriptor to be written."""


def ended_children() -> Iterator[tuple[int, int]]:
    """Reap: (pid, exit code) of every child that has ended, adopted ones too."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            yield pid, os.waitstatus_to_exitcode(status)
