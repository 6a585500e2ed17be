"""The command of a file, and how it gets its hyperparameters.

All of them follow the command, as `--name value`, unless the command says itself where they belong: `lr={lr}`.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from pegbox.client.document import Node
from pegbox.client.faults import Fault, mapping, scalar, text
from pegbox.client.presence import PYTHONS, check_command, check_path, check_python
from pegbox.client.ranges import Parameters
from pegbox.client.wanted import Program
from pegbox.domain.arguments import names_in

KEYS = ("command", "python", "env", "bind")
READ_ONLY = ":ro"
#: whoever says so reads hyperparameters from where the container contract has them
FROM_CONTRACT = ("SM_HP", "hyperparameters.json", "SM_TRAINING_ENV")
MOST_READ = 1 << 20  #: bytes of a script


def program(folder: Path, given: Mapping[str, Node], found: Parameters, nodes: Mapping[str, Node]) -> Program:
    """The program that runs in `folder`; `nodes`: all parameters as they are written.  Raises Fault."""
    node = given["command"]
    words = _words(node)
    _check_places(node, words, nodes)
    _check_tuned(folder, words, nodes, found)
    check_command(node, words, folder)
    if "python" in given:
        check_python(given["python"], text(given["python"]), folder)
    first = next((place for place, word in enumerate(words) if names_in(word)), len(words))
    environment = {name: scalar(each) for name, each in mapping(given["env"]).items()} if "env" in given else {}
    return Program(
        command=tuple(words[:first]),
        arguments=tuple(words[first:] or usual_arguments(found.values)),
        workdir=str(folder),
        environment=environment,
        python=text(given["python"]) if "python" in given else _python(words[0]),
        binds=tuple(_binds(folder, given["bind"])) if "bind" in given else (),
    )


def usual_arguments(values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What follows a command that does not say where its hyperparameters belong; `values`: name -> values, or bounds.

    `--name value`; `--name=value` where the value may look like an option itself; a switch for true and false.
    """
    for name, possible in sorted(values.items()):
        if {*possible} <= {"true", "false"}:
            yield f"{{{name}?--{name}}}"
        elif any(value.startswith("-") for value in possible):
            yield f"--{name}={{{name}}}"
        else:
            yield from (f"--{name}", f"{{{name}}}")


def absolute(folder: Path, written: str) -> Path:
    """A path that is written relative to the file."""
    return Path(os.path.abspath(folder / os.path.expanduser(written)))


def _words(node: Node) -> Sequence[str]:
    try:
        words = [scalar(each) for each in node.value] if isinstance(node.value, list) else shlex.split(text(node))
    except ValueError as error:
        raise Fault(node, f"it cannot be read as a command line: {error}") from None
    if not words or names_in(words[0]):
        raise Fault(node, "it does not begin with a program")
    return words


def _check_places(node: Node, words: Sequence[str], names: Collection[str]) -> None:
    for name in (name for word in words for name in names_in(word)):
        if name not in names:
            raise Fault(
                node,
                f"{{{name}}} in it is none of the parameters {', '.join(sorted(names))} "
                "(no shell reads the command: its variables mean nothing)",
            )


def _check_tuned(folder: Path, words: Sequence[str], nodes: Mapping[str, Node], found: Parameters) -> None:
    """A parameter that is searched, but never given to the program, would look as if it did not matter."""
    places = {name for word in words for name in names_in(word)}
    lost = [name for name in found.values if name not in places and name not in found.static]
    if places and lost and not any(mark in text for text in _said(folder, words) for mark in FROM_CONTRACT):
        raise Fault(
            nodes[lost[0]],
            f"the command says where its parameters belong, and has no {{{lost[0]}}}: add {{{lost[0]}}} to it, "
            "or read SM_HPS in the script that it names",
        )


def _said(folder: Path, words: Sequence[str]) -> Iterator[str]:
    """The words, and the text of those that name files of the folder."""
    for word in words:
        yield word
        with contextlib.suppress(OSError, ValueError):
            file = folder / word
            if file.is_file():
                with file.open("rb") as opened:
                    yield opened.read(MOST_READ).decode("utf-8", "replace")


def _binds(folder: Path, node: Node) -> Iterator[str]:
    for each in node.value if isinstance(node.value, list) else [node]:
        written = text(each)
        path = written.removesuffix(READ_ONLY)
        check_path(each, absolute(folder, path))
        yield f"{absolute(folder, path)}{READ_ONLY if path != written else ''}"


def _python(first: str) -> str | None:
    """The interpreter that `python` means to whoever types it."""
    return shutil.which(first) if first in PYTHONS else None
