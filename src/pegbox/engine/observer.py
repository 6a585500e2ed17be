"""Whoever counts what the engine does."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from pegbox.engine.context import Context

P = ParamSpec("P")
T = TypeVar("T")


class Observer(Protocol):
    """Hears what happened.  Called from many threads; never raises."""

    def claimed(self, kind: str) -> None:
        """A row was claimed; `kind` is that of the resource."""
        ...

    def worked(self, kind: str, result: str) -> None:
        """Work on a row ended: done, stale (the row changed), fenced (the lease was lost), unavailable or fault."""
        ...

    def stepped(self, step: str, seconds: float) -> None:
        """One step of work was carried out."""
        ...

    def imported(self, points: int) -> None:
        """So many metric points were read from attempts."""
        ...

    def asked(self, strategy: str, seconds: float, fallback: bool) -> None:
        """A strategy was asked; `fallback` says that it failed and random search answered."""
        ...

    def ended(self, kind: str, status: str) -> None:
        """A job has reached its terminal status."""
        ...


class Unobserved:
    """An Observer that does not look."""

    def claimed(self, kind: str) -> None:
        """Nothing."""

    def worked(self, kind: str, result: str) -> None:
        """Nothing."""

    def stepped(self, step: str, seconds: float) -> None:
        """Nothing."""

    def imported(self, points: int) -> None:
        """Nothing."""

    def asked(self, strategy: str, seconds: float, fallback: bool) -> None:
        """Nothing."""

    def ended(self, kind: str, status: str) -> None:
        """Nothing."""


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
