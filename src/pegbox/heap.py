"""Memory that is free goes back to the system.

The C library keeps an arena for every thread, up to eight for each processor, and of each gives back only what is free
at its end.  In a server that lives for months what is free between is most of what it holds.  (glibc manual, "Malloc
Tunable Parameters".)  Other C libraries have neither call.
"""

from __future__ import annotations

import ctypes
import threading

ARENAS = 2  #: threads of one interpreter hardly ever ask for memory at the same time
PERIOD = 60.0  #: seconds
_M_ARENA_MAX = -8

_library = ctypes.CDLL(None)
_mallopt = getattr(_library, "mallopt", None)
_malloc_trim = getattr(_library, "malloc_trim", None)


def share_arenas() -> None:
    """Let threads share them.  Has to be called before there are any."""
    if _mallopt is not None:
        _mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """What is free, wherever it lies."""
    if _malloc_trim is not None:
        _malloc_trim(ctypes.c_size_t(0))


def keep_small(stopping: threading.Event) -> None:
    """Give back what is free, once a minute, until `stopping`."""
    while not stopping.wait(PERIOD):
        give_back()
