"""Metric values in log lines (developer guide, "Define Metrics"): every match of every definition, first group.

By definition each line is searched alone.  Done that way Python's share is most of the time, so a whole block of lines
is searched instead: `(?m)` makes the anchors mean lines and RE2's `never_nl` keeps a match inside one line, which
gives the same matches.  One RE2::Set over the block tells which definitions to look for at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import re2

from pegbox.regex import re2_options

_place = itemgetter(0, 1)  # line and definition; sorting is stable, so matches of a line stay in order

SET_MEMORY = 64 << 20  #: bytes the automaton of all definitions together may take

_BOUND_TO_TEXT = re.compile(r"\\[AzCQ]|\(\?[a-zA-Z]*-[a-zA-Z]*m")  # would see the block, not the line


Hit = tuple[int, int, float]  #: where the line begins in the block, index of the definition, value


class MetricParser:
    """Finds the values of those definitions that RE2 can match.

    `expressions`: metric index -> Regex.  Raises re2.error for one that RE2 refuses.
    """

    def __init__(self, expressions: Mapping[int, str]) -> None:
        by_line = {index for index, text in expressions.items() if _is_bound_to_text(text)}
        in_order = sorted(expressions.items())
        self._by_line = [(index, _compile(text, never_nl=False)) for index, text in in_order if index in by_line]
        in_blocks = [(index, text) for index, text in in_order if index not in by_line]
        self._in_blocks = [(index, _compile("(?m)" + text, never_nl=True)) for index, text in in_blocks]
        self._gate = _gate([text for _, text in in_blocks])

    def feed(self, block: bytes) -> list[Hit]:
        """All values in `block` (whole lines of UTF-8, each with its `\\n`): by line, definition, place in the line."""
        hits: list[Hit] = []
        for index, expression in self._candidates(block):
            for match in expression.finditer(block):
                start, end = match.span(1)
                value = number(block[start:end]) if start >= 0 else None
                if value is not None:
                    hits.append((block.rfind(b"\n", 0, start) + 1, index, value))
        for index, expression in self._by_line:
            hits += _hits_by_line(expression, index, block)
        hits.sort(key=_place)
        return hits

    def _candidates(self, block: bytes) -> Sequence[tuple[int, Any]]:
        """The definitions that may match somewhere in `block`."""
        if self._gate is None:
            return self._in_blocks
        found = self._gate.Match(block)
        if found is None:  # not even `^`: the automaton ran out of memory
            return self._in_blocks
        return [self._in_blocks[number - 1] for number in found if number > 0]


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


def _hits_by_line(expression: Any, index: int, block: bytes) -> Iterator[Hit]:
    start = 0
    while start < len(block):
        end = block.index(b"\n", start)
        for match in expression.finditer(block[start:end]):
            value = number(match.group(1))
            if value is not None:
                yield start, index, value
        start = end + 1


def number(text: bytes | None) -> float | None:
    """The finite number that `text` spells, or None."""
    if not text or b"_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
