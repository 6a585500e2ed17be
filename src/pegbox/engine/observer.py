"""Whoever counts what the engine does."""

from __future__ import annotations

from typing import Protocol


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
