"""The dialect of metric expressions: Python-like, matched by RE2 wherever RE2 can.

RE2 runs in time linear in the line, so no expression can hang a job.  What it refuses and Python's `re` accepts
(look-around, back-references) is marked compatible and runs in a process that can be killed.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from enum import Enum

import re2

MAX_MEMORY = 8 << 20  #: bytes one expression's automaton may take
MAX_PROGRAM = 5000  #: instructions of an automaton; its time is at worst this many for each character

_UNBOUNDED_FROM = re.compile(r"(?<!\\)\{,\d+\}")


class Engine(Enum):
    """Who can match an expression."""

    LINEAR = "re2"
    BACKTRACKING = "re"


class InvalidExpression(Exception):
    """The expression is not valid, or captures nothing.  The message says which."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked metric expression."""

    text: str
    engine: Engine


def re2_options() -> re2.Options:
    """The options under which all metric expressions run: quiet, bounded, UTF-8."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    return options


def check(text: str) -> Expression:
    """Decide who matches `text`.

    Raises InvalidExpression when it does not compile, has no capture group, or is so large that one line would keep a
    processor busy for seconds.
    """
    try:
        compiled = re2.compile(text, options=re2_options())
    except re2.error:
        return _checked(text, Engine.BACKTRACKING, _groups_of_re(text))
    if _UNBOUNDED_FROM.search(text.replace("\\\\", "")):  # RE2 reads a{,3} as these five characters
        return _checked(text, Engine.BACKTRACKING, _groups_of_re(text))
    if compiled.programsize > MAX_PROGRAM:
        raise InvalidExpression(f"it is too large: repeat counts make it {compiled.programsize} steps long")
    return _checked(text, Engine.LINEAR, compiled.groups)


def _checked(text: str, engine: Engine, groups: int) -> Expression:
    if groups < 1:
        raise InvalidExpression("it has no capture group: put the number to extract in parentheses")
    return Expression(text, engine)


def _groups_of_re(text: str) -> int:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(text).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise InvalidExpression(f"it is not a valid regular expression: {error}") from None
