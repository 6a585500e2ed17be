"""From the files of a channel to the matrix that the booster takes, and the checks that training data must pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from pegbox.algorithms.container import Channel, UserError
from pegbox.algorithms.xgboost import readers
from pegbox.algorithms.xgboost.library import xgboost
from pegbox.algorithms.xgboost.readers import Table
from pegbox.algorithms.xgboost.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """All rows of one channel on this instance, or none."""

    name: str  #: train or validation
    table: Table | None
    sparse: bool = False  #: whether the width may grow with the columns of other datasets

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return 0 if self.table is None else len(self.table.labels)

    @property
    def fingerprint(self) -> str:
        """A digest of all rows; the same for the same data."""
        digest = hashlib.blake2b(self.name.encode(), digest_size=16)
        if self.table is not None:
            features: Any = self.table.features
            parts = (
                (features.data, features.indices, features.indptr) if scipy.sparse.issparse(features) else (features,)
            )
            for part in (*parts, self.table.labels, self.table.weights, self.table.queries):
                digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
                digest.update(repr(None if part is None else part.shape).encode())
        return digest.hexdigest()

    @property
    def columns(self) -> int:
        """How many features they have; 0 without rows."""
        return 0 if self.table is None else int(self.table.features.shape[1])


def read(channel: Channel, settings: Settings) -> Dataset:
    """Read and check every file of the channel.  Raises UserError naming the file, the place and the reason."""
    format_name, reader = readers.find(channel.content_type, channel.name)
    if channel.input_mode == "Pipe" and format_name == "libsvm":
        raise UserError(f"Channel {channel.name}: Pipe mode does not support libsvm, use File or text/csv")
    weighted = settings.csv_weights and format_name in ("csv", "parquet")
    tables: list[tuple[str, Table]] = []
    for name, content in _files(channel):
        if not content or content.isspace():
            continue
        table = reader(content, name, weighted)
        _check_labels(table, name, settings)
        _check_features(table, name)
        tables.append((name, table))
    whole = _joined(tables)
    if whole is not None and whole.queries is not None and (np.diff(whole.queries) < 0).any():
        raise UserError(f"Channel {channel.name}: rows must be sorted by qid, over all files in order of their names")
    return Dataset(name=channel.name, table=whole, sparse=format_name == "libsvm")


def joined(datasets: list[Dataset]) -> Dataset:
    """One dataset with the rows of all."""
    tables = [(dataset.name, dataset.table) for dataset in datasets if dataset.table is not None]
    return Dataset(name="train", table=_joined(tables), sparse=datasets[0].sparse)


def _files(channel: Channel) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file below the channel's directory, in order; hidden files and markers are left out."""
    if channel.input_mode == "Pipe":
        pipe = channel.directory.with_name(f"{channel.directory.name}_0")
        yield f"{channel.name}_0", pipe.read_bytes()
        return
    for path in sorted(channel.directory.rglob("*")):
        relative = path.relative_to(channel.directory)
        if path.is_file() and not any(part.startswith((".", "_")) for part in relative.parts):
            yield str(Path(channel.name) / relative), path.read_bytes()


def _check_labels(table: Table, name: str, settings: Settings) -> None:
    labels = table.labels
    _refuse(np.isnan(labels), name, "the label (first column) is missing or not a number")
    _refuse(np.isinf(labels), name, "the label is infinite")
    if settings.objective in ("binary:logistic", "binary:logitraw", "reg:logistic"):
        _refuse((labels < 0) | (labels > 1), name, f"labels must be between 0 and 1 for {settings.objective}", labels)
    elif settings.objective == "binary:hinge":
        _refuse((labels != 0) & (labels != 1), name, "labels must be 0 or 1 for binary:hinge", labels)
    elif settings.num_class is not None and settings.objective.startswith("multi:"):
        outside = (labels < 0) | (labels >= settings.num_class) | (labels != np.floor(labels))
        reason = f"labels must be integers from 0 to {settings.num_class - 1} (num_class is {settings.num_class})"
        _refuse(outside, name, reason, labels)
    elif settings.objective in ("count:poisson", "reg:tweedie"):
        _refuse(labels < 0, name, f"labels must not be negative for {settings.objective}", labels)
    elif settings.objective == "reg:gamma":
        _refuse(labels <= 0, name, "labels must be positive for reg:gamma", labels)
    elif settings.objective == "reg:squaredlogerror":
        _refuse(labels <= -1, name, "labels must be greater than -1 for reg:squaredlogerror", labels)


def _check_features(table: Table, name: str) -> None:
    values = table.features.data if scipy.sparse.issparse(table.features) else table.features
    if np.isinf(values).any():
        raise UserError(f"{name}: a feature is infinite, or larger than a 32-bit number can be")
    if table.weights is not None:
        _refuse(~(table.weights >= 0), name, "weights must be numbers that are not negative", table.weights)


def _refuse(
    wrong: np.ndarray[tuple[int], np.dtype[np.bool_]],
    name: str,
    reason: str,
    values: readers.Floats | None = None,
) -> None:
    """Raise for the first row that is wrong."""
    if wrong.any():
        row = int(np.argmax(wrong))
        found = "" if values is None else f", found {values[row]:g}"
        raise UserError(f"{name}: row {row + 1}: {reason}{found}")


def _joined(tables: list[tuple[str, Table]]) -> Table | None:
    if len(tables) < 2:
        return tables[0][1] if tables else None
    first, head = tables[0]
    width = max(table.features.shape[1] for _, table in tables)
    for name, table in tables:
        if (table.queries is None) != (head.queries is None) or (table.weights is None) != (head.weights is None):
            raise UserError(f"{name}: {first} has weights or queries (qid) and this file has none, or the reverse")
        if not scipy.sparse.issparse(table.features) and table.features.shape[1] != head.features.shape[1]:
            found, expected = table.features.shape[1], head.features.shape[1]
            raise UserError(f"{name}: {found} feature columns, but {first} has {expected}")
    parts = [table for _, table in tables]
    return Table(
        features=_stacked([table.features for table in parts], width),
        labels=np.concatenate([table.labels for table in parts]),
        weights=None if head.weights is None else np.concatenate([t.weights for t in parts if t.weights is not None]),
        queries=None if head.queries is None else np.concatenate([t.queries for t in parts if t.queries is not None]),
    )


def _stacked(
    parts: list[readers.Floats | scipy.sparse.csr_matrix], width: int
) -> readers.Floats | scipy.sparse.csr_matrix:
    if not scipy.sparse.issparse(parts[0]):
        return np.concatenate(parts)
    for part in parts:
        part.resize((part.shape[0], width))
    return scipy.sparse.vstack(parts, format="csr")


def matrix(dataset: Dataset, columns: int, nthread: int, copies: int = 1) -> xgboost.DMatrix:
    """The booster's matrix with `columns` columns, every row counting `copies` times.

    A dataset without rows makes an empty one.
    """
    if dataset.table is None:
        return xgboost.DMatrix(np.empty((0, columns), np.float32), label=np.empty(0, np.float32), nthread=nthread)
    table = dataset.table
    if scipy.sparse.issparse(table.features) and table.features.shape[1] < columns:
        table.features.resize((dataset.rows, columns))
    weights = table.weights
    if copies > 1:
        weights = (np.ones(dataset.rows, np.float32) if weights is None else weights) * np.float32(copies)
    return xgboost.DMatrix(table.features, label=table.labels, weight=weights, qid=table.queries, nthread=nthread)
