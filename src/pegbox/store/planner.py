"""How a search is run: by its own small planner, since those of the databases take the sort order's index where a
condition has few hits, and then read all of it.  docs/design/search.md has the figures.

Every condition that an index can answer is counted there, up to a bound.  If one has few candidates, all of them are
looked at.  Otherwise the index of the sort order is walked, in pieces, and everything else is asked of each resource;
before a next, larger piece it is looked again whether the candidates of one condition are fewer.  So no search takes
much longer than the better of the two ways would have.  Where both are long, and where each text of a property would
have to be looked at, columns in memory answer (see `columns`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from sqlalchemy import Connection

from pegbox.domain.query import All, AnyOf, Containing, Has, Nested, Node
from pegbox.store import column_source, columns, index
from pegbox.store.filters import (
    AMONG,
    EVERYTHING,
    NOTHING,
    Numbers,
    Scan,
    Sql,
    contains,
    joined,
    lists_in,
    names_in,
    probe,
    scans,
    simplified,
)
from pegbox.store.queries import Place, Search
from pegbox.store.walk import Walk, is_in_list

FEW = 1000  #: candidates that are all looked at
PIECE = 1000  #: entries of a sort order that are walked first
GROWTH = 4  #: how much longer each next piece is
SAMPLE = 250  #: candidates among which hits are counted for the least that there are
LISTED = "SELECT value AS id FROM json_each(?)"  #: ids that are given
MANY = 20_000  #: candidates whose ids are not kept
PASSED = 40  #: entries of an index that are passed over in the time of a look at one
CELL = 12  #: bytes of a value in a column
MOST_COUNTED = 10_000  #: hits that are counted if an index alone can count them
#: entries of a sort order that are walked before a page is given out as it is: some seconds of a slow database.  No
#: time: a busy machine would answer otherwise than an idle one
MOST_WALKED = 300_000

_LIKE = re.compile(r"(\w\.\w+) LIKE")  #: in collation C, lower() knows ASCII letters only
_BY = re.compile(r" INDEXED BY \w+")
#: PostgreSQL knows nothing of how many hits a condition has; all that is here is meant row by row
_SWITCHES = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan", "enable_bitmapscan", "jit")
_ROW_BY_ROW = "SELECT " + ", ".join(f"set_config('{name}', 'off', true)" for name in _SWITCHES)


@dataclass(frozen=True, slots=True)
class Hits:
    """The places of a page, and the rest of a Found."""

    places: Sequence[Place]
    after: Place | None
    total: int
    exact: bool


class Driver(NamedTuple):
    """Candidates among which all hits are, and how many entries of indexes they have."""

    scans: Sequence[Scan]
    entries: int
    ids: Sequence[int] | None = None  #: whose they are, where that was found while counting: not to look twice


def find(connection: Connection, search: Search) -> Hits:
    """The page."""
    numbers, counts = _numbers(connection, search)
    wanted = simplified(search.wanted, numbers)
    if wanted == NOTHING or search.anchor not in numbers.names:
        return Hits((), None, 0, True)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_ROW_BY_ROW)
    return _Run(connection, search, numbers, wanted, counts).find()


def _numbers(connection: Connection, search: Search) -> tuple[Numbers, Mapping[str, int]]:
    """The numbers of names, and how many resources have them."""
    scope = (search.account, search.region, search.kind)
    wanted = {*names_in(search.wanted), search.sort_by, search.anchor}
    elements = {root: index.below(connection, *scope, root) for root in set(lists_in(search.wanted))}
    known = index.known(connection, *scope, wanted)
    numbers = Numbers({name: number for name, (number, _) in known.items()}, elements)
    return numbers, {name: count for name, (_, count) in known.items()}


class _Run:
    """One search."""

    def __init__(
        self, connection: Connection, search: Search, numbers: Numbers, wanted: Node, counts: Mapping[str, int]
    ) -> None:
        self._connection = connection
        self._search = search
        self._numbers = numbers
        self._wanted = wanted
        self._all = counts[search.anchor]
        self._sorted = 0 if is_in_list(search.sort_by, search) else counts.get(search.sort_by, 0)
        self._anchor = numbers.names[search.anchor]
        self._sort = numbers.names.get(search.sort_by)
        self._contains = contains(wanted)
        self._is_sqlite = connection.dialect.name == "sqlite"

    def find(self) -> Hits:
        driver = self._driver(FEW, scanning=False)
        return self._walked(driver) if driver.entries > FEW else self._all_of(driver)

    # Few candidates: all of them.

    def _all_of(self, driver: Driver) -> Hits:
        found = sorted(self._places(driver), key=self._order)
        later = (
            found
            if self._search.after is None
            else [each for each in found if self._order(each) > self._order(self._search.after)]
        )
        return self._page(later, len(found), exact=True)

    def _places(self, driver: Driver) -> Iterator[Place]:
        """The place in the order of every hit among the candidates."""
        candidates = _union(driver.scans) if driver.ids is None else Sql(LISTED, (list(driver.ids),))
        asked = probe(self._wanted, self._numbers, "c.id")
        # CROSS JOIN: SQLite keeps that order.
        statement = joined(
            " ",
            [
                Sql("WITH c AS MATERIALIZED ("),
                candidates,
                Sql(
                    ") SELECT c.id, s.num, s.txt, a.num FROM c CROSS JOIN property a LEFT JOIN property s "
                    "ON s.resource_id = c.id AND s.name_id = ? AND s.ordinal = 0 "
                    "WHERE a.resource_id = c.id AND a.name_id = ? AND a.ordinal = 0 AND",
                    (-1 if self._sort is None else self._sort, self._anchor),
                ),
                asked,
            ],
        )
        for identity, number, text, anchor in self._rows(statement):
            if number is not None:
                yield Place("num", number, identity)
            else:
                yield Place("none", anchor, identity) if text is None else Place("txt", text, identity)

    def _order(self, place: Place) -> Any:
        """Numbers, text, nothing; or text, numbers, nothing, each from its end; nothing is the newest first."""
        part = self._parts().index(place.part)
        if self._is_down(place.part):
            return part, _Backwards((place.value, place.id))
        return part, (place.value, -place.id)

    def _is_down(self, part: str) -> bool:
        return self._search.descending or part == "none"

    def _parts(self) -> tuple[str, ...]:
        return ("txt", "num", "none") if self._search.descending else ("num", "txt", "none")

    def _page(self, later: Sequence[Place], total: int, *, exact: bool) -> Hits:
        page = later[: self._search.limit]
        after = page[-1] if len(later) > len(page) else None
        return Hits(page, after, total, exact)

    # Many candidates: along the order.

    def _walked(self, driver: Driver) -> Hits:
        found: list[Place] = []
        piece, walked = PIECE, 0
        place, parts = self._search.after, self._remaining()
        walk = Walk(self._rows, self._search, self._numbers, self._wanted)
        while parts:
            hits, place, is_over = walk.piece(parts[0], place, piece, self._search.limit + 1 - len(found))
            found += hits
            if len(found) > self._search.limit:
                break
            if is_over:
                parts, place = parts[1:], None
                continue
            walked, piece = walked + piece, piece * GROWTH
            missing = self._search.limit + 1 - len(found)
            expected = int(walked * missing / max(len(found), 0.5))  # entries until the page is full
            driver = self._driver(expected, scanning=False)
            scan = self._all / PASSED if self._contains else inf
            if (told := self._in_columns(min(driver.entries, expected, scan))) is not None:
                return told
            if min(driver.entries, expected) > scan:
                driver = self._driver(expected, scanning=True)
            if driver.entries <= expected:
                return self._all_of(driver)
            if walked > MOST_WALKED:
                return Hits(found, place, *self._total(driver, len(found)))
        total, exact = self._total(driver, len(found))
        return self._page(found, total, exact=exact)

    def _in_columns(self, looks: float) -> Hits | None:
        """The page by columns in memory, where they can tell it and that is worth more than so many looks."""
        if any(is_in_list(name, self._search) for name in (*names_in(self._wanted), self._search.sort_by)):
            return None
        names = {name: self._numbers.names[name] for name in names_in(self._wanted)}
        if (len(names) + 2) * self._all * CELL > columns.MEMORY:
            return None
        search = self._search
        wanted = columns.Wanted(
            scope=(search.account, search.region, search.kind),
            anchor=self._anchor,
            sort=self._sort,
            names=names,
            node=self._wanted,
            parts=self._remaining(),
            descending=search.descending,
            after=search.after,
            limit=search.limit,
        )
        known = columns.of(self._connection)
        if not known.worth(wanted, looks, self._all):
            return None
        source = column_source.of(self._connection, lambda text, given: self._rows(Sql(text, tuple(given))))
        found = known.find(source, wanted)
        return None if found is None else self._page(found[0], found[1], exact=True)

    def _remaining(self) -> list[str]:
        """The parts of the order that are still to be walked."""
        parts = [part for part in self._parts() if self._sort is not None or part == "none"]
        is_implied = self._search.sort_by in _implied(self._wanted) and not is_in_list(
            self._search.sort_by, self._search
        )
        if self._sorted == self._all or is_implied:
            parts.remove("none")
        after = self._search.after
        return parts if after is None or after.part not in parts else parts[parts.index(after.part) :]

    # Counting.

    def _driver(self, most: int, *, scanning: bool) -> Driver:
        """The smallest set of candidates that an index has; `most`: counting further is for nothing."""
        everything = [Scan("property_num", Sql("d.name_id = ? AND d.num IS NOT NULL", (self._anchor,)))]
        best = Driver(everything, self._count(everything, most))
        for is_scan in (False, True) if scanning else (False,):
            for each in self._drivers(self._wanted, most, is_scan):
                if each.entries <= best.entries:
                    best = each
            if best.entries <= most:
                break
        return best

    def _drivers(self, node: Node, most: int, scanning: bool) -> Iterator[Driver]:
        """Sets of candidates; without `scanning` none for which all values of a property have to be looked at."""
        match node:
            case Has(name, test):
                found = scans(node, self._numbers.names[name])
                if not isinstance(test, Containing):
                    yield Driver(found, self._count(found, most))
                elif scanning:
                    yield self._looked_up(found, most)
            case All(parts) | Nested(_, parts):
                for part in parts:
                    yield from self._drivers(part, most, scanning)
            case AnyOf(parts):
                best = [
                    min(self._drivers(part, most, scanning), key=lambda each: each.entries, default=None)
                    for part in parts
                ]
                if None not in best:
                    chosen = [each for each in best if each is not None]
                    yield Driver([scan for each in chosen for scan in each.scans], sum(each.entries for each in chosen))

    def _looked_up(self, found: Sequence[Scan], most: int) -> Driver:
        """Candidates for which every entry of an index has to be read."""
        if most > MANY:
            return Driver(found, self._count(found, most))
        ids: list[int] = []
        for scan in found:
            entries = joined(" ", [_ids(scan), Sql("LIMIT ?", (max(most + 1 - len(ids), 0),))])
            ids += [identity for (identity,) in self._rows(entries)]
        return Driver(found, len(ids), sorted(set(ids)) if len(ids) <= most else None)

    def _count(self, found: Sequence[Scan], most: int) -> int:
        """How many entries there are, up to one more than `most`."""
        count = 0
        for scan in found:
            if count <= most:
                entries = joined(" ", [_ids(scan), Sql("LIMIT ?", (most + 1 - count,))])
                count += self._rows(Sql(f"SELECT count(*) FROM ({entries.text}) n", entries.given))[0][0]
        return count

    def _total(self, driver: Driver, found: int) -> tuple[int, bool]:
        """How many hits there are, or at least are: those among some candidates are counted, and no more."""
        if self._wanted == EVERYTHING:
            return self._all, True
        wanted = self._wanted
        is_slow = self._contains and self._all > MANY  # every entry may have to be read
        if isinstance(wanted, Has) and not is_slow and not is_in_list(wanted.name, self._search):
            count = self._count(scans(wanted, self._numbers.names[wanted.name]), MOST_COUNTED)
            return (count, True) if count <= MOST_COUNTED else (MOST_COUNTED, False)
        some = joined(" ", [_ids(driver.scans[0]), Sql("LIMIT ?", (SAMPLE,))])
        asked = probe(self._wanted, self._numbers, "c.id")
        counted = joined(" ", [Sql("SELECT count(DISTINCT c.id) FROM ("), some, Sql(") c WHERE"), asked])
        return max(found, self._rows(counted)[0][0]), False

    def _rows(self, statement: Sql) -> Sequence[Any]:
        if self._is_sqlite:
            driver: Any = self._connection.connection.dbapi_connection
            given = [json.dumps(value) if isinstance(value, list) else value for value in statement.given]
            return list(driver.execute(statement.text, given))
        text = _LIKE.sub(r"lower(\1) LIKE", _BY.sub("", statement.text)).replace(AMONG, "= ANY(?)")
        text = text.replace(LISTED, "SELECT unnest(CAST(? AS bigint[])) AS id").replace("?", "%s")
        return self._connection.exec_driver_sql(text, statement.given).all()


class _Backwards(tuple[Any, ...]):
    """Sorts from its end."""

    def __lt__(self, other: Any) -> bool:
        return tuple.__gt__(self, other)

    def __gt__(self, other: Any) -> bool:
        return tuple.__lt__(self, other)


def _union(found: Sequence[Scan]) -> Sql:
    """The ids in several scans, each once."""
    ids = joined(" UNION ALL ", [_ids(scan) for scan in found])
    return Sql(f"SELECT DISTINCT id FROM ({ids.text}) every", ids.given)


def _ids(scan: Scan) -> Sql:
    text = f"SELECT d.resource_id AS id FROM property d INDEXED BY {scan.index} WHERE {scan.where.text}"
    return Sql(text, scan.where.given)


def _implied(node: Node) -> set[str]:
    """Properties that every hit has."""
    match node:
        case Has(name):
            return {name}
        case All(parts):
            return {name for part in parts for name in _implied(part)}
    return set()
