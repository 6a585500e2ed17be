"""Columns in memory, for what no index answers quickly: conditions that are frequent and seldom met together.

A column has a property's value for every resource of a kind; arithmetic over a million of them takes a millisecond.
They are read when that pays and follow `property_change`, in which whoever writes properties says of whom: only what
changed is read again.  Columns that were not used for long are given up for others.  See docs/design/search.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Connection, Engine

from pegbox.domain.query import All, AnyOf, Has, Node, Not
from pegbox.store.column import Column, Mask, Unsuited, fulfilling, read
from pegbox.store.column_source import Floats, Source, Whole
from pegbox.store.filters import AMONG
from pegbox.store.queries import Place

MEMORY = 256 << 20  #: bytes that all columns of a process may take
MOST_CHANGED = 20_000  #: resources that are read again; beyond that everything is
#: what costs as much as to look at one entry of an index and ask its resource: values to read, values to compute with
READ, COMPUTED = 15, 2000


class Wanted(NamedTuple):
    """A search, with numbers for names."""

    scope: tuple[str, str, str]
    anchor: int
    sort: int | None
    names: Mapping[str, int]
    node: Node
    parts: Sequence[str]  #: of the order, those that are still to come
    descending: bool
    after: Place | None
    limit: int

    def numbers(self) -> set[int]:
        """The columns that it takes."""
        return {self.anchor, *self.names.values(), *(() if self.sort is None else (self.sort,))}


@dataclass(slots=True)
class _Table:
    """The resources of a kind, by rising id."""

    ids: Whole
    seen: int  #: of `property_change`
    unsuited: set[int] = field(default_factory=set)  #: names that have long texts
    columns: OrderedDict[int, Column] = field(default_factory=OrderedDict)

    def size(self) -> int:
        return self.ids.nbytes + sum(each.size() for each in self.columns.values())


class Columns:
    """Those of one database in this process."""

    def __init__(self) -> None:
        self._tables: OrderedDict[tuple[str, str, str], _Table] = OrderedDict()
        self._looks: dict[int, float] = {}  #: that each column which is not there would have spared
        self._lock = Lock()

    def worth(self, wanted: Wanted, looks: float, resources: int) -> bool:
        """Whether they are to answer what takes so many looks without them.

        They are read once looks have cost as much as reading would have: so nothing ever costs more than about twice
        the least.
        """
        numbers = wanted.numbers()
        if looks * COMPUTED <= len(numbers) * resources:
            return False
        with self._lock:
            table = self._tables.get(wanted.scope)
            if table is not None and not table.unsuited.isdisjoint(numbers):
                return False
            missing = numbers if table is None else numbers - table.columns.keys()
            for number in missing:
                self._looks[number] = self._looks.get(number, 0) + looks / len(missing)
            return sum(self._looks[number] for number in missing) * READ >= len(missing) * resources

    def find(self, source: Source, wanted: Wanted) -> tuple[list[Place], int] | None:
        """The first places, one more than the limit, and the number of all hits; None where columns are unsuited."""
        with self._lock:
            try:
                table = self._present(source, wanted)
                for number in wanted.numbers():
                    self._column(source, table, number)
                hits = np.flatnonzero(_passing(wanted.node, table, wanted.names))
                return list(_ordered(table, hits, wanted)), len(hits)
            except Unsuited:
                return None
            finally:
                self._give_up()

    def _present(self, source: Source, wanted: Wanted) -> _Table:
        """The table as the transaction sees it.  Raises Unsuited where another one has seen more."""
        (least, most) = source.rows("SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM property_change", ())[0]
        table = self._tables.get(wanted.scope)
        if table is not None and table.seen > most:
            raise Unsuited
        if table is not None and table.seen < most:
            del self._tables[wanted.scope]  # a fault may leave it half followed
            changed = None if table.seen < least - 1 else _changed(source, table.seen)
            if changed is None or not _follow(source, table, changed, wanted.anchor):
                table = None
            else:
                table.seen = most
                self._tables[wanted.scope] = table
        if table is None:
            ids, numbers = source.numbers(wanted.anchor)
            self._looks.pop(wanted.anchor, None)
            order = np.argsort(ids, kind="stable")
            table = _Table(ids[order], most)
            table.columns[wanted.anchor] = Column(numbers[order], np.full(len(ids), -1, np.int32))
            self._tables[wanted.scope] = table
        self._tables.move_to_end(wanted.scope)
        return table

    def _column(self, source: Source, table: _Table, number: int) -> None:
        if number in table.unsuited:
            raise Unsuited
        if number not in table.columns:
            self._looks.pop(number, None)
            try:
                table.columns[number] = read(source, table.ids, number)
            except Unsuited:
                table.unsuited.add(number)
                raise
        table.columns.move_to_end(number)

    def _give_up(self) -> None:
        """What was not used for longest goes first."""
        while sum(table.size() for table in self._tables.values()) > MEMORY:
            table = next(iter(self._tables.values()))
            if len(table.columns) > 1:
                table.columns.popitem(last=False)
            else:
                self._tables.popitem(last=False)


_of_engines: WeakKeyDictionary[Engine, Columns] = WeakKeyDictionary()


def of(connection: Connection) -> Columns:
    """The columns of a connection's database."""
    return _of_engines.setdefault(connection.engine, Columns())


# Reading.


def _changed(source: Source, seen: int) -> Whole | None:
    """Whose properties have changed since; None if they are too many."""
    ranges = source.rows("SELECT first_id, last_id FROM property_change WHERE seq > ? ORDER BY seq", (seen,))
    if sum(last - first + 1 for first, last in ranges) > MOST_CHANGED:
        return None
    return np.unique(np.fromiter(chain.from_iterable(range(a, b + 1) for a, b in ranges), np.int64))


def _follow(source: Source, table: _Table, changed: Whole, anchor: int) -> bool:
    """Bring a table up to date; False if it has to be read anew."""
    names = list(table.columns)
    values: dict[int, dict[int, tuple[float | None, str | None]]] = {}
    statement = (
        f"SELECT d.resource_id, d.name_id, d.num, d.txt, d.more FROM property d WHERE d.resource_id {AMONG} "
        f"AND d.ordinal = 0 AND d.name_id IN ({', '.join('?' * len(names))})"
    )
    for identity, name, number, text, more in source.rows(statement, (changed.tolist(), *names)):
        if more is not None:
            return False
        values.setdefault(identity, {})[name] = (number, text)
    here = np.array(sorted(each for each, found in values.items() if anchor in found), np.int64)
    kept = ~np.isin(table.ids, changed, assume_unique=True)
    ids = table.ids[kept]
    places = np.searchsorted(ids, here)
    try:
        for name, column in table.columns.items():
            column.put(kept, places, [values[each].get(name, (None, None)) for each in here.tolist()])
    except Unsuited:
        return False
    table.ids = np.insert(ids, places, here)
    return True


# Conditions.


def _passing(node: Node, table: _Table, names: Mapping[str, int]) -> Mask:
    match node:
        case Has(name, test):
            return fulfilling(table.columns[names[name]], test)
        case Not(part):
            return ~_passing(part, table, names)
        case All(parts) | AnyOf(parts):
            is_all = isinstance(node, All)
            found = np.full(len(table.ids), is_all)
            for part in parts:
                inner = _passing(part, table, names)
                found = found & inner if is_all else found | inner
            return found
    raise Unsuited


# The order.


def _ordered(table: _Table, hits: Whole, wanted: Wanted) -> Iterator[Place]:
    """The first hits behind the place, one more than the limit."""
    missing = wanted.limit + 1
    for part in wanted.parts:
        whose, values, texts = _part(table, hits, part, wanted)
        is_down = wanted.descending or part == "none"
        if wanted.after is not None and wanted.after.part == part:
            behind = _behind(table.ids[whose], values, texts, wanted.after, is_down)
            whose, values = whose[behind], values[behind]
        for place in _first(values if not is_down else -values, whose, missing):
            value = values[place]
            shown = float(value) if texts is None else texts[int(value)]
            yield Place(part, shown, int(table.ids[whose[place]]))
            missing -= 1
        if not missing:
            return


def _part(table: _Table, hits: Whole, part: str, wanted: Wanted) -> tuple[Whole, Floats, list[str] | None]:
    """Of a part of the order: whose values, the values or the ranks of texts, and the texts by rank."""
    column = None if wanted.sort is None else table.columns[wanted.sort]
    if column is None:
        return hits, table.columns[wanted.anchor].numbers[hits], None
    numbers, codes = column.numbers[hits], column.codes[hits]
    if part == "num":
        there = ~np.isnan(numbers)
        return hits[there], numbers[there], None
    if part == "txt":
        if column.every is not None:
            raise Unsuited
        there = codes >= 0
        texts = sorted(column.texts)
        ranks = np.zeros(len(texts) + 1)
        ranks[[column.known[text] for text in texts]] = np.arange(len(texts))
        return hits[there], ranks[codes[there]], texts
    there = np.isnan(numbers) & (codes < 0)
    return hits[there], table.columns[wanted.anchor].numbers[hits[there]], None


def _behind(ids: Whole, values: Floats, texts: list[str] | None, after: Place, is_down: bool) -> Mask:
    """What comes behind a place: of equal values the newest come first."""
    limit = float(after.value) if texts is None else _rank(texts, str(after.value))
    further = values < limit if is_down else values > limit
    found: Mask = np.logical_or(further, (values == limit) & (ids < after.id))
    return found


def _rank(texts: list[str], text: str) -> float:
    """Where a text is among sorted ones; between two of them if it is none of them."""
    place = bisect_left(texts, text)
    return place if place < len(texts) and texts[place] == text else place - 0.5


def _first(values: Floats, whose: Whole, most: int) -> list[int]:
    """The places of the smallest values, of equal ones the last; at most so many."""
    if len(values) > most:
        limit = np.partition(values, most - 1)[most - 1]
        below, equal = np.flatnonzero(values < limit), np.flatnonzero(values == limit)
        places = np.concatenate([below, equal[len(equal) - (most - len(below)) :]])
    else:
        places = np.arange(len(values))
    return [int(each) for each in places[np.lexsort((-whose[places], values[places]))]]
