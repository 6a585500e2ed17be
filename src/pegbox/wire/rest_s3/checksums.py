"""The additional checksums of the S3 API: compute, compare, combine.

crc32, sha1 and sha256 come from the standard library.  crc32c and crc64nvme are computed here, long pieces with numpy
(crc_lanes).  awscrt would have them, too, but where it is installed boto3 signs with it as well.
Checksums of whole objects uploaded in parts are combined from those of the parts without reading the data again (the
method of zlib's crc32_combine).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Sequence
from typing import Protocol

from pegbox.errors import S3Error
from pegbox.objects.stored import Checksum
from pegbox.wire.rest_s3.crc import multiply, power, table

LENGTHS = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}  #: bytes
LONG = 2048  #: bytes from which on numpy is quicker

_POLYNOMIALS = {"crc32": 0xEDB88320, "crc32c": 0x82F63B78, "crc64nvme": 0x9A6C9329AC4BC9B5}  # reflected


class Sum(Protocol):
    """A checksum in the making."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take in more data."""
        ...

    def digest(self) -> bytes:
        """The checksum."""
        ...


def new_sum(algorithm: str) -> Sum:
    """A checksum of nothing yet."""
    if algorithm in ("sha1", "sha256"):
        return hashlib.new(algorithm, usedforsecurity=False)
    return _Crc32() if algorithm == "crc32" else _Crc(algorithm)


def algorithm_of(name: str) -> str:
    """The algorithm that a header names.  Raises S3Error InvalidRequest."""
    if name.lower() not in LENGTHS:
        raise S3Error("InvalidRequest", 400, "Checksum algorithm provided is unsupported.")
    return name.lower()


def field_name(algorithm: str) -> str:
    """The name of the XML element: ChecksumCRC32C."""
    return f"Checksum{algorithm.upper()}"


def check_value(algorithm: str, value: str) -> str:
    """The value, if it can be one of the algorithm.  Raises S3Error InvalidRequest."""
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != LENGTHS[algorithm]:
        raise S3Error("InvalidRequest", 400, f"Value for x-amz-checksum-{algorithm} header is invalid.")
    return value


def settle(algorithm: str, computed: Sum, claimed: str | None) -> Checksum:
    """The checksum to keep.  Raises S3Error BadDigest if the claim is wrong."""
    value = base64.b64encode(computed.digest()).decode()
    if claimed is not None and claimed != value:
        message = f"The {algorithm.upper()} you specified did not match the calculated checksum."
        raise S3Error("BadDigest", 400, message)
    return Checksum(algorithm=algorithm, value=value)


def composite(algorithm: str, values: Sequence[str]) -> Checksum:
    """The checksum of the checksums of the parts."""
    total = new_sum(algorithm)
    total.update(b"".join(base64.b64decode(value) for value in values))
    value = base64.b64encode(total.digest()).decode()
    return Checksum(algorithm=algorithm, value=f"{value}-{len(values)}", kind="COMPOSITE")


def full(algorithm: str, parts: Sequence[tuple[str, int]]) -> Checksum:
    """The CRC of the whole from pairs of a part's CRC and its size."""
    length = LENGTHS[algorithm]
    total = 0
    for value, size in parts:
        shift = power(_POLYNOMIALS[algorithm], 8 * length, size)
        part = int.from_bytes(base64.b64decode(value), "big")
        total = multiply(shift, total, _POLYNOMIALS[algorithm], 8 * length) ^ part
    return Checksum(algorithm=algorithm, value=base64.b64encode(total.to_bytes(length, "big")).decode())


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


class _Crc:
    def __init__(self, algorithm: str) -> None:
        self._polynomial, self._length = _POLYNOMIALS[algorithm], LENGTHS[algorithm]
        self._ones = (1 << 8 * self._length) - 1
        self._value = self._ones

    def update(self, data: bytes | memoryview, /) -> None:
        if len(data) >= LONG:
            from pegbox.wire.rest_s3.crc_lanes import crc_of  # numpy is not for the start of the server

            width = 8 * self._length
            shift = power(self._polynomial, width, len(data))
            self._value = multiply(shift, self._value, self._polynomial, width) ^ crc_of(data, self._polynomial, width)
            return
        value, entries = self._value, table(self._polynomial)
        for byte in data:
            value = entries[(value ^ byte) & 0xFF] ^ (value >> 8)
        self._value = value

    def digest(self) -> bytes:
        return (self._value ^ self._ones).to_bytes(self._length, "big")
