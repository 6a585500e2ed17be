"""The search for metric values in what programs print."""

from __future__ import annotations

import selectors
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from pegbox import regex
from pegbox.runner.compat import Backtracker
from pegbox.runner.parse import Hit, MetricParser

Found = Callable[[str, float, Sequence[tuple[int, float]]], None]  #: host, epoch seconds, (metric index, value)


class Search:
    """Expressions that take linear time look at once, the others in a process of their own, `late`.

    `found` hears of values, `warn` of definitions that cannot be used.
    """

    def __init__(
        self,
        definitions: Sequence[Mapping[str, str]],
        found: Found,
        warn: Callable[[str], None],
        selector: selectors.BaseSelector,
    ) -> None:
        self._definitions, self._found, self._warn = definitions, found, warn
        linear: dict[int, str] = {}
        backtracking: dict[int, str] = {}
        for index, definition in enumerate(definitions):
            try:
                expression = regex.check(definition["Regex"])
            except regex.InvalidExpression as error:
                warn(f"metric {definition['Name']!r} is not extracted: {error}")
                continue
            kind = linear if expression.engine is regex.Engine.LINEAR else backtracking
            kind[index] = expression.text
        self._parser = MetricParser(linear)
        self.late = Backtracker(backtracking, self._add, self._give_up, time.monotonic, selector)

    def feed(self, host: str, at: float, block: bytes) -> None:
        """Search whole lines that a host printed."""
        self._add(host, at, self._parser.feed(block))
        self.late.offer(host, at, block)

    def _add(self, host: str, at: float, hits: Iterable[Hit]) -> None:
        self._found(host, at, [(metric, value) for _, metric, value in hits])

    def _give_up(self, metric: int) -> None:
        name = self._definitions[metric]["Name"]
        self._warn(f"metric {name!r} is disabled: its expression took too long on a line of this log")
