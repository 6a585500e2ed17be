"""The API's own form of a tuning request: CreateHyperParameterTuningJob, as JSON or as YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pegbox.client.document import Node
from pegbox.client.faults import Fault, Faults, mapping, shown
from pegbox.client.wanted import Wanted

#: type of the model -> whether a node can be one, and what to call it
KINDS: Mapping[str, tuple[Callable[[Node], bool], str]] = {
    "structure": (lambda node: isinstance(node.value, dict), "list of names with values"),
    "map": (lambda node: isinstance(node.value, dict), "list of names with values"),
    "list": (lambda node: isinstance(node.value, list), "list"),
    "integer": (lambda node: type(node.value) is int, "whole number"),
    "long": (lambda node: type(node.value) is int, "whole number"),
    "float": (lambda node: node.is_number, "number"),
    "double": (lambda node: node.is_number, "number"),
    "boolean": (lambda node: isinstance(node.value, bool), "truth value: write true or false"),
    "string": (lambda node: isinstance(node.value, (str, int, float)), "text"),
}
LONGEST_ENUM = 10  #: names that are checked here; longer ones, as of instance types, the server extends
MARKS = ("HyperParameterTuningJobConfig", "TrainingJobDefinition", "TrainingJobDefinitions")


def is_meant(root: Node) -> bool:
    """Whether a file has this form."""
    return isinstance(root.value, dict) and any(name in root.value for name in MARKS)


def wanted(file: Path, root: Node, shape: Any) -> Wanted:
    """The request; `shape` is that of the operation.  Raises RequestFaults.

    Numbers where the API wants texts, MinValue for one, are taken as they are written.
    """
    faults = Faults(file)
    request: Any = {}
    with faults.collected():
        request = _value(root, shape)
    faults.check()
    return Wanted(request=request)


def _value(node: Node, shape: Any) -> Any:
    """What a client sends for a node; `shape` is None where the model has none.  Raises Fault."""
    kind = str(getattr(shape, "type_name", ""))
    if kind in KINDS and not KINDS[kind][0](node):
        raise Fault(node, f"{shown(node)} is no {KINDS[kind][1]}")
    if kind == "string" and 0 < len(shape.enum) <= LONGEST_ENUM and node.value not in shape.enum:
        raise Fault(node, f"{shown(node)} is none of {', '.join(shape.enum)}")
    if isinstance(node.value, dict):
        members = mapping(node, list(shape.members)) if kind == "structure" else node.value
        return {name: _value(each, _member(shape, name)) for name, each in members.items()}
    if isinstance(node.value, list):
        return [_value(each, getattr(shape, "member", None)) for each in node.value]
    if kind == "string" and isinstance(node.value, bool):
        return str(node.value).lower()
    return node.text if kind == "string" and node.is_number else node.value


def _member(shape: Any, name: str) -> Any:
    return shape.members[name] if hasattr(shape, "members") else getattr(shape, "value", None)
