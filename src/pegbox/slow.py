"""Steps that take a moment as a rule: of one that takes longer it is told what is done, how far it is, and its end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

FIRST, AGAIN = 2.0, 10.0  #: seconds until something is said, and between two times


@contextmanager
def telling(what: str, so_far: Callable[[], str] = str) -> Iterator[None]:
    """Do `what`, as "upgrading the database"; `so_far` is asked in another thread."""
    over = threading.Event()
    began = time.monotonic()
    said = False

    def tell() -> None:
        nonlocal said
        pause = FIRST
        while not over.wait(pause):
            said, pause = True, AGAIN
            _say(what, began, so_far())

    thread = threading.Thread(target=tell, name="slow", daemon=True)
    thread.start()
    try:
        yield
        ending = "done"
    except BaseException:
        ending = "not done"
        raise
    finally:
        over.set()
        thread.join()
        if said:
            _say(what, began, ending)


def _say(what: str, began: float, state: str) -> None:
    """To the log of a server; a command has none."""
    seconds = round(time.monotonic() - began, 1)
    if structlog.is_configured():
        structlog.get_logger().info(what, seconds=seconds, **({"state": state} if state else {}))
    else:
        print(f"pegbox: {what}, {seconds:g} s: {state or 'not done yet'}", file=sys.stderr, flush=True)
