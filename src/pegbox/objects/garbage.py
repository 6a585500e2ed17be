"""What nobody will come back for: unfinished uploads, and content files that no row names.

Any number of servers may do this on one folder, and a crash at any point leaves at most work for the next time: a row
goes first, then its files, which are unnamed from then on.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from pegbox.errors import PegboxError
from pegbox.objects.content import ContentFiles
from pegbox.objects.index import Index
from pegbox.objects.rows import milliseconds

STALE_SECONDS = 3600.0  #: how long a file that nobody names may be on its way into the index
EVERY_SECONDS = 3600.0
_BATCH = 100  #: uploads looked at in one transaction

_NAMED = "select 1 from object where content = ?1 union select 1 from part where content = ?1"
_NAMED_BETWEEN = (
    "select content from object where content >= ?1 and content < ?2"
    " union all select content from part where content >= ?1 and content < ?2"
)
_QUIET = (
    "select id from upload where started < ?1"
    " and not exists (select 1 from part where upload = id and modified >= ?1) limit ?2"
)

log = logging.getLogger(__name__)


class Garbage:
    """Collects, once at the start and then again and again, on a thread of its own."""

    def __init__(
        self,
        index: Index,
        content: ContentFiles,
        clock: Callable[[], datetime],
        upload_seconds: float,
        every: float = EVERY_SECONDS,
    ) -> None:
        self._index, self._content, self._clock = index, content, clock
        self._upload_seconds, self._every = upload_seconds, every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="object-sweep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; what has not been looked at is for the next time."""
        self._ended.set()
        self._thread.join()

    def collect_uploads(self, seconds: float) -> int:
        """Remove uploads that began and had their last part more than `seconds` ago; returns how many."""
        limit = milliseconds(self._clock()) - round(seconds * 1000)
        collected = 0
        while not self._ended.is_set():
            with self._index.write() as connection:
                found = connection.execute(_QUIET, (limit, _BATCH)).fetchall()
                dropped: list[tuple[str]] = []
                for upload in found:
                    dropped += connection.execute("select content from part where upload = ?", upload).fetchall()
                    connection.execute("delete from upload where id = ?", upload)
            for (name,) in dropped:
                self._content.remove(name)
            collected += len(found)
            if len(found) < _BATCH:
                break
        return collected

    def unnamed(self, seconds: float) -> Iterator[Path]:
        """Files that no row named when they were looked at, and that nobody has touched for `seconds`."""
        for folder in self._content.folders():
            if self._ended.is_set():
                return
            stale = list(self._content.stale_in(folder, seconds))
            named = self._named(folder.name) if len(folder.name) == 2 else set()
            for path in stale:
                if path.name not in named and not self._is_named(path.name):
                    yield path

    def sweep(self, seconds: float = STALE_SECONDS) -> int:
        """Remove files that no row names and that nobody has touched for `seconds`; returns how many."""
        removed = 0
        for path in self.unnamed(seconds):
            removed += self._remove_unnamed(path)
        return removed

    def _run(self) -> None:
        while True:
            try:
                uploads = self.collect_uploads(self._upload_seconds) if self._upload_seconds else 0
                files = self.sweep()
                if uploads or files:
                    log.info("removed %d unfinished uploads and %d files without a name", uploads, files)
            except (PegboxError, OSError, sqlite3.Error):
                log.exception("sweeping the object store failed")
            if self._ended.wait(self._every):
                return

    def _named(self, beginning: str) -> set[str]:
        """The names in the index that begin with two hexadecimal digits."""
        with self._index.read() as connection:
            rows = connection.execute(_NAMED_BETWEEN, (beginning, beginning + "g")).fetchall()
        return {name for (name,) in rows}

    def _is_named(self, content: str) -> bool:
        with self._index.read() as connection:
            return connection.execute(_NAMED, (content,)).fetchone() is not None

    def _remove_unnamed(self, path: Path) -> bool:
        with self._index.write() as connection:  # no put may name it meanwhile
            unnamed = connection.execute(_NAMED, (path.name,)).fetchone() is None
            if unnamed:
                path.unlink(missing_ok=True)
            return unnamed
