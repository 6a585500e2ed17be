"""Where a Python keeps what it needs to run: its prefixes, and the folders of packages that are installed in place."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 20
_PARTS = ("bin", "lib", "lib64", "libexec", "include")


def own() -> Iterator[Path]:
    """What the Python that runs this needs, and everywhere it imports from."""
    yield from of(Path(sys.executable))
    for place in sys.path:
        if os.path.isabs(place) and os.path.exists(place):
            yield Path(place)


def of(python: Path) -> Iterator[Path]:
    """What a program in a `bin` directory needs: for an interpreter its prefix and base prefix, else that directory.

    Follows the interpreter's links and the `home` of its pyvenv.cfg (PEP 405).
    """
    for place in _chain(python):
        prefix = place.parent.parent
        if place.parent.name == "shims":  # of pyenv, whose versions lie beside it
            yield prefix
        elif place.parent.name == "bin" and _is_prefix(prefix):
            yield from _parts(prefix)
            yield from _in_place(prefix)
            yield from _base(prefix)
        else:
            yield place.parent


def _chain(place: Path) -> Iterator[Path]:
    for _ in range(_MOST_LINKS):
        yield place
        if not os.path.islink(place):
            return
        place = Path(os.path.normpath(place.parent / os.readlink(place)))


def _is_prefix(prefix: Path) -> bool:
    return os.path.exists(prefix / "pyvenv.cfg") or bool(_matching(prefix, "lib/python3*"))


def _parts(prefix: Path) -> Iterator[Path]:
    """All of an environment; of a prefix that may be shared, ~/.local for example, what Python itself puts there."""
    if any(os.path.exists(prefix / mark) for mark in ("pyvenv.cfg", "conda-meta")):
        yield prefix
    else:
        yield from (prefix / name for name in _PARTS if os.path.exists(prefix / name))


def _base(prefix: Path) -> Iterator[Path]:
    try:
        lines = (prefix / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return
    for key, _, value in (line.partition("=") for line in lines):
        if key.strip() == "home" and value.strip() != str(prefix / "bin"):
            yield from of(Path(value.strip(), "python3"))


def _in_place(prefix: Path) -> Iterator[Path]:
    """The folders that *.pth files name (site): packages that were installed with `pip install -e`."""
    for file in _matching(prefix, "lib/python3*/site-packages/*.pth"):
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            continue
        yield from (Path(line) for line in lines if line.startswith("/") and os.path.isdir(line))


def _matching(folder: Path, pattern: str) -> list[Path]:
    """Path.glob() would raise for a folder that may not be read."""
    return [folder / name for name in glob.glob(pattern, root_dir=folder)]
