"""RecordIO-wrapped protobuf, the binary training format of the built-in algorithms.

A file is a sequence of frames: magic 0xced7230a, length, payload padded to four bytes (little endian).  A payload is a
`Record` with `map<string, Value> features = 1` and `map<string, Value> label = 2`; a Value holds a float32 tensor
(field 2), a float64 tensor (3) or an int32 tensor (7): values = 1, keys = 2 when sparse, shape = 3.
(SageMaker developer guide, "Common Data Formats for Training", and the Record message that it prints.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

_MAGIC = 0xCED7230A
_FRAME = struct.Struct("<II")
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
#: field of Value -> type of the packed values of its tensor; int32 values are varints
_TENSORS: dict[int, str | None] = {2: "<f4", 3: "<f8", 7: None}


class Malformed(Exception):
    """The bytes are no records of this format.  The message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """Values of one record, with their columns when it is sparse."""

    values: NDArray[np.float64]
    keys: NDArray[np.int64] | None
    width: int


def decode(content: bytes) -> tuple[NDArray[np.float32] | scipy.sparse.csr_matrix, NDArray[np.float32]]:
    """All records of a file -> features (rows, columns), dense or sparse as the records are, and labels (rows,)."""
    rows = [_record(payload, number) for number, payload in enumerate(_frames(content), 1)]
    if not rows:
        raise Malformed("no records")
    features = [features for features, _ in rows]
    labels = np.array([label for _, label in rows], np.float32)
    if any(tensor.keys is not None for tensor in features):
        return _sparse(features), labels
    width = features[0].values.size
    for number, tensor in enumerate(features, 1):
        if tensor.values.size != width:
            raise Malformed(f"record {number} has {tensor.values.size} features, record 1 has {width}")
    return np.stack([tensor.values for tensor in features]).astype(np.float32), labels


def _sparse(features: list[Tensor]) -> scipy.sparse.csr_matrix:
    keys = [np.arange(tensor.values.size) if tensor.keys is None else tensor.keys for tensor in features]
    for number, (tensor, columns) in enumerate(zip(features, keys, strict=True), 1):
        if columns.size != tensor.values.size or (columns.size and columns.max() > 2**31 - 2):
            raise Malformed(f"record {number}: {columns.size} keys for {tensor.values.size} values")
    indices = np.concatenate(keys)
    width = max(int(indices.max(initial=-1)) + 1, *(tensor.width for tensor in features))
    pointers = np.concatenate(([0], np.cumsum([columns.size for columns in keys])))
    values = np.concatenate([tensor.values for tensor in features]).astype(np.float32)
    return scipy.sparse.csr_matrix((values, indices, pointers), shape=(len(features), width))


def _frames(content: bytes) -> Iterator[memoryview]:
    view, offset = memoryview(content), 0
    while offset < len(view):
        if len(view) - offset < _FRAME.size:
            raise Malformed(f"cut off at byte {offset}")
        magic, flagged = _FRAME.unpack_from(view, offset)
        if magic != _MAGIC:
            raise Malformed(f"no RecordIO frame at byte {offset}; is the channel's ContentType right?")
        if flagged >> 29:
            raise Malformed(f"the record at byte {offset} is split over several frames, which is not supported")
        start = offset + _FRAME.size
        if start + flagged > len(view):
            raise Malformed(f"cut off at byte {offset}")
        yield view[start : start + flagged]
        offset = start + (flagged + 3 & ~3)


def _record(payload: memoryview, number: int) -> tuple[Tensor, float]:
    features = label = None
    try:
        for field, entry in _fields(payload):
            if field == 1 and isinstance(entry, memoryview):
                features = _of_map_entry(entry)
            elif field == 2 and isinstance(entry, memoryview):
                label = _of_map_entry(entry)
    except (IndexError, ValueError, struct.error) as error:
        raise Malformed(f"record {number} is not a protobuf Record: {error}") from None
    if features is None or label is None or label.values.size != 1:
        raise Malformed(f"record {number} needs a features tensor and a label of one value")
    return features, float(label.values[0])


def _of_map_entry(entry: memoryview) -> Tensor | None:
    """The tensor of `map<string, Value>`'s entry whose key is `values`."""
    parts = dict(_fields(entry))
    key, value = parts.get(1), parts.get(2)
    if key != b"values" or not isinstance(value, memoryview):
        return None
    for field, tensor in _fields(value):
        if field in _TENSORS and isinstance(tensor, memoryview):
            return _tensor(tensor, _TENSORS[field])
    raise ValueError("its values are neither float32, float64 nor int32 tensors")


def _tensor(content: memoryview, dtype: str | None) -> Tensor:
    values: list[NDArray[np.float64]] = []
    keys: list[int] = []
    shape: list[int] = []
    for field, part in _fields(content):
        if field == 1:
            values.append(_values(part, dtype))
        else:
            {2: keys, 3: shape}.get(field, []).extend(
                _varints(part) if isinstance(part, memoryview) else [_integer(part)]
            )
    return Tensor(
        values=np.concatenate(values) if values else np.empty(0),
        keys=np.array(keys, np.int64) if keys else None,
        width=shape[-1] if shape else 0,
    )


def _values(part: memoryview | int | bytes, dtype: str | None) -> NDArray[np.float64]:
    """Packed values, or a single one that was written unpacked."""
    if dtype is None:
        numbers = _varints(part) if isinstance(part, memoryview) else [_integer(part)]
        return np.array([number - (1 << 64) if number >> 63 else number for number in numbers], np.float64)
    if isinstance(part, int):
        raise ValueError("an integer among floating-point values")
    return np.frombuffer(part, dtype).astype(np.float64)


def _integer(part: int | bytes) -> int:
    if isinstance(part, bytes):
        raise ValueError("a floating-point value among integers")
    return part


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview | int | bytes]]:
    """The fields of a protobuf message: number, and a view of its bytes, or a varint, or a fixed number's bytes."""
    offset = 0
    while offset < len(content):
        tag, offset = _varint(content, offset)
        kind = tag & 7
        if kind == _VARINT:
            number, offset = _varint(content, offset)
            yield tag >> 3, number
            continue
        if kind == _BYTES:
            size, offset = _varint(content, offset)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            size = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if offset + size > len(content):
            raise ValueError("cut off")
        part = content[offset : offset + size]
        offset += size
        yield tag >> 3, part if kind == _BYTES else bytes(part)


def _varints(content: memoryview) -> Iterator[int]:
    offset = 0
    while offset < len(content):
        number, offset = _varint(content, offset)
        yield number


def _varint(content: memoryview, offset: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = content[offset]
        number |= (byte & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 0x80:
            return number, offset
        if shift > 63:
            raise ValueError("a number is too long")
