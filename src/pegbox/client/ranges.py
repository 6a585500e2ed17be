"""Hyperparameters as people write them, and as the API has them.

lr: [1e-4, 0.1]                           two numbers: everything between them
layers: {min: 1, max: 6, type: int}       the same in words; scale: log | linear | reverse-log | auto
optimizer: [sgd, adam]                    anything else in a list: a choice
batch: {values: [16, 32]}                 a choice of two numbers
epochs: 10                                the same in every job
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pegbox.client.document import Node
from pegbox.client.faults import Fault, Faults, mapping, number, scalar, shown
from pegbox.domain.range_request import parse_ranges
from pegbox.domain.ranges import is_number
from pegbox.errors import ValidationException

KEYS = ("min", "max", "scale", "type", "values", "value")
ALIASES = {"low": "min", "high": "max", "lower": "min", "upper": "max", "choices": "values", "scaling": "scale"}
TYPES = {
    "int": "Integer", "integer": "Integer", "float": "Continuous", "double": "Continuous", "continuous": "Continuous",
}  # fmt: skip
SCALES = {
    "auto": "Auto", "linear": "Linear", "log": "Logarithmic", "logarithmic": "Logarithmic",
    "reverse-log": "ReverseLogarithmic", "reverse-logarithmic": "ReverseLogarithmic",
    "reverselogarithmic": "ReverseLogarithmic",
}  # fmt: skip


@dataclass(slots=True)
class Parameters:
    """All hyperparameters of a file."""

    ranges: dict[str, list[dict[str, object]]] = field(default_factory=dict)  #: ParameterRanges
    static: dict[str, str] = field(default_factory=dict)  #: StaticHyperParameters
    told: dict[str, str] = field(default_factory=dict)  #: name -> what it may be, for people
    values: dict[str, list[str]] = field(default_factory=dict)  #: name -> its values, or its bounds
    doubts: list[tuple[Node, str]] = field(default_factory=list)  #: what may not be meant as it is written

    def add(self, name: str, node: Node) -> None:
        """Read one.  Raises Fault."""
        if isinstance(node.value, dict):
            self._add_mapping(name, node)
        elif isinstance(node.value, list):
            if len(node.value) == 2 and all(each.is_number for each in node.value):
                self._add_range(name, node, {"min": node.value[0], "max": node.value[1]})
            else:
                _check_short_choice(node, node.value)
                self._add_choice(name, node)
        else:
            self._add_value(name, node)

    def _add_mapping(self, name: str, node: Node) -> None:
        given = mapping(node, (*KEYS, *ALIASES))
        members = {ALIASES.get(key, key): value for key, value in given.items()}
        if len(members) < len(given):
            raise Fault(node, f"one thing is said twice: {', '.join(given)}")
        if {"min", "max"} <= members.keys() and not members.keys() & {"values", "value"}:
            self._add_range(name, node, members)
        elif members.keys() == {"values"}:
            self._add_choice(name, members["values"])
        elif members.keys() == {"value"}:
            self._add_value(name, members["value"])
        else:
            raise Fault(node, f"give min and max, or values, or value; here are {', '.join(given) or 'none'}")

    def _add_range(self, name: str, node: Node, members: Mapping[str, Node]) -> None:
        low, high = members["min"], members["max"]
        for bound in (low, high):
            number(bound)
        kind = _kind(members, all(isinstance(bound.value, int) for bound in (low, high)))
        texts = [_bound(bound, kind) for bound in (low, high)]
        if float(texts[0]) > float(texts[1]):
            raise Fault(node, f"the smaller bound stands first: not {texts[0]}, {texts[1]}")
        found: dict[str, object] = {"Name": name, "MinValue": texts[0], "MaxValue": texts[1]}
        scale = "auto"
        if "scale" in members:
            scale = _one_of(members["scale"], SCALES)
            found["ScalingType"] = SCALES[scale]
            _check_scale(members["scale"], SCALES[scale], kind, *map(float, texts))
        _check(node, f"{kind}ParameterRanges", found)
        if (kind, texts) == ("Integer", ["0", "1"]) and "type" not in members:
            self.doubts.append((node, "only 0 and 1 are tried; for everything between them write 0.0 and 1.0"))
        self.ranges.setdefault(f"{kind}ParameterRanges", []).append(found)
        words = "whole numbers " if kind == "Integer" else ""
        self.told[name] = f"{words}{texts[0]} to {texts[1]}{'' if scale == 'auto' else f', {scale}'}"
        self.values[name] = texts

    def _add_choice(self, name: str, node: Node) -> None:
        if not isinstance(node.value, list) or not node.value:
            raise Fault(node, "values are a list, such as [sgd, adam]")
        values = [scalar(each) for each in node.value]
        found: dict[str, object] = {"Name": name, "Values": values}
        _check(node, "CategoricalParameterRanges", found)
        self.ranges.setdefault("CategoricalParameterRanges", []).append(found)
        self.told[name] = "one of " + ", ".join(values)
        self.values[name] = values

    def _add_value(self, name: str, node: Node) -> None:
        self.static[name] = scalar(node)
        self.told[name] = f"always {self.static[name]}"
        self.values[name] = [self.static[name]]


def parameters(node: Node, faults: Faults) -> Parameters:
    """The hyperparameters of a mapping; what is wrong with one is collected.  Raises Fault."""
    found = Parameters()
    for name, value in mapping(node).items():
        with faults.collected():
            found.add(name, value)
    return found


def _check_short_choice(node: Node, items: Sequence[Node]) -> None:
    """A list without a word that says what it is: what looks like a range with a slip in it is refused."""
    texts = [each.value for each in items if isinstance(each.value, str)]
    wrong = ""
    if texts and any(each.is_number for each in items):
        wrong = f"numbers stand beside the text {texts[0]!r}"
    elif texts and all(is_number(each.strip()) for each in texts):
        wrong = "the texts in it look like numbers"
    elif len(items) == 1 and texts and " " in texts[0].strip():
        wrong = f"{texts[0]!r} is one single text: a comma is missing"
    if wrong:
        raise Fault(node, f"{wrong}; if a choice among just these is meant, write {{values: [...]}}")


def _check_scale(node: Node, scale: str, kind: str, low: float, high: float) -> None:
    if scale == "Logarithmic" and low < (1 if kind == "Integer" else 5e-324):
        raise Fault(node, f"a logarithmic scale begins above 0{': at 1' if kind == 'Integer' else ''}, not at {low:g}")
    if scale == "ReverseLogarithmic" and kind == "Integer":
        raise Fault(node, "a reverse logarithmic scale is for type: float")
    if scale == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise Fault(node, f"a reverse logarithmic scale lies from 0 on and below 1, not at {low:g} to {high:g}")


def _check(node: Node, kind: str, found: Mapping[str, object]) -> None:
    """By the rules of the API that are not said above: values twice, too many of them, bounds beyond 64 bits."""
    try:
        parse_ranges({kind: [found]}, {})
    except ValidationException as error:
        raise Fault(node, str(error)) from None


def _kind(members: Mapping[str, Node], are_whole: bool) -> str:
    if "type" in members:
        return TYPES[_one_of(members["type"], TYPES)]
    return "Integer" if are_whole else "Continuous"


def _bound(node: Node, kind: str) -> str:
    if kind == "Continuous" or isinstance(node.value, int):
        return node.text
    if isinstance(node.value, float) and node.value.is_integer():
        return str(int(node.value))
    raise Fault(node, f"{shown(node)} is no whole number, which type: int asks for")


def _one_of(node: Node, known: Mapping[str, str]) -> str:
    word = str(node.value).lower().replace("_", "-")
    if word not in known:
        raise Fault(node, f"{shown(node)} is none of {', '.join(known)}")
    return word
