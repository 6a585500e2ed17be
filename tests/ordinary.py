"""Runs the attempt in a directory as an ordinary user: `python ordinary.py DIRECTORY`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NOBODY = 65534
DUMPABLE = 4  # PR_SET_DUMPABLE, after a change of users /proc/self belongs to root else

if __name__ == "__main__":
    from pegbox.runner import __main__ as runner
    from pegbox.runner import syscalls

    directory = Path(sys.argv[1])
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
        for place in directory.rglob("*"):
            os.chown(place, NOBODY, NOBODY)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        syscalls.prctl(DUMPABLE, 1)
    runner.main(directory)
