"""A table as a file that pandas reads: read_csv, read_json, read_parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pegbox.client.rows import Column


def to_csv(columns: Sequence[Column]) -> bytes:
    """Comma-separated, with a head; times in UTC as ISO 8601 has them, nothing where there is no value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    for row in _rows(columns):
        writer.writerow(row)
    return text.getvalue().encode()


def to_json(columns: Sequence[Column]) -> bytes:
    """A list with an object for each row, one a line."""
    names = [column.name for column in columns]
    rows = [json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in _rows(columns)]
    return ("[\n" + ",\n".join(rows) + "\n]\n").encode()


def to_parquet(columns: Sequence[Column]) -> bytes:
    """Apache Parquet: int64, double, bool, string, timestamps of milliseconds in UTC."""
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        "text": pa.string(),
        "number": pa.float64(),
        "integer": pa.int64(),
        "truth": pa.bool_(),
        "time": pa.timestamp("ms", tz="UTC"),
    }
    arrays = [pa.array(column.values, kinds[column.kind]) for column in columns]
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(arrays, names=[column.name for column in columns]), sink)
    return bytes(sink.getvalue())


FORMATS: Mapping[str, Callable[[Sequence[Column]], bytes]] = {
    "csv": to_csv,
    "json": to_json,
    "parquet": to_parquet,
}


def _rows(columns: Sequence[Column]) -> Sequence[Sequence[Any]]:
    return [[_plain(value) for value in row] for row in zip(*(column.values for column in columns), strict=True)]


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
