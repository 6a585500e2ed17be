"""CRCs of long pieces of data, many bytes at a time.

A register that begins with zero depends linearly on the data, and zeros before the data change nothing.  So the data is
laid out, after zeros, in lanes of LANE bytes; all lanes are taken through the table together, one byte at a time; then
neighbours are joined, crc(a + b) = crc(a) * x^(8 |b|) + crc(b), until one is left.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pegbox.wire.rest_s3.crc import multiply, power, table

LANE = 64  #: bytes

Registers = npt.NDArray[np.unsignedinteger[Any]]


def crc_of(data: bytes | memoryview, polynomial: int, width: int) -> int:
    """The register after `data` if it was zero before.  `polynomial` is reflected, `width` 32 or 64."""
    kind = np.dtype(f"<u{width // 8}")
    lanes = 1 << max(0, -(-len(data) // LANE) - 1).bit_length()
    laid = np.zeros(lanes * LANE, np.uint8)
    laid[laid.size - len(data) :] = np.frombuffer(data, np.uint8)
    registers: Registers = np.zeros(lanes, kind)
    lowest = registers.view(np.uint8)[:: width // 8]
    entries = _entries(polynomial, width)
    for column in np.ascontiguousarray(laid.reshape(lanes, LANE).T):
        changed = entries[lowest ^ column]
        registers >>= 8
        registers ^= changed
    length = LANE
    while registers.size > 1:
        registers = _times(registers[::2], polynomial, width, length) ^ registers[1::2]
        length *= 2
    return int(registers[0])


def _times(registers: Registers, polynomial: int, width: int, count: int) -> Registers:
    """Each register after `count` bytes of zeros."""
    by_byte = np.ascontiguousarray(registers).view(np.uint8).reshape(-1, width // 8)
    product: Registers = np.zeros(registers.size, registers.dtype)
    for place, entries in enumerate(_after_zeros(polynomial, width, count)):
        product ^= entries[by_byte[:, place]]
    return product


@lru_cache(maxsize=4)
def _entries(polynomial: int, width: int) -> Registers:
    return np.array(table(polynomial), f"<u{width // 8}")


@lru_cache(maxsize=64)
def _after_zeros(polynomial: int, width: int, count: int) -> tuple[Registers, ...]:
    """For each byte of a register, what its values become after `count` bytes of zeros."""
    factor = power(polynomial, width, count)
    found = []
    for place in range(width // 8):
        entries: Registers = np.zeros(256, f"<u{width // 8}")
        for bit in range(8):
            product = multiply(factor, 1 << 8 * place + bit, polynomial, width)
            entries[1 << bit : 2 << bit] = entries[: 1 << bit] ^ entries.dtype.type(product)
        found.append(entries)
    return tuple(found)
