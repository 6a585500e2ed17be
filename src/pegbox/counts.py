"""Numbers of things, as people read them."""

from __future__ import annotations


def counted(number: int, noun: str, several: str | None = None) -> str:
    """`1 tuning job`, `2,000 tuning jobs`; `several` is the noun where that is irregular."""
    return f"{number:,} {either(number, noun, several or f'{noun}s')}"


def either(number: int, one: str, several: str) -> str:
    """The word that goes with a number: is or are, was or were."""
    return one if number == 1 else several
