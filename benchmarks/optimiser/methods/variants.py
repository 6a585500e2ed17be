"""Variants of our strategies: the same with one ingredient changed or switched off.

A change replaces an attribute of a module where it is used: `pegbox.strategies.gp.model:_FAILURES`, or of a class in a
module: `pegbox.strategies.gp.model:Model.add_pending`.  What does not exist any more cannot be replaced: a variant
whose ingredient has been renamed fails, instead of measuring the same strategy again.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

Changes = Mapping[str, Any]

NONE: Changes = {}
NEVER = 10**9


def _nothing(*_: object, **__: object) -> None:
    """In place of a method that does something."""


#: Name -> what is changed in Bayesian.
VARIANTS: Mapping[str, Changes] = MappingProxyType(
    {
        "no-pending": {"pegbox.strategies.gp.model:Model.add_pending": _nothing},
        "no-failures": {"pegbox.strategies.gp.model:_FAILURES": NEVER},
        "no-rough": {"pegbox.strategies.gp.model:_ROUGH_EVERY": NEVER},
        "one-start": {"pegbox.strategies.gp.optimise:_STARTS": 1},
    }
)


@contextmanager
def changed(changes: Changes) -> Iterator[None]:
    """Make the changes, and take them back at the end.  AttributeError: there is no such thing to change."""
    undo = []
    try:
        for place, value in changes.items():
            owner, name = _owner(place)
            undo.append((owner, name, getattr(owner, name)))
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in reversed(undo):
            setattr(owner, name, value)


def _owner(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    owner = importlib.import_module(module)
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    return owner, name
