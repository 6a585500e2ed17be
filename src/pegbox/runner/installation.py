"""Where a Python keeps what it needs to run: its prefixes, and the folders of packages that are installed in place."""

from __future__ import annotations

import functools
import glob
import os
import sys
from collections.abc import Iterator

_MOST_LINKS = 20
_PARTS = ("bin", "lib", "lib64", "libexec", "include")


@functools.cache  # the zygote asks once for all runners
def own() -> tuple[str, ...]:
    """What the Python that runs this needs, and everywhere it imports from."""
    found = [*of(sys.executable), *(place for place in sys.path if os.path.isabs(place) and os.path.exists(place))]
    return tuple(dict.fromkeys(found))


def of(python: str) -> Iterator[str]:
    """What a program in a `bin` directory needs: for an interpreter its prefix and base prefix, else that directory.

    Follows the interpreter's links and the `home` of its pyvenv.cfg (PEP 405).
    """
    for place in _chain(python):
        folder = os.path.dirname(place)
        prefix, name = os.path.split(folder)
        if name == "shims":  # of pyenv, whose versions lie beside it
            yield prefix
        elif name == "bin" and _is_prefix(prefix):
            yield from _parts(prefix)
            yield from _in_place(prefix)
            yield from _base(prefix)
        else:
            yield folder


def _chain(place: str) -> Iterator[str]:
    for _ in range(_MOST_LINKS):
        yield place
        if not os.path.islink(place):
            return
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(place)))


def _is_prefix(prefix: str) -> bool:
    return os.path.exists(f"{prefix}/pyvenv.cfg") or bool(glob.glob("lib/python3*", root_dir=prefix))


def _parts(prefix: str) -> Iterator[str]:
    """All of an environment; of a prefix that may be shared, ~/.local for example, what Python itself puts there."""
    if any(os.path.exists(f"{prefix}/{mark}") for mark in ("pyvenv.cfg", "conda-meta")):
        yield prefix
    else:
        yield from (f"{prefix}/{name}" for name in _PARTS if os.path.exists(f"{prefix}/{name}"))


def _base(prefix: str) -> Iterator[str]:
    try:
        with open(f"{prefix}/pyvenv.cfg", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, ValueError):
        return
    for key, _, value in (line.partition("=") for line in lines):
        if key.strip() == "home" and value.strip() != f"{prefix}/bin":
            yield from of(f"{value.strip()}/python3")


def _in_place(prefix: str) -> Iterator[str]:
    """The folders that *.pth files name (site): packages that were installed with `pip install -e`."""
    for name in glob.glob("lib/python3*/site-packages/*.pth", root_dir=prefix):
        try:
            with open(f"{prefix}/{name}", encoding="utf-8") as file:
                lines = file.read().splitlines()
        except (OSError, ValueError):
            continue
        yield from (line for line in lines if line.startswith("/") and os.path.isdir(line))
