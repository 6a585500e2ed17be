"""Content files that no row names: how they are found, how many may be removed unasked, and how one is removed.

A crash leaves few of them.  Many mean that the index is another one, or older than the files: then they are somebody's
data.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from pegbox.objects.content import ContentFiles

MOST_SHARE = 0.1  #: of all files; more than that without a name, or without a file, is no work of a crash
MOST_FILES = 1000  #: as many as one DeleteObjects leaves that a crash interrupts

_NAMED = "select 1 from object where content = ?1 union all select 1 from part where content = ?1"
_NAMED_BETWEEN = (
    "select content from object where content >= ?1 and content < ?2"
    " union all select content from part where content >= ?1 and content < ?2"
)

Transaction = Callable[[], AbstractContextManager[sqlite3.Connection]]


class Unnamed:
    """The files of a store that its index does not name.

    `reading` and `writing` begin transactions; nobody else writes during the latter.  `wait` returns when what has been
    committed is on disk.
    """

    def __init__(
        self, reading: Transaction, writing: Transaction, wait: Callable[[], None], content: ContentFiles
    ) -> None:
        self._reading, self._writing, self._wait, self._content = reading, writing, wait, content

    def find(self, seconds: float, ended: Callable[[], bool] = lambda: False) -> Iterator[Path]:
        """Files that no row named when they were looked at, and that nobody has touched for `seconds`."""
        for folder in self._content.folders():
            if ended():
                return
            stale = list(self._content.stale_in(folder, seconds))
            named = self._named(folder.name) if stale and len(folder.name) == 2 else set()
            for path in stale:
                if path.name not in named and not self._is_named(path.name):
                    yield path

    def remove(self, path: Path, dispose: Callable[[Path], object]) -> bool:
        """Let `dispose` have a file, unless a row has come to name it; False if one has.

        The change that took its name is visible before it is on disk: a power cut would bring its row back.
        """
        if self._is_named(path.name):
            return False
        self._wait()
        with self._writing() as connection:  # no put may name it meanwhile
            unnamed = connection.execute(_NAMED, (path.name,)).fetchone() is None
            if unnamed and path.exists():
                dispose(path)
            return unnamed

    def _named(self, beginning: str) -> set[str]:
        """The names in the index that begin with two hexadecimal digits."""
        with self._reading() as connection:
            rows = connection.execute(_NAMED_BETWEEN, (beginning, beginning + "g")).fetchall()
        return {name for (name,) in rows}

    def _is_named(self, content: str) -> bool:
        with self._reading() as connection:
            return connection.execute(_NAMED, (content,)).fetchone() is not None


def is_suspicious(count: int, total: int, share: float = MOST_SHARE) -> bool:
    """Whether so many files of `total` are too many to be left by a crash."""
    return count > share * total or (share < 1 and count > MOST_FILES)
