"""Where columns in memory come from: all values of a property, as arrays.

A million rows as objects of Python take 200 MB and a second.  SQLite's are taken one by one as they come.  PostgreSQL
sends arrays, which numpy reads as they are: four times as quick as rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

Rows: TypeAlias = Callable[[str, Sequence[Any]], Any]  #: runs a statement with `?`
Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.int32]

_NUMBERS = (
    "SELECT d.resource_id AS id, d.num AS value FROM property d INDEXED BY property_num "
    "WHERE d.name_id = ? AND d.num IS NOT NULL AND d.ordinal = 0"
)
_TEXTS = (
    "FROM property d INDEXED BY property_txt WHERE d.name_id = ? AND d.num IS NULL AND d.ordinal = 0 AND "
    "d.txt IS NOT NULL"
)
_LONG = "SELECT 1 FROM property d INDEXED BY property_long WHERE d.name_id = ? AND d.more IS NOT NULL LIMIT 1"
_HEADER = 20  #: bytes before the elements of an array that PostgreSQL sends (its `array_send`)


class Source:
    """The properties as a transaction sees them."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def has_long(self, name: int) -> bool:
        """Whether some text of a property is longer than what is in `txt`."""
        return bool(self.rows(_LONG, (name,)))

    def numbers(self, name: int) -> tuple[Whole, Floats]:
        """Whose number of a property, and which; in any order."""
        raise NotImplementedError

    def texts(self, name: int) -> tuple[Whole, Codes, list[str]]:
        """Whose text of a property, and which of the texts, which are sorted; in any order."""
        raise NotImplementedError


class _Sqlite(Source):
    def __init__(self, rows: Rows, driver: Any) -> None:
        super().__init__(rows)
        self._driver = driver

    def numbers(self, name: int) -> tuple[Whole, Floats]:
        flat = np.fromiter(chain.from_iterable(self._driver.execute(_NUMBERS, (name,))), np.float64)
        return flat[0::2].astype(np.int64), flat[1::2].copy()

    def texts(self, name: int) -> tuple[Whole, Codes, list[str]]:
        texts: list[str] = []

        def coded() -> Iterator[int]:
            for identity, text in self._driver.execute(f"SELECT d.resource_id, d.txt {_TEXTS} ORDER BY d.txt", (name,)):
                if not texts or texts[-1] != text:
                    texts.append(text)
                yield identity
                yield len(texts) - 1

        flat = np.fromiter(coded(), np.int64)
        return flat[0::2].copy(), flat[1::2].astype(np.int32), texts


class _Postgresql(Source):
    def numbers(self, name: int) -> tuple[Whole, Floats]:
        text = f"SELECT array_send(array_agg(id)), array_send(array_agg(value)) FROM ({_NUMBERS}) d"
        ((whose, values),) = self.rows(text, (name,))
        return _elements(whose, ">i8").astype(np.int64), _elements(values, ">f8").astype(np.float64)

    def texts(self, name: int) -> tuple[Whole, Codes, list[str]]:
        # Both in the order of the index.  Ranks would be one statement, for which PostgreSQL writes a file.
        whose = f"SELECT array_send(array_agg(id)) FROM (SELECT d.resource_id AS id {_TEXTS} ORDER BY d.txt) d"
        counted = f"SELECT d.txt, count(*) AS often {_TEXTS} GROUP BY d.txt ORDER BY d.txt"
        ((ids,),) = self.rows(whose, (name,))
        ((texts, often),) = self.rows(
            f"SELECT array_agg(txt), array_send(array_agg(often)) FROM ({counted}) d", (name,)
        )
        counts = _elements(often, ">i8")
        codes = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        return _elements(ids, ">i8").astype(np.int64), codes, texts or []


def _elements(sent: bytes | None, form: str) -> NDArray[Any]:
    """Those of an array of one dimension: the length of each is before it."""
    one = np.dtype([("length", ">i4"), ("value", form)])
    return np.frombuffer(sent or b"", one, offset=_HEADER if sent else 0)["value"]


def of(connection: Connection, rows: Rows) -> Source:
    """The source that a connection is."""
    if connection.dialect.name == "sqlite":
        return _Sqlite(rows, connection.connection.dbapi_connection)
    return _Postgresql(rows)
