"""Each format of training data, and what is said about data that cannot be read."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pegbox.algorithms.container import UserError
from pegbox.algorithms.xgboost import recordio
from pegbox.algorithms.xgboost.readers import Table, find, read_csv, read_libsvm, read_parquet, read_recordio_protobuf


def dense(table: Table) -> list[list[float]]:
    features = table.features
    return (features if isinstance(features, np.ndarray) else features.toarray()).tolist()


def test_csv() -> None:
    table = read_csv(b"1,0.5,-2\r\n0,1e3, 4\n\n", "train/a.csv", False)
    assert table.labels.tolist() == [1, 0]
    assert dense(table) == [[0.5, -2], [1000, 4]]


def test_csv_with_weights() -> None:
    table = read_csv(b"1,0.25,7\n0,2,8\n", "a", True)
    assert table.weights is not None
    assert table.weights.tolist() == [0.25, 2]
    assert dense(table) == [[7], [8]]


@pytest.mark.parametrize("text", [b"1,,3\n0,2,\n", b'\xef\xbb\xbf1,"",3\n0,2,nan\n'])
def test_csv_with_missing_values(text: bytes) -> None:
    table = read_csv(text, "a", False)
    np.testing.assert_array_equal(table.features, [[np.nan, 3], [2, np.nan]])


@given(arrays(np.float32, (3, 4), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_csv_keeps_every_32_bit_number(values: np.ndarray) -> None:
    text = "\n".join(",".join(repr(float(value)) for value in row) for row in values)
    table = read_csv(text.encode(), "a", False)
    np.testing.assert_array_equal(np.column_stack([table.labels, table.features]), values)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"diagnosis,radius\n1,2\n", r"train/a.csv: the first line is a header \('diagnosis,radius'\)"),
        (b'"y","x1"\n1,2\n', "the first line is a header"),
        (b"1,2\n0,abc\n", "train/a.csv: line 2, column 2: 'abc' is not a number"),
        (b"1,2,3\n\n0,1\n", "train/a.csv: line 3 has 2 columns, line 1 has 3"),
        (b"1\n0\n", r"1 column\(s\), expected a label and features"),
        (b"1 1:0.5\n", "looks like libsvm"),
        (b"\xff\xfe\x00\x01", "not text"),
    ],
)
def test_csv_that_cannot_be_read(text: bytes, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_csv(text, "train/a.csv", False)


def test_libsvm() -> None:
    table = read_libsvm(b"1 0:0.5 2:3 # a comment\n-1\n\n0 1:1e2\n", "a", False)
    assert table.labels.tolist() == [1, -1, 0]
    assert dense(table) == [[0.5, 0, 3], [0, 0, 0], [0, 100, 0]]
    assert table.weights is None


def test_libsvm_with_weights_and_queries() -> None:
    table = read_libsvm(b"1:0.5 qid:3 0:1\n0:2 qid:4 1:1\n", "a", False)
    assert table.weights is not None
    assert table.queries is not None
    assert (table.weights.tolist(), table.queries.tolist()) == ([0.5, 2], [3, 4])
    assert dense(table) == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"1,2,3\n", "line 1 looks like CSV .*ContentType to text/csv"),
        (b"1 0:1\n0 x:1\n", "train/a: line 2: 'x' is not a number"),
        (b"1 0:1\n0 1:abc\n", "train/a: line 2: 'abc' is not a number"),
        (b"1 0:1\n0 5\n", "line 2 .* is not libsvm"),
        (b"1 0:1\n0 0: 5\n", "line 2 .* is not libsvm"),
        (b"1 0:1\n0 -1:5\n", "line 2 .* is not libsvm"),
        (b"1 0.5:1\n", "line 1 .* is not libsvm"),
        (b"1:1 0:1\n0 0:5\n", "some lines have a weight"),
        (b"1 qid:1 0:1\n0 0:5\n", "row 2 has no qid"),
    ],
)
def test_libsvm_that_cannot_be_read(text: bytes, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_libsvm(text, "train/a", False)


def parquet(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def test_parquet() -> None:
    table = read_parquet(parquet(y=[1, 0], a=[0.5, None], b=[True, False]), "a", False)
    assert table.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(table.features, [[0.5, 1], [np.nan, 0]])


def test_parquet_that_cannot_be_read() -> None:
    with pytest.raises(UserError, match="train/a: column 'name' of type string is not numeric"):
        read_parquet(parquet(y=[1.0], name=["x"]), "train/a", False)
    with pytest.raises(UserError, match="train/a: not a Parquet file"):
        read_parquet(b"1,2,3\n", "train/a", False)


def test_recordio_protobuf(encode: SimpleNamespace) -> None:
    record, tensor = encode.record, encode.tensor
    table = read_recordio_protobuf(record(1, tensor([0.5, 2])) + record(0, tensor([3, 4])), "a", False)
    assert table.labels.tolist() == [1, 0]
    assert dense(table) == [[0.5, 2], [3, 4]]


def test_sparse_recordio_protobuf(encode: SimpleNamespace) -> None:
    record, tensor = encode.record, encode.tensor
    content = record(1, tensor([0.5], keys=[300], shape=400)) + record(0, tensor([3, 4], keys=[0, 2], shape=400))
    features = read_recordio_protobuf(content, "a", False).features
    assert features.shape == (2, 400)
    assert (features[0, 300], features[1, 0], features[1, 2]) == (0.5, 3, 4)


def test_recordio_that_cannot_be_read(encode: SimpleNamespace) -> None:
    record, tensor = encode.record, encode.tensor
    wrong = {
        "no RecordIO frame at byte 0": b"1,2,3,4,5",
        "record 2 has 1 features, record 1 has 2": record(1, tensor([1, 2])) + record(1, tensor([1])),
        "cut off at byte 0": record(1, tensor([1]))[:-4],
        "record 1 is not a protobuf Record": struct.pack("<II", 0xCED7230A, 4) + b"\xff" * 4,
    }
    for told, content in wrong.items():
        with pytest.raises(UserError, match=f"train/a: {told}"):
            read_recordio_protobuf(content, "train/a", False)


@given(st.binary(max_size=40))
def test_no_bytes_make_the_decoder_fail_otherwise(content: bytes) -> None:
    framed = struct.pack("<II", 0xCED7230A, len(content)) + content
    with suppress(recordio.Malformed):
        recordio.decode(framed + b"\0" * (-len(content) % 4))


@pytest.mark.parametrize(
    "content_type", ["text/csv", "csv", "text/csv; charset=utf-8", "text/csv;label_size=1", "Text/CSV"]
)
def test_content_types_of_csv(content_type: str) -> None:
    assert find(content_type, "train")[0] == "csv"


def test_libsvm_is_the_default() -> None:
    assert find("", "train")[0] == "libsvm"


@pytest.mark.parametrize(
    ("content_type", "told"),
    [
        ("application/json", "Channel train: the content type 'application/json'"),
        ("text/csv;label_size=0", "label_size=1"),
    ],
)
def test_other_content_types(content_type: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        find(content_type, "train")
