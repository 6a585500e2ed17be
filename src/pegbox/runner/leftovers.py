"""Giving back what only the program needed, before its end is told, as far as that takes a moment.

The server removes whatever is left.  It has all jobs to look after, and a runner only this one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from pegbox.runner import layout
from pegbox.runner.job import Job

MOST = 64  #: files and folders; removing more, as of large inputs, would keep the end waiting
_PASSING = ("home", "tmp", "ml/tmp", "ml/input", "ml/code")
_PLACES = ("ml/model", "ml/output/data", "ml/output", "ml/checkpoints", "ml", "")  #: of results, the inner ones first


def remove(job: Job, host: str) -> None:
    """Remove an instance's own directories for inputs, code and temporary files, if they hold little.

    Places for results go if there is nothing in them, but for one of checkpoints that is looked after: when it is
    missing, nothing is known of single files.
    """
    with contextlib.suppress(OSError):
        layout.root(job, host).rmdir()
    home = layout.home(job, host)
    checkpoints = layout.checkpoint_directory(job, home / "ml")  # may be anywhere below /opt/ml
    for folder in (home / name for name in _PASSING):
        if not (checkpoints.is_relative_to(folder) or folder.is_symlink()) and _entries(folder, MOST) < MOST:
            shutil.rmtree(folder, ignore_errors=True)
    if job.checkpoint_path is None:
        for folder in (home / name for name in _PLACES):
            with contextlib.suppress(OSError):
                folder.rmdir()


def _entries(folder: str | Path, most: int) -> int:
    """How many files and folders it holds, counted no further than `most`; what cannot be read holds too many."""
    found = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                found += 1
                if entry.is_dir(follow_symlinks=False):
                    found += _entries(entry.path, most - found)
                if found >= most:
                    break
    except OSError:
        return most
    return found
