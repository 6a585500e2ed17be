"""What a file names has to be there: programs, scripts, folders.  It is told before a job fails of it.

os.path rather than Path: what can be no name of a file, as one that is too long, is not there either.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from pegbox.client.document import Node
from pegbox.client.faults import Fault
from pegbox.domain.arguments import names_in

PYTHONS = ("python", "python3")
#: what runs the script that its first argument names
INTERPRETERS = (*PYTHONS, "sh", "bash", "zsh", "perl", "ruby", "node", "julia", "Rscript")
SHELL = ("&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def check_command(node: Node, words: Sequence[str], folder: Path) -> None:
    """Raise Fault for a command that cannot be run in the folder."""
    if not isinstance(node.value, list):
        _check_shell(node, words)
    first = words[0]
    if first not in PYTHONS and not is_program(first, folder):
        raise Fault(node, f"{first} is no program that can be run{_hint(first, folder)}")
    script = words[1] if len(words) > 1 and Path(first).name in INTERPRETERS else "-"
    if not script.startswith("-") and not names_in(script) and not os.path.exists(folder / script):
        raise Fault(node, f"there is no {script} in {folder}")


def check_python(node: Node, python: str, folder: Path) -> None:
    """Raise Fault for an interpreter that is not there."""
    if not is_program(python, folder):
        raise Fault(node, f"{python} is no program that can be run{_hint(python, folder)}")


def check_path(node: Node, path: Path) -> None:
    """Raise Fault for a file or folder that is not there."""
    if not os.path.exists(path):
        raise Fault(node, f"there is no {path}")


def is_program(name: str, workdir: Path) -> bool:
    """Whether a command may begin with it."""
    return shutil.which(str(workdir.resolve() / name) if "/" in name else name) is not None


def _check_shell(node: Node, words: Sequence[str]) -> None:
    if given := _ASSIGNMENT.fullmatch(words[0]):
        raise Fault(node, f"no shell reads the command: for {words[0]} write env: {{{given[1]}: {given[2]}}}")
    for word in words:
        if word in SHELL or (len(word) > 1 and word.endswith(";")):
            raise Fault(
                node, f"no shell reads the command, so {word!r} means nothing in it: put it into a script, sh run.sh"
            )


def _hint(name: str, folder: Path) -> str:
    if "/" in name and os.path.isfile(folder / name):
        return f": chmod +x {name} makes it one"
    if "/" not in name and os.path.isfile(folder / name):
        return f": did you mean ./{name}, or python {name}?"
    close = difflib.get_close_matches(name, INTERPRETERS, 1)
    return f"; did you mean {close[0]}?" if close else ""
