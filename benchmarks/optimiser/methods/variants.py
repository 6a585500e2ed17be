"""Variants of our strategies: the same with one ingredient changed or switched off.

A change replaces an attribute of a module where it is used: `pegbox.strategies.gp.model:FAILURES`, or of a class in a
module: `pegbox.strategies.gp.model:Model.add_pending`.  What does not exist any more cannot be replaced: a variant
whose ingredient has been renamed fails, instead of measuring the same strategy again.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pegbox.strategies.design import first_points
from pegbox.strategies.gp.observations import Observations

Changes = Mapping[str, Any]
Array = NDArray[np.float64]

NONE: Changes = {}
NEVER = 10**9


def _nothing(*_: object, **__: object) -> None:
    """In place of a method that does something."""


def _none_pending(observations: Observations) -> Array:
    return np.empty((0, observations.points.shape[1]))


def _as_it_is(values: Array, _: Array) -> Array:
    """In place of what compresses bad values."""
    return values


def _flat(_: object, theta: Array) -> tuple[float, Array]:
    """In place of a prior's negative logarithm and its gradient."""
    return 0.0, np.zeros_like(theta)


def _last(_: object, curve: Mapping[float, float]) -> tuple[float, None]:
    """In place of a guess at the end of a curve: its last value."""
    return curve[max(curve)], None


def _without_centre(size: int, dimensions: int, seed: int) -> Array:
    """In place of the first points: those of a larger design but its centre; their middle slice stays empty."""
    return first_points(size + 1, dimensions, seed)[1:]


def _three(*_: object) -> int:
    return 3


#: Name -> what is changed in Bayesian.
VARIANTS: Mapping[str, Changes] = MappingProxyType(
    {
        "no-warping": {"pegbox.strategies.gp.warp:compress": _as_it_is},
        "no-input-warping": {"pegbox.strategies.gp.model:_FEWEST_WARPED": NEVER},
        "no-prior": {"pegbox.strategies.gp.fit:Prior.negative_log": _flat},
        "no-pending": {
            "pegbox.strategies.gp.model:Model.add_pending": _nothing,
            "pegbox.strategies.gp.observations:Observations.pending": property(_none_pending, _nothing),
        },
        "no-failures": {
            "pegbox.strategies.gp.model:FAILURES": NEVER,
            "pegbox.strategies.gp.conditions:FAILURES": NEVER,
        },
        "no-extrapolation": {"pegbox.strategies.gp.extrapolation:Extrapolation.of": _last},
        "no-design": {"pegbox.strategies.bayesian:initial_size": _three},
        "no-centre": {"pegbox.strategies.bayesian:first_points": _without_centre},
        "no-rough": {"pegbox.strategies.gp.model:_ROUGH_EVERY": NEVER},
        "two-starts": {"pegbox.strategies.gp.optimise:_STARTS": 2},
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
