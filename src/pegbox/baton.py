"""One thread of the engine at a time is busy; the others wait their turn, or wait for something else.

CPython runs one thread at a time and may hand on to another at every call of the system.  Two busy threads on two
processors then spend as much on waking each other as on their work.  The baton is a courtesy and no lock: whoever has
waited for it for PATIENCE goes ahead without, so nothing that takes long can hold up anybody.  Whoever waits for a
disk, another process or another thread puts it down meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 0.02  #: seconds

_baton = threading.Lock()
_mine = threading.local()


@contextmanager
def carried() -> Iterator[None]:
    """Be busy, when one's turn has come."""
    _take()
    try:
        yield
    finally:
        _give()


@contextmanager
def put_down() -> Iterator[None]:
    """Wait for something; others are busy meanwhile.  Changes nothing for a thread that does not carry the baton."""
    if not getattr(_mine, "is_in_turn", False):
        yield
        return
    _give()
    try:
        yield
    finally:
        _take()


def _take() -> None:
    _mine.has_baton = _baton.acquire(timeout=PATIENCE)
    _mine.is_in_turn = True


def _give() -> None:
    _mine.is_in_turn = False
    if _mine.has_baton:
        _mine.has_baton = False
        _baton.release()
