"""The values that a property has, of every resource of a kind, in memory."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pegbox.domain.query import Between, Containing, OneOf, Present, Text
from pegbox.store.column_source import Codes, Floats, Source, Whole

MOST_TEXTS = 1 << 16  #: different texts of a column

Mask: TypeAlias = NDArray[np.bool_]


class Unsuited(Exception):
    """Columns cannot answer this."""


class _Joined:
    """Texts one after the other, ASCII letters in small ones, to look for a text in all of them at once."""

    def __init__(self, texts: Iterable[str | None]) -> None:
        self._signs = np.frombuffer(b"".join((text or "").encode().lower() + b"\0" for text in texts), np.uint8)
        self._ends = np.flatnonzero(self._signs == 0)
        self._frequent = np.bincount(self._signs, minlength=256)

    def places(self, text: str) -> Whole:
        """In which of the texts it is, some of them several times."""
        sought = text.encode()
        # Where its rarest sign is, then the others around it: as quick for what is everywhere as for what is nowhere.
        order = sorted(range(len(sought)), key=lambda nth: self._frequent[sought[nth]])
        first = order[0]
        last = len(self._signs) - len(sought)
        found = np.flatnonzero(self._signs[first : max(last, 0) + first] == sought[first])
        for nth in order[1:]:
            found = found[self._signs[found + nth] == sought[nth]]
        return np.searchsorted(self._ends, found)

    def size(self) -> int:
        """Bytes."""
        return self._signs.nbytes + self._ends.nbytes


@dataclass(slots=True)
class Column:
    """Of each resource a number, NaN for none; else a text by its code, -1 for none.

    Where there are too many different texts, `every` has those of all resources, and the codes are 0.
    """

    numbers: Floats
    codes: Codes
    texts: list[str] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    every: NDArray[np.object_] | None = None
    weight: int = 0  #: bytes of those, and of some that are gone
    _joined: _Joined | None = None

    def code(self, text: str) -> int:
        """The code of a text, a new one if need be.  Raises Unsuited if they are too many."""
        if text not in self.known:
            if len(self.texts) >= MOST_TEXTS:
                raise Unsuited
            self.known[text] = len(self.texts)
            self.texts.append(text)
            self._joined = None
        return self.known[text]

    def put(self, kept: Mask, places: Whole, found: Sequence[tuple[float | None, str | None]]) -> None:
        """Leave out what is not kept, and put new values at their places.  Raises Unsuited."""
        numbers = [np.nan if number is None else number for number, _ in found]
        texts = [None if number is not None else text for number, text in found]
        if self.every is None:
            codes = [-1 if text is None else self.code(text) for text in texts]
        else:
            codes = [-1 if text is None else 0 for text in texts]
            self.every = np.insert(self.every[kept], places, np.array(texts, object))
            self.weight += sum(map(sys.getsizeof, texts))
            self._joined = None
        self.numbers = np.insert(self.numbers[kept], places, np.array(numbers, np.float64))
        self.codes = np.insert(self.codes[kept], places, np.array(codes, np.int32))

    def equal(self, texts: Sequence[str]) -> Mask:
        """Which texts are one of these."""
        if self.every is None:
            return np.isin(self.codes, [self.known[text] for text in texts if text in self.known])
        return np.isin(self.codes, [0]) & np.fromiter(
            map(frozenset(texts).__contains__, self.every), np.bool_, len(self.every)
        )

    def containing(self, text: str) -> Mask:
        """Which texts have this in them, ASCII letters in small ones."""
        texts = self.texts if self.every is None else self.every
        if self._joined is None:
            self._joined = _Joined(texts)
        found = np.zeros(len(texts) + 1, np.bool_)  # the last one: of those that have no text
        found[self._joined.places(text)] = True
        return found[self.codes] if self.every is None else found[:-1]

    def size(self) -> int:
        """Bytes, roughly."""
        many = 0 if self.every is None else self.every.nbytes + self.weight
        joined = 0 if self._joined is None else self._joined.size()
        return self.numbers.nbytes + self.codes.nbytes + 200 * len(self.texts) + many + joined


def read(source: Source, ids: Whole, number: int) -> Column:
    """The column of this number, for resources with these ids.  Raises Unsuited."""
    if source.has_long(number):
        raise Unsuited
    column = Column(np.full(len(ids), np.nan), np.full(len(ids), -1, np.int32))
    whose, values = source.numbers(number)
    column.numbers[np.searchsorted(ids, whose)] = values
    whose, codes, texts = source.texts(number)
    where = np.searchsorted(ids, whose)
    if len(texts) <= MOST_TEXTS:
        column.texts, column.known = texts, {text: code for code, text in enumerate(texts)}
        column.codes[where] = codes
    else:
        column.every = np.full(len(ids), None, object)
        column.every[where] = np.array(texts, object)[codes]
        column.weight = sum(map(sys.getsizeof, texts))
        column.codes[where] = 0
    return column


def fulfilling(column: Column, test: Any) -> Mask:
    """Which values pass a test.  Raises Unsuited."""
    match test:
        case Present():
            return ~np.isnan(column.numbers) | (column.codes >= 0)
        case Between(low, high, low_open, high_open):
            values = column.numbers
            above = values > low if low_open else values >= low
            return np.logical_and(above, values < high if high_open else values <= high)
        case Text(text):
            return column.equal([text])
        case OneOf(texts, numbers) if not numbers:
            return column.equal(texts)
        case Containing(text, numbers) if not numbers:
            return column.containing(text)
    raise Unsuited  # numbers as the texts that they were
