"""One fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pegbox.settings import Settings
from pegbox.store import place
from pegbox.store.sql import SqlStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it should be."""

    kind: str  #: what it is called in docs/how-to/doctor.md
    about: str  #: which file, job, object, ...
    message: str  #: what it means and, if nothing can be repaired, what to do
    repair: Callable[[], str] | None = None  #: mends it and says how; raises NotRepaired or OSError


class NotRepaired(Exception):
    """It could not be mended; the message says what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is examined."""

    settings: Settings
    store: SqlStore
    identity: str  #: of the home; "" before its first start
    served: bool  #: whether a server of this home is running
    database: str  #: digest of the place of the database that the last server of this home had; "" if there was none
    deep: bool  #: whether contents are read
    clock: Callable[[], float]  #: epoch seconds
    stale: float  #: seconds after which a file that nobody names is a leftover

    @property
    def now(self) -> float:
        """Epoch seconds."""
        return self.clock()

    @property
    def lost_and_found(self) -> Path:
        """Where repairs put what may be somebody's data."""
        return self.settings.home / "lost+found"

    @property
    def has_no_database(self) -> bool:
        """Whether there is none yet, or none any more: to look into it would make an empty one."""
        return place.is_missing(self.store.engine)
