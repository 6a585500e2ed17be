"""What is wrong with a file, each fault with its place."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pegbox.client.document import Node

MOST_SHOWN = 40  #: characters of a value in a message


class Fault(Exception):
    """One value cannot be used."""

    def __init__(self, node: Node, message: str) -> None:
        super().__init__(message)
        self.node = node


class RequestFaults(Exception):
    """The file asks for nothing that could be done; the message has a line for each reason."""


class Faults:
    """Collects what is wrong, so that all of it is told at once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lines: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note a fault and go on."""
        try:
            yield
        except Fault as fault:
            self._lines.append(self.line(fault.node, str(fault)))

    def line(self, node: Node, message: str) -> str:
        """A message with its place."""
        where = f"{node.path}: " if node.path else ""
        return f"{self._file}:{node.line}: {where}{message}"

    def check(self) -> None:
        """Raise RequestFaults if there are any."""
        if self._lines:
            raise RequestFaults("\n".join(self._lines))


def mapping(node: Node, known: Collection[str] | None = None) -> Mapping[str, Node]:
    """The members of a mapping, all of which have to be known.  Raises Fault."""
    if not isinstance(node.value, dict):
        raise Fault(node, f"{shown(node)} is no list of names with values")
    for name, value in node.value.items():
        if known is not None and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f"; did you mean {close[0]}?" if close else "."
            raise Fault(value, f"{name} is not known here{meant} Known are: {', '.join(known)}")
    return node.value


def text(node: Node) -> str:
    """A text.  Raises Fault."""
    if not isinstance(node.value, str) or not node.value.strip():
        raise Fault(node, f"{shown(node)} is no text")
    return node.value


def scalar(node: Node) -> str:
    """A single value as it is written; true and false in small letters.  Raises Fault."""
    if isinstance(node.value, bool):
        return str(node.value).lower()
    if node.value is None:
        raise Fault(node, "there is no value; a text such as null or ~ is written in quotes")
    if isinstance(node.value, (dict, list)):
        raise Fault(node, f"{shown(node)} is no single value")
    return node.value if isinstance(node.value, str) else node.text


def whole(node: Node, least: int) -> int:
    """A whole number.  Raises Fault."""
    if not isinstance(node.value, int) or isinstance(node.value, bool) or node.value < least:
        raise Fault(node, f"{shown(node)} is no whole number from {least} on")
    return node.value


def number(node: Node) -> float:
    """A finite number.  Raises Fault."""
    try:
        found = float(node.plain) if node.is_number else math.nan
    except OverflowError:  # of a whole number
        found = math.inf
    if not math.isfinite(found):
        raise Fault(node, f"{shown(node)} is no number")
    return found


def shown(node: Node) -> str:
    """What stands there, for a message."""
    if isinstance(node.value, (dict, list)):
        return "this"
    if node.value is None:
        return "nothing"
    text = str(node.text or node.value)
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]} ...")
