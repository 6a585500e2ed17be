"""Listing keys with prefix and delimiter, in UTF-8 byte order.

A common prefix is counted once, whatever lies under it: after a few keys under the same one the listing jumps over
the rest of them in the index.
"""

from __future__ import annotations

import sqlite3

from pegbox.objects.rows import OBJECT, object_of
from pegbox.objects.stored import Page, StoredObject

_PATIENCE = 50  #: keys under one common prefix before it is worth another search in the index


def list_page(connection: sqlite3.Connection, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Page:
    """At most `limit` objects and common prefixes of `bucket` that come after `after`.

    `after` may be a key or a common prefix of an earlier page.
    """
    listing = _Listing(prefix.encode(), delimiter.encode(), after.encode(), limit)
    start: bytes | None = max(listing.prefix, listing.beyond(listing.after))
    while start is not None:
        start = listing.read_from(connection, bucket, start)
    return listing.page()


class _Listing:
    def __init__(self, prefix: bytes, delimiter: bytes, after: bytes, limit: int) -> None:
        self.prefix, self.delimiter, self.after, self.limit = prefix, delimiter, after, limit
        self.objects: list[StoredObject] = []
        self.prefixes: list[bytes] = []
        self.last: bytes | None = None
        self.more = False

    def read_from(self, connection: sqlite3.Connection, bucket: str, start: bytes) -> bytes | None:
        """Take keys from `start` on; returns where to search again, None at the end."""
        end = successor(self.prefix)
        upper, bound = ("", ()) if end is None else (" and key < ?", (end,))
        query = f"select {OBJECT} from object where bucket = ? and key >= ?{upper} order by key"
        cursor = connection.execute(query, (bucket, start, *bound))
        try:
            return self._take(cursor)
        finally:
            cursor.close()

    def _take(self, cursor: sqlite3.Cursor) -> bytes | None:
        under = 0
        for row in cursor:
            key: bytes = row[1]
            if key <= self.after:
                continue
            common = self.common_prefix(key)
            if common is not None and common == self.last:
                under += 1
                if under > _PATIENCE:
                    return successor(common)
                continue
            if len(self.objects) + len(self.prefixes) >= self.limit:
                self.more = True
                return None
            under = 0
            self.last = key if common is None else common
            if common is None:
                self.objects.append(object_of(row))
            else:
                self.prefixes.append(common)
        return None

    def common_prefix(self, key: bytes) -> bytes | None:
        at = key.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
        return key[: at + len(self.delimiter)] if at >= 0 else None

    def beyond(self, after: bytes) -> bytes:
        """Where keys after `after` begin: behind all keys of a common prefix that has been listed."""
        if after.startswith(self.prefix) and after != self.prefix and self.common_prefix(after) == after:
            return successor(after) or after
        return after

    def page(self) -> Page:
        prefixes = tuple(prefix.decode() for prefix in self.prefixes)
        last = self.last.decode() if self.more and self.last is not None else None
        return Page(objects=tuple(self.objects), prefixes=prefixes, last=last)


def successor(prefix: bytes) -> bytes | None:
    """The first string of bytes behind all those that begin with `prefix`; None if there is none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None
