"""Numbers of things, as people read them."""

from __future__ import annotations


def counted(number: int, noun: str, more: str | None = None) -> str:
    """`1 tuning job`, `2,000 tuning jobs`; `more` is the noun for several where it is irregular."""
    return f"{number:,} {noun if number == 1 else more or f'{noun}s'}"
