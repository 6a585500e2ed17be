"""Readers of the formats of training data: the bytes of one file -> a Table.

A reader raises UserError that begins with the file's name and says where it is wrong.
(SageMaker developer guide, "Common Data Formats for Training", and "Input/Output Interface for the XGBoost Algorithm".)
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from pegbox.algorithms.container import UserError
from pegbox.algorithms.xgboost import recordio

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of features with their labels."""

    features: Floats | scipy.sparse.csr_matrix  #: (rows, columns)
    labels: Floats  #: (rows,)
    weights: Floats | None = None  #: (rows,)
    queries: NDArray[np.int64] | None = None  #: (rows,) query of each row, for ranking


Reader = Callable[[bytes, str, bool], Table]


def read_csv(content: bytes, name: str, weighted: bool) -> Table:
    """Comma-separated numbers without a header: label, weight if `weighted`, features.  An empty field is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rows = np.loadtxt(io.BytesIO(content), dtype=np.float32, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        rows = _read_irregular_csv(content, name)
    return from_columns(rows, name, weighted)


def _read_irregular_csv(content: bytes, name: str) -> Floats:
    """Rows with empty fields; whatever else keeps the fast reader from reading them is told by line and column."""
    numbered = [(number, line) for number, line in enumerate(_lines(content, name), 1) if line.strip()]
    _refuse_header(numbered[0][1], name)
    width = numbered[0][1].count(",") + 1
    rows = np.empty((len(numbered), width), np.float32)
    for index, (number, line) in enumerate(numbered):
        fields = line.split(",")
        if len(fields) != width:
            raise UserError(f"{name}: line {number} has {len(fields)} columns, line {numbered[0][0]} has {width}")
        rows[index] = [_field(field, name, number, column) for column, field in enumerate(fields, 1)]
    return rows


def _field(text: str, name: str, line: int, column: int) -> float:
    plain = text.strip().strip('"')
    try:
        return float(plain) if plain else float("nan")
    except ValueError:
        raise UserError(f"{name}: line {line}, column {column}: '{_short(text)}' is not a number") from None


def _refuse_header(line: str, name: str) -> None:
    fields = [field.strip().strip('"') for field in line.split(",")]
    words = [
        field for field in fields if re.match(r"[A-Za-z_]", field) and not re.fullmatch(r"(?i)nan|inf(inity)?", field)
    ]
    if words and len(words) == len([field for field in fields if field]):
        raise UserError(
            f"{name}: the first line is a header ('{_short(line)}'). "
            f"Training data in CSV has no header line: remove it, and keep the label in the first column"
        )
    if len(fields) == 1 and re.match(r"\S+\s+\d+:", line):
        raise UserError(f"{name}: this looks like libsvm, but the channel's ContentType says CSV")


def from_columns(rows: Floats, name: str, weighted: bool) -> Table:
    """(rows, 1 + weighted + features) -> Table, label first."""
    first = 2 if weighted else 1
    if rows.shape[1] <= first:
        raise UserError(f"{name}: {rows.shape[1]} column(s), expected a label{', a weight' * weighted} and features")
    return Table(
        features=np.ascontiguousarray(rows[:, first:]),
        labels=rows[:, 0].copy(),
        weights=rows[:, 1].copy() if weighted else None,
    )


_QUERY = re.compile(rb"\bqid:(\d+)")
_COMMENT = re.compile(rb"#[^\n]*")


def read_libsvm(content: bytes, name: str, weighted: bool) -> Table:
    """Lines `label[:weight] [qid:n] index:value ...`; indices are column numbers as they stand."""
    lines = [line for line in _COMMENT.sub(b"", content).splitlines() if line.strip()]
    queries = _queries(lines, name)
    plain = [_QUERY.sub(b"", line) for line in lines] if queries is not None else lines
    head = 2 if b":" in plain[0].split(None, 1)[0] else 1
    pairs = np.array([line.count(b":") for line in plain]) - (head - 1)
    numbers = _numbers(b" ".join(plain).replace(b":", b" "))
    sizes = head + 2 * pairs
    if numbers is None or numbers.size != sizes.sum() or not _regular(plain, head):
        raise UserError(_libsvm_fault(content, name))
    starts = np.cumsum(sizes) - sizes
    inner = np.ones(numbers.size, bool)
    inner[starts] = False
    if head == 2:
        inner[starts + 1] = False
    entries = numbers[inner]
    indices = entries[0::2]
    if indices.size and (indices.min() < 0 or (indices != np.floor(indices)).any() or indices.max() > 2**31 - 2):
        raise UserError(_libsvm_fault(content, name))
    pointers = np.concatenate(([0], np.cumsum(pairs)))
    width = int(indices.max()) + 1 if indices.size else 1
    matrix = scipy.sparse.csr_matrix(
        (entries[1::2].astype(np.float32), indices.astype(np.int32), pointers), shape=(len(plain), width)
    )
    return Table(
        features=matrix,
        labels=numbers[starts].astype(np.float32),
        weights=numbers[starts + 1].astype(np.float32) if head == 2 else None,
        queries=queries,
    )


def _queries(lines: list[bytes], name: str) -> NDArray[np.int64] | None:
    if b"qid:" not in lines[0]:
        return None
    found = [_QUERY.search(line) for line in lines]
    for number, match in enumerate(found, 1):
        if match is None:
            raise UserError(f"{name}: row {number} has no qid, the rows before it have one")
    return np.array([int(match[1]) for match in found if match], np.int64)


def _numbers(text: bytes) -> NDArray[np.float64] | None:
    """Numbers between blanks; None when something is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.fromstring(text.decode("ascii"), dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            return None


def _regular(lines: list[bytes], head: int) -> bool:
    """Whether every line is `head` followed by pairs: as many blanks between words as there are pairs."""
    return all(len(line.split()) == 1 + line.count(b":") - (head - 1) for line in lines)


_LIBSVM = re.compile(r"\s*[^\s:]+(:[^\s:]+)?(\s+qid:\d+)?(\s+\d+:[^\s:]+)*\s*")


def _libsvm_fault(content: bytes, name: str) -> str:
    """Say which line is wrong, and how."""
    form = "expected 'label index:value index:value ...'"
    for number, line in enumerate(_lines(content, name), 1):
        row = line.split("#", 1)[0].strip()
        if not row:
            continue
        if "," in row and ":" not in row:
            return (
                f"{name}: line {number} looks like CSV ('{_short(row)}'), but libsvm is expected: {form}. "
                f"Set the channel's ContentType to text/csv"
            )
        words = row.replace(":", " ").replace("qid ", "").split()
        wrong = next((word for word in words if not _is_number(word)), None)
        if wrong is not None:
            return f"{name}: line {number}: '{_short(wrong)}' is not a number; {form}"
        if not _LIBSVM.fullmatch(row):
            return f"{name}: line {number} ('{_short(row)}') is not libsvm; {form}"
    return f"{name}: some lines have a weight after the label and others have none; {form}"


def read_parquet(content: bytes, name: str, weighted: bool) -> Table:
    """Columns of numbers: label, weight if `weighted`, features.  Null is missing."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content), use_threads=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{name}: not a Parquet file: {error}") from None
    columns = []
    for column, values in zip(table.column_names, table.columns, strict=True):
        try:
            columns.append(values.cast(pyarrow.float32(), safe=False).to_numpy())
        except (pyarrow.ArrowException, ValueError):
            raise UserError(f"{name}: column '{column}' of type {values.type} is not numeric") from None
    if not columns:
        raise UserError(f"{name}: no columns")
    return from_columns(np.column_stack(columns).astype(np.float32, copy=False), name, weighted)


def read_recordio_protobuf(content: bytes, name: str, weighted: bool) -> Table:
    """RecordIO frames of protobuf records: feature tensor `values`, label tensor `values`."""
    try:
        features, labels = recordio.decode(content)
    except recordio.Malformed as error:
        raise UserError(f"{name}: {error}") from None
    return Table(features=features, labels=labels)


READERS: Mapping[str, tuple[str, Reader]] = {
    **dict.fromkeys(("csv", "text/csv"), ("csv", read_csv)),
    **dict.fromkeys(("libsvm", "text/libsvm", "text/x-libsvm", "x-libsvm", ""), ("libsvm", read_libsvm)),
    **dict.fromkeys(("parquet", "application/x-parquet"), ("parquet", read_parquet)),
    **dict.fromkeys(
        ("recordio-protobuf", "application/x-recordio-protobuf"), ("recordio-protobuf", read_recordio_protobuf)
    ),
}


def find(content_type: str, channel: str) -> tuple[str, Reader]:
    """The format and reader of a content type; parameters such as `; charset=utf-8` and `; label_size=1` are legal."""
    base, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if base not in READERS:
        known = ", ".join(sorted(name for name in READERS if name))
        raise UserError(f"Channel {channel}: the content type '{content_type}' is not one of {known}")
    for parameter in parameters:
        if parameter.startswith("label_size") and parameter.replace(" ", "") != "label_size=1":
            raise UserError(f"Channel {channel}: '{content_type}': training needs one label column, label_size=1")
    return READERS[base]


def _lines(content: bytes, name: str) -> Iterator[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{name}: this is not text; is the channel's ContentType right?") from None
    return islice(io.StringIO(text), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _short(text: str) -> str:
    """Text for a message: one line, at most 60 characters."""
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."
