"""The arithmetic of CRCs: polynomials over two elements, their bits reflected, modulo the one that names the CRC."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4)
def table(polynomial: int) -> tuple[int, ...]:
    """What each value of a byte does to the register."""
    entries = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ polynomial if value & 1 else value >> 1
        entries.append(value)
    return tuple(entries)


@lru_cache(maxsize=64)
def power(polynomial: int, width: int, count: int) -> int:
    """x to the power 8 * count, modulo the polynomial; the highest bit stands for x^0."""
    result, power = 1 << width - 1, 1 << width - 9
    while count:
        if count & 1:
            result = multiply(result, power, polynomial, width)
        power = multiply(power, power, polynomial, width)
        count >>= 1
    return result


def multiply(first: int, second: int, polynomial: int, width: int) -> int:
    """The product of two polynomials of reflected bits, modulo a third."""
    product = 0
    for bit in range(width - 1, -1, -1):
        if first >> bit & 1:
            product ^= second
        second = (second >> 1) ^ polynomial if second & 1 else second >> 1
    return product
