"""A trainer module for tests: importing it is slow on purpose, training tells in which process that happened."""

from __future__ import annotations

import os
import sys
import time

IMPORTED_IN = os.getpid()
time.sleep(0.2)


def main() -> int:
    print(f"forked={int(os.getpid() != IMPORTED_IN)};", flush=True)
    print("argv", sys.argv, "job", os.environ["TRAINING_JOB_NAME"], "secret", os.environ.get("PEGBOX_SECRET"))
    if os.environ.get("FAIL"):
        raise SystemExit(os.environ["FAIL"])
    return 0
