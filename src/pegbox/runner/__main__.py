"""`python -m pegbox.runner <directory>`: run the attempt in a directory, detached from whoever asks for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pegbox.runner import process, records, supervise


def main(directory: Path) -> None:
    """Cut all ties (descriptors, working directory), then supervise.  The caller made the session."""
    os.chdir(directory)
    os.umask(0o022)  # what a program writes elsewhere is not as private as the server's own files
    process.close_descriptors()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    diary = os.open(records.DIARY, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(diary, 1)
    os.dup2(diary, 2)
    process.close_descriptors()
    supervise.run(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
