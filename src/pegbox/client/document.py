"""A file of JSON or YAML as a tree that knows where everything stands, so that a fault can be pointed at.

YAML is read by the rules of its version 1.2: `1e-4` is a number, `no` and `on` are words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

MOST_BYTES = 4 << 20
MOST_NODES = 100_000  #: with those of aliases each time

Value: TypeAlias = "dict[str, Node] | list[Node] | str | int | float | bool | None"


class UnreadableFile(Exception):
    """The file cannot be read as JSON or YAML; the message says where."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place."""

    value: Value
    line: int  #: from 1
    path: str  #: parameters.lr
    text: str = ""  #: of a scalar, as it is written

    @property
    def plain(self) -> Any:
        """The value without places."""
        if isinstance(self.value, dict):
            return {name: node.plain for name, node in self.value.items()}
        return [node.plain for node in self.value] if isinstance(self.value, list) else self.value

    @property
    def is_number(self) -> bool:
        """Whether it is a number and not a truth value."""
        return isinstance(self.value, (int, float)) and not isinstance(self.value, bool)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Composes nodes; scalars are resolved by the core schema of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 the base's, emptied


_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float"))
_STR, _MAP, _SEQ = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq"))
_Loader.add_implicit_resolver(_NULL, re.compile(r"^(?:null|Null|NULL|~|)$"), ["n", "N", "~", ""])
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(_INT, re.compile(r"^[-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"),
    list("-+.0123456789"),
)


def read(file: Path) -> Node:
    """The document in a file.  Raises UnreadableFile."""
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableFile(f"{file}: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise UnreadableFile(f"{file}: a request has at most {MOST_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"{file}: it is not UTF-8: {error}") from None
    if file.suffix == ".json" or text.lstrip()[:1] == "{":
        text = _checked_json(file, text)
    try:
        found = yaml.compose(text, Loader=_Loader)
        return Node({}, 1, "") if found is None else _node(found, "", iter(range(MOST_NODES)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UnreadableFile(f"{file}:{mark.line + 1 if mark else 1}: {_told(error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableFile(f"{file}: {' '.join(str(error).split())}") from None
    except StopIteration:
        raise UnreadableFile(f"{file}: it has more than {MOST_NODES} values") from None
    except RecursionError:
        raise UnreadableFile(f"{file}: it is nested too deeply") from None


def _checked_json(file: Path, text: str) -> str:
    """The text, which then is YAML as well."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if file.suffix == ".json":
            raise UnreadableFile(f"{file}:{error.lineno}: this is no JSON: {error.msg}") from None
        return text  # YAML in braces
    except RecursionError:
        raise UnreadableFile(f"{file}: it is nested too deeply") from None
    return text.replace("\t", " ")  # JSON has none in texts


def _told(error: yaml.MarkedYAMLError) -> str:
    said = error.problem or error.context or "this is no YAML"
    if "escape character" in said:
        return f"{said}; in 'single quotes' a backslash is a backslash"
    return str(said)


def _node(found: yaml.Node, path: str, left: Iterator[int]) -> Node:
    next(left)
    line = found.start_mark.line + 1
    if isinstance(found, yaml.MappingNode) and found.tag == _MAP:
        return Node(_mapping(found, path, left), line, path)
    if isinstance(found, yaml.SequenceNode) and found.tag == _SEQ:
        return Node([_node(item, f"{path}[{number}]", left) for number, item in enumerate(found.value)], line, path)
    if isinstance(found, yaml.ScalarNode):
        return Node(_scalar(found), line, path, found.value)
    raise yaml.MarkedYAMLError(problem=f"the tag {found.tag} means nothing here", problem_mark=found.start_mark)


def _mapping(found: yaml.MappingNode, path: str, left: Iterator[int]) -> dict[str, Node]:
    mapping: dict[str, Node] = {}
    for key, value in found.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a name must be a plain text", problem_mark=key.start_mark)
        if key.value in mapping:
            raise yaml.MarkedYAMLError(problem=f"{key.value} is here twice", problem_mark=key.start_mark)
        mapping[key.value] = _node(value, f"{path}.{key.value}" if path else key.value, left)
    return mapping


def _scalar(found: yaml.ScalarNode) -> str | int | float | bool | None:
    text: str = found.value
    if found.tag == _STR:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs of JSON's \u escapes
    if found.tag == _NULL:
        return None
    if found.tag == _BOOL:
        return text.lower() == "true"
    if found.tag == _INT:
        return int(text)
    if found.tag == _FLOAT:
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    raise yaml.MarkedYAMLError(problem=f"the tag {found.tag} means nothing here", problem_mark=found.start_mark)
