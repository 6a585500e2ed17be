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
from pegbox.objects.unnamed import MOST_SHARE, Unnamed, is_suspicious

STALE_SECONDS = 3600.0  #: how long a file that nobody names may be on its way into the index
EVERY_SECONDS = 3600.0
_BATCH = 100  #: uploads looked at in one transaction

_QUIET = (
    "select id from upload where started < ?1"
    " and not exists (select 1 from part where upload = id and modified >= ?1) limit ?2"
)

_ANY = "select 1 from object limit 1"

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
        self._unnamed = Unnamed(index.read, index.write, index.wait, content)
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
        return self._unnamed.find(seconds, self._ended.is_set)

    def sweep(self, seconds: float = STALE_SECONDS, share: float = MOST_SHARE) -> int:
        """Remove files that no row names and that nobody has touched for `seconds`; returns how many.

        If more than a `share` of all finished files are without a name, those stay: the index must be a wrong one.
        """
        found = list(self.unnamed(seconds))
        finished = sum(map(self._content.is_finished, found))
        if finished and is_suspicious(finished, total := self._content.count(), share):
            log.warning(
                "%d of %d files below objects/content belong to no object of objects/index.db: none is removed. "
                "Is the index the right one, and not older than the files? pegbox doctor tells more",
                finished,
                total,
            )
            found = [path for path in found if not self._content.is_finished(path)]
        return sum(self._unnamed.remove(path, Path.unlink) for path in found)

    def _is_away(self) -> bool:
        """Whether there is no file at all, though the index names some."""
        with self._index.read() as connection:
            return connection.execute(_ANY).fetchone() is not None and not self._content.count()

    def _run(self) -> None:
        while True:
            try:
                if self._is_away():
                    log.error("objects/content is empty, and objects/index.db names objects: is its disk mounted?")
                uploads = self.collect_uploads(self._upload_seconds) if self._upload_seconds else 0
                files = self.sweep()
                if uploads or files:
                    log.info("removed %d unfinished uploads and %d files without a name", uploads, files)
            except (PegboxError, OSError, sqlite3.Error):
                log.exception("sweeping the object store failed")
            if self._ended.wait(self._every):
                return
