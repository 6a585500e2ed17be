"""Conditions as SQL, for both dialects: what to read an index for, and what to ask of one resource.

The text is made here and not by SQLAlchemy: every search is another statement, and to make one through it costs more
than to run it.  Parameters are `?`; names are numbers by now (see `Numbers`), so nothing of a request is in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from pegbox.domain.query import All, AnyOf, Between, Containing, Has, Nested, Node, Not, OneOf, Test, Text
from pegbox.store.index import MOST_INDEXED


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of a statement and its parameters."""

    text: str
    given: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Scan:
    """A part of an index of `property`, as a condition on a row `d` of it."""

    index: str
    where: Sql


#: one value of a list that is one parameter, since databases allow some ten thousand of them; see `planner`
AMONG = "IN (SELECT value FROM json_each(?))"

NOTHING: Node = AnyOf(())
EVERYTHING: Node = All(())


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of names."""

    names: Mapping[str, int]
    elements: Mapping[str, tuple[int, ...]]  #: list -> of the names of its elements' members


def names_in(node: Node) -> Iterator[str]:
    """The names of all properties in a tree."""
    match node:
        case Has(name):
            yield name
        case Not(part):
            yield from names_in(part)
        case Nested(_, parts) | All(parts) | AnyOf(parts):
            for part in parts:
                yield from names_in(part)


def lists_in(node: Node) -> Iterator[str]:
    """The lists of which a tree wants one element."""
    match node:
        case Nested(root):
            yield root
        case Not(part):
            yield from lists_in(part)
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from lists_in(part)


def contains(node: Node) -> bool:
    """Whether a tree wants a text somewhere inside a value."""
    match node:
        case Has(_, test):
            return isinstance(test, Containing)
        case Not(part):
            return contains(part)
        case Nested(_, parts) | All(parts) | AnyOf(parts):
            return any(map(contains, parts))
    raise AssertionError(node)


def simplified(node: Node, numbers: Numbers) -> Node:
    """The tree without properties that no resource has; `NOTHING` or `EVERYTHING` if that settles it."""
    match node:
        case Has(name):
            return node if name in numbers.names else NOTHING
        case Not(part):
            inner = simplified(part, numbers)
            return EVERYTHING if inner == NOTHING else NOTHING if inner == EVERYTHING else Not(inner)
        case All(parts):
            return _joined(parts, numbers, All, EVERYTHING, NOTHING)
        case AnyOf(parts):
            return _joined(parts, numbers, AnyOf, NOTHING, EVERYTHING)
        case Nested(root, parts):
            kept = tuple(each for each in (simplified(part, numbers) for part in parts) if each != EVERYTHING)
            return NOTHING if NOTHING in kept or not numbers.elements[root] else Nested(root, kept)
    raise AssertionError(node)


def _joined(
    parts: tuple[Node, ...], numbers: Numbers, join: type[All] | type[AnyOf], neutral: Node, ruling: Node
) -> Node:
    kept = tuple(each for each in (simplified(part, numbers) for part in parts) if each != neutral)
    if ruling in kept:
        return ruling
    return kept[0] if len(kept) == 1 else join(kept)


def probe(node: Node, numbers: Numbers, row: str) -> Sql:
    """Whether the resource whose id is `row`, an expression, passes."""
    match node:
        case Has(name, test):
            return _exists(numbers.names[name], test, f"p.resource_id = {row}", "p")
        case Not(part):
            inner = probe(part, numbers, row)
            return Sql(f"NOT {inner.text}", inner.given)
        case Nested(root, parts):
            return _element(root, parts, numbers, row)
        case All(parts):
            return _bracketed(" AND ", [probe(part, numbers, row) for part in parts])
        case AnyOf(parts):
            return _bracketed(" OR ", [probe(part, numbers, row) for part in parts])
    raise AssertionError(node)


def _bracketed(by: str, parts: list[Sql]) -> Sql:
    if not parts:
        return Sql("(1 = 1)" if by == " AND " else "(1 = 0)")
    inner = joined(by, parts)
    return Sql(f"({inner.text})", inner.given)


def _element(root: str, parts: tuple[Node, ...], numbers: Numbers, row: str) -> Sql:
    """Some element of a list: one of those that any of its members is known of."""
    numbered = ", ".join(str(number) for number in numbers.elements[root])
    wanted = [
        Sql(f"e.resource_id = {row} AND e.name_id IN ({numbered})"),
        *(_of_element(part, numbers) for part in parts),
    ]
    inner = joined(" AND ", wanted)
    return Sql(f"((SELECT 1 FROM property e WHERE {inner.text} LIMIT 1) IS NOT NULL)", inner.given)


def _of_element(part: Node, numbers: Numbers) -> Sql:
    if isinstance(part, Not):
        inner = _of_element(part.part, numbers)
        return Sql(f"NOT {inner.text}", inner.given)
    if isinstance(part, AnyOf):
        return _bracketed(" OR ", [_of_element(each, numbers) for each in part.parts])
    assert isinstance(part, Has)
    here = "p.resource_id = e.resource_id AND p.ordinal = e.ordinal"
    return _exists(numbers.names[part.name], part.test, here, "p")


def _exists(number: int, test: Test, here: str, row: str) -> Sql:
    # A value and not EXISTS: PostgreSQL would turn that into a join, over all resources.
    wanted = joined(" AND ", [Sql(f"{here} AND {row}.name_id = ?", (number,)), *_passes(test, row)])
    return Sql(f"((SELECT 1 FROM property {row} WHERE {wanted.text} LIMIT 1) IS NOT NULL)", wanted.given)


def _passes(test: Test, row: str) -> list[Sql]:
    match test:
        case Between() as within:
            return [
                bounds(f"+{row}", within)
            ]  # +: SQLite is to take the resource's own few rows, and no index of numbers
        case Text(text):
            return [Sql(f"{row}.num IS NULL"), *_text(row, text)]
        case OneOf(texts):
            return [_among(row, texts)]
        case Containing(text):
            return [Sql(f"({_within(f'{row}.txt')} OR {_within(f'{row}.more')})", (_pattern(text), _pattern(text)))]
    return []


def scans(has: Has, number: int) -> list[Scan]:
    """The parts of indexes that hold all resources which have this, each perhaps several times."""
    match has.test:
        case Between() as within:
            return [_scan("num", number, bounds("d", within))]
        case Text(text):
            return [_scan("txt", number, *_text("d", text))]
        case OneOf(texts, numbers):
            return [
                _scan("txt", number, _among("d", texts)),
                *([_scan("num", number, _equal("d.num", numbers), _among("d", texts))] if numbers else []),
            ]
        case Containing(text, numbers):
            contains = Sql(_within("d.txt"), (_pattern(text),))
            further = [_scan("num", number, contains)] if numbers else []
            return [_scan("txt", number, contains), _long(number, text), *further]
    return [_scan("num", number), _scan("txt", number)]


def _scan(column: str, number: int, *further: Sql) -> Scan:
    own = Sql(f"d.name_id = ? AND d.num IS {'NOT NULL' if column == 'num' else 'NULL'}", (number,))
    return Scan(f"property_{column}", joined(" AND ", [own, *further]))


def _long(number: int, text: str) -> Scan:
    """The few texts that are longer than what an index has of them: those in it tell nothing of their rests."""
    where = f"d.name_id = ? AND d.more IS NOT NULL AND {_within('d.more')}"
    return Scan("property_long", Sql(where, (number, _pattern(text))))


def _text(row: str, text: str) -> list[Sql]:
    """Exactly this text, however long."""
    begins = Sql(f"{row}.txt = ?", (text[:MOST_INDEXED],))
    if len(text) > MOST_INDEXED:
        return [begins, Sql(f"{row}.more = ?", (text,))]
    return [begins, Sql(f"{row}.more IS NULL")] if len(text) == MOST_INDEXED else [begins]


def _among(row: str, texts: Sequence[str]) -> Sql:
    """Exactly one of these texts."""
    short = [text for text in texts if len(text) < MOST_INDEXED]
    long = [joined(" AND ", _text(row, text)) for text in texts if len(text) >= MOST_INDEXED]
    return _bracketed(" OR ", [Sql(f"{row}.txt {AMONG}", (short,)), *long])


def _equal(column: str, numbers: Sequence[float]) -> Sql:
    return Sql(f"{column} IN ({', '.join('?' * len(numbers))})", tuple(numbers))


def _within(column: str) -> str:
    return f"{column} LIKE ? ESCAPE '\\'"  # of SQLite without regard to the case of ASCII letters; see `planner`


def _pattern(text: str) -> str:
    """What LIKE takes for a text somewhere inside."""
    return "%" + re.sub(r"[%_\\]", r"\\\g<0>", text) + "%"


def bounds(row: str, within: Between) -> Sql:
    """Whether the number of a row is within bounds."""
    parts = []
    if within.low > -inf:
        parts.append(Sql(f"{row}.num {'>' if within.low_open else '>='} ?", (within.low,)))
    if within.high < inf:
        parts.append(Sql(f"{row}.num {'<' if within.high_open else '<='} ?", (within.high,)))
    return joined(" AND ", parts)


def joined(by: str, parts: list[Sql]) -> Sql:
    """Several pieces as one."""
    return Sql(by.join(part.text for part in parts), tuple(value for part in parts for value in part.given))
