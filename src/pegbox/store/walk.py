"""Along the order of a search, in pieces, by the index that has it.

The index ends with the id, and of equal values the newest come first.  Downwards that is the index backwards.  Upwards
many of one value are walked by themselves, backwards; a few are sorted as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pegbox.domain.query import All, Between, Has, Node
from pegbox.store.filters import Numbers, Sql, bounds, joined, probe
from pegbox.store.queries import Place, Search

TOP = 1 << 62  #: in a place: before all of its value

Piece = tuple[list[Place], Place | None, bool]  #: the hits; where it ended; whether nothing comes behind it


def is_in_list(name: str, search: Search) -> bool:
    """Whether resources may have several values of a property."""
    return any(name == root or name.startswith(f"{root}.") for root in search.lists)


class Walk:
    """Of one search."""

    def __init__(self, rows: Callable[[Sql], Sequence[Any]], search: Search, numbers: Numbers, wanted: Node) -> None:
        self._rows = rows
        self._search = search
        self._wanted = wanted
        self._anchor = numbers.names[search.anchor]
        self._sort = numbers.names.get(search.sort_by)
        self._asked = probe(wanted, numbers, "d.resource_id")

    def piece(self, part: str, place: Place | None, most: int, wanted: int) -> Piece:
        """At most so many hits among about `most` entries from a place on."""
        is_down = self._search.descending or part == "none"
        return (self._down if is_down else self._up)(part, place, most, wanted)

    def _down(self, part: str, place: Place | None, most: int, wanted: int) -> Piece:
        column = _column(part)
        after = () if place is None else (Sql(f"(d.{column}, d.resource_id) < (?, ?)", (place.value, place.id)),)
        index = self._index(part, *after)
        ordered = f"ORDER BY d.{column} DESC, d.resource_id DESC"
        last = self._nth(part, index, ordered, most)
        if last is None:
            return self._hits(part, index, ordered, wanted), None, True
        # The value as well: no database ends a walk by a pair under a NOT.
        behind = Sql(
            f"NOT ((d.{column}, d.resource_id) < (?, ?)) AND d.{column} >= ?", (last.value, last.id, last.value)
        )
        return self._hits(part, joined(" AND ", [index, behind]), ordered, wanted), last, False

    def _up(self, part: str, place: Place | None, most: int, wanted: int) -> Piece:
        column, found = _column(part), []
        after = [] if place is None else [Sql(f"d.{column} >= ?", (place.value,))]
        if place is not None and place.id < TOP:  # those that are left of a value
            equal = self._index(part, Sql(f"d.{column} = ? AND d.resource_id < ?", (place.value, place.id)))
            newest = "ORDER BY d.resource_id DESC"
            if last := self._nth(part, equal, newest, most):
                until = joined(" AND ", [equal, Sql("d.resource_id >= ?", (last.id,))])
                return self._hits(part, until, newest, wanted), last, False
            found = self._hits(part, equal, newest, wanted)
            if len(found) == wanted:
                return found, found[-1], False
            after = [Sql(f"d.{column} > ?", (place.value,))]
        index, rising = self._index(part, *after), f"ORDER BY d.{column} ASC"
        end = self._nth(part, index, rising, most)
        if end and (first := self._nth(part, index, rising, 1)) and first.value == end.value:
            more, last, is_over = self._up(part, first._replace(id=TOP - 1), most, wanted - len(found))
            return [*found, *more], last, is_over
        if end:  # before it there are fewer, of any value
            index = joined(" AND ", [index, Sql(f"d.{column} < ?", (end.value,))])
        found += self._hits(part, index, f"{rising}, d.resource_id DESC", wanted - len(found))
        return found, end and end._replace(id=TOP), not end

    def _index(self, part: str, *more: Sql) -> Sql:
        """What is to be read of the index of the order."""
        column = _column(part)
        number = self._anchor if part == "none" else self._sort
        wanted = [
            Sql(f"d.name_id = ? AND d.num IS {'NULL' if part == 'txt' else 'NOT NULL'}", (number,)),
            *(self._narrowed() if part == "num" else ()),
            *more,
            Sql("d.ordinal = 0"),
        ]
        text = f"SELECT d.resource_id AS id, d.{column} AS value FROM property d INDEXED BY property_{column} WHERE"
        return joined(" ", [Sql(text), joined(" AND ", wanted)])

    def _narrowed(self) -> Iterator[Sql]:
        """Bounds of what is sorted by are bounds of the walk."""
        if is_in_list(self._search.sort_by, self._search):
            return
        for each in self._wanted.parts if isinstance(self._wanted, All) else (self._wanted,):
            if isinstance(each, Has) and each.name == self._search.sort_by and isinstance(each.test, Between):
                yield bounds("d", each.test)

    def _nth(self, part: str, index: Sql, ordered: str, nth: int) -> Place | None:
        """The place of an entry; None if there are fewer."""
        found = self._rows(joined(" ", [index, Sql(f"{ordered} LIMIT 1 OFFSET ?", (nth - 1,))]))
        return Place(part, found[0][1], found[0][0]) if found else None

    def _hits(self, part: str, index: Sql, ordered: str, wanted: int) -> list[Place]:
        asked = [index, self._asked]
        if part == "none" and self._sort is not None:
            has = "SELECT 1 FROM property s WHERE s.resource_id = d.resource_id AND s.name_id = ? AND s.ordinal = 0"
            asked.append(Sql(f"(({has}) IS NULL)", (self._sort,)))
        statement = joined(" ", [joined(" AND ", asked), Sql(f"{ordered} LIMIT ?", (wanted,))])
        return [Place(part, value, identity) for identity, value in self._rows(statement)]


def _column(part: str) -> str:
    return "txt" if part == "txt" else "num"
