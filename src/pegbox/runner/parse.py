"""Metric values in log lines (developer guide, "Define Metrics"): every match of every definition, first group.

By definition each line is searched alone.  Done that way Python's share is most of the time, so a whole block of lines
is searched instead: `(?m)` makes the anchors mean lines and RE2's `never_nl` keeps a match inside one line, which
gives the same matches.  One RE2::Set over the block tells which definitions to look for at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import re2

from pegbox.regex import re2_options

SET_MEMORY = 64 << 20  #: bytes the automaton of all definitions together may take

_BOUND_TO_TEXT = re.compile(r"\\[AzCQ]|\(\?[a-zA-Z]*-[a-zA-Z]*m")  # would see the block, not the line


class Hit(NamedTuple):
    """One value found in a block.  Hits sort by line, then definition."""

    line: int  #: where the line begins in the block
    metric: int  #: index of the definition
    value: float


class MetricParser:
    """Finds the values of those definitions that RE2 can match.

    `expressions`: metric index -> Regex.  Raises re2.error for one that RE2 refuses.
    """

    def __init__(self, expressions: dict[int, str]) -> None:
        per_block = {index: text for index, text in expressions.items() if not _is_bound_to_text(text)}
        self._per_block = [(index, _compile("(?m)" + text, never_nl=True)) for index, text in per_block.items()]
        self._per_line = [
            (index, _compile(text, never_nl=False)) for index, text in expressions.items() if index not in per_block
        ]
        self._gate = _gate(list(per_block.values()))

    def feed(self, block: bytes) -> list[Hit]:
        """All values in `block` (whole lines of UTF-8, each with its `\\n`): by line, definition, place in the line."""
        hits: list[Hit] = []
        for index, expression in self._open(block):
            hits += _hits(expression, index, block)
        for index, expression in self._per_line:
            hits += _hits_by_line(expression, index, block)
        hits.sort(key=_line_and_metric)
        return hits

    def _open(self, block: bytes) -> Sequence[tuple[int, Any]]:
        if self._gate is None:
            return self._per_block
        found = self._gate.Match(block)
        if found is None:  # not even `^`: the automaton ran out of memory
            return self._per_block
        return [self._per_block[number - 1] for number in sorted(found) if number > 0]


def _is_bound_to_text(text: str) -> bool:
    return _BOUND_TO_TEXT.search(text.replace("\\\\", "")) is not None


def _compile(text: str, *, never_nl: bool) -> Any:
    options = re2_options()
    options.never_nl = never_nl
    return re2.compile(text, options=options)


def _gate(texts: list[str]) -> Any:
    """A set of all expressions behind one that always matches: no match at all then tells of a failure."""
    if not texts:
        return None
    options = re2_options()
    options.never_nl = True
    options.max_mem = SET_MEMORY
    gate = re2.Set.SearchSet(options)
    try:
        for text in ["^", *texts]:
            gate.Add("(?m)" + text)
        gate.Compile()
    except re2.error:
        return None
    return gate


def _hits(expression: Any, index: int, block: bytes) -> Iterator[Hit]:
    for match in expression.finditer(block):
        value = number(match.group(1))
        if value is not None:
            yield Hit(block.rfind(b"\n", 0, match.start()) + 1, index, value)


def _hits_by_line(expression: Any, index: int, block: bytes) -> Iterator[Hit]:
    start = 0
    while start < len(block):
        end = block.index(b"\n", start)
        for match in expression.finditer(block[start:end]):
            value = number(match.group(1))
            if value is not None:
                yield Hit(start, index, value)
        start = end + 1


def _line_and_metric(hit: Hit) -> tuple[int, int]:
    return hit[:2]


def number(text: bytes | None) -> float | None:
    """The finite number that `text` spells, or None."""
    if not text or b"_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
