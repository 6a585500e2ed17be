"""The optimiser by itself, for Python programs: no server, no jobs, plain values in and out.

    from pegbox.optimize import integer, minimise, real

    search = minimise(lambda at: (at["x"] - 0.3) ** 2 + at["n"], {"x": real(0, 1), "n": integer(1, 9)}, trials=30)
    print(search.best.parameters, search.best.value)

`Search` is the same step by step: `ask` for parameters, `tell` what came of them.  Numerical libraries are loaded by
the first ask, SciPy by the first one that has results to learn from.
"""

from __future__ import annotations

from pegbox.optimize.loop import maximise, minimise
from pegbox.optimize.ranges import Choice, Integer, Range, Real, Value, choice, integer, real
from pegbox.optimize.search import Search, Trial
from pegbox.optimize.values import Finished, Stopped
from pegbox.strategies.base import Exhausted, TrialState
from pegbox.strategies.explain.answers import TooLittle

__all__ = [
    "Choice",
    "Exhausted",
    "Finished",
    "Integer",
    "Range",
    "Real",
    "Search",
    "Stopped",
    "TooLittle",
    "Trial",
    "TrialState",
    "Value",
    "choice",
    "integer",
    "maximise",
    "minimise",
    "real",
]
