"""Steps of work, whose times an observer hears."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from pegbox.engine.context import Context

P = ParamSpec("P")
T = TypeVar("T")


class Worker(Protocol):
    """What has steps."""

    _context: Context


W = TypeVar("W", bound=Worker)


def step(method: Callable[Concatenate[W, P], T]) -> Callable[Concatenate[W, P], T]:
    """A method that is one step of work; its name without the underscore is the step's."""
    name = method.__name__.removeprefix("_")

    @wraps(method)
    def timed(self: W, /, *args: P.args, **kwargs: P.kwargs) -> T:
        began = time.perf_counter()
        try:
            return method(self, *args, **kwargs)
        finally:
            self._context.observer.stepped(name, time.perf_counter() - began)

    return timed
