"""The direction of dependencies and the size of files, as docs/design/architecture.md draws them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "pegbox"
MODULES = sorted(SOURCE.rglob("*.py"))
LEAVES = {"baton", "counts", "crashpoints", "errors", "naming", "processes", "regex", "slow", "small_files", "wal"}

#: layer -> the layers of pegbox that it may import; leaves are open to all
ALLOWED: dict[str, set[str]] = {
    "baton": set(),
    "counts": set(),
    "crashpoints": set(),
    "errors": set(),
    "naming": set(),
    "processes": set(),
    "heap": set(),
    "regex": set(),
    "slow": set(),
    "small_files": set(),
    "wal": set(),
    "settings": set(),
    "domain": {"domain"},
    "strategies": {"strategies", "domain"},
    "optimize": {"optimize", "strategies", "domain"},
    "wire": {"wire", "objects"},
    "store": {"store", "domain.curves", "domain.lineage", "domain.properties", "domain.query", "domain.readings"},
    "objects": {"objects"},
    "executors": {"executors", "runner.records"},
    "logs": {"logs"},
    "runner": {"runner"},
    "algorithms": {"algorithms"},
    "operations": {
        "operations", "domain", "store.base", "store.graph", "store.image", "store.queries", "store.resources",
        "store.tracking", "algorithms", "wire.registry", "wire.records", "wire.transfer", "objects.base",
        "objects.locations", "logs.base",
    },
    "engine": {
        "engine", "domain", "strategies", "store.base", "store.image", "store.resources", "executors.base",
        "objects.base", "objects.locations", "algorithms", "settings",
    },
    "observe": {"observe"},
    "maintenance": {
        "maintenance", "domain", "engine.context", "engine.homes", "engine.removal", "engine.retention", "engine.wake",
        "executors", "objects", "operations.catalogs", "operations.indexing", "operations.tracing",
        "operations.transfer", "settings", "store",
    },
    "sources": {"sources", "domain.ranges"},
    "data": set(),
}  # fmt: skip

#: libraries that belong to one layer
OWNERS = {
    "sqlalchemy": {"store", "sources"},
    "alembic": {"store"},
    "botocore": {"wire", "objects", "client", "sources"},
    "starlette": {"wire", "app", "pages", "serving", "idleness"},
    "numpy": {
        "strategies",
        "optimize",
        "algorithms",
        "engine",
        "store",  # columns in memory
        "wire",  # checksums that the standard library lacks
    },
    "scipy": {"strategies", "algorithms"},
    "xgboost": {"algorithms"},
    "pyarrow": {"algorithms", "client"},
    "prometheus_client": {"observe"},
}
TESTING = "testing"
LARGEST = 600
USUAL = 400


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, those for type checking and those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("pegbox"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_dependencies_point_one_way(path: Path) -> None:
    layer = layer_of(path)
    if layer not in ALLOWED:
        return
    for name in imports(path):
        if not name.startswith("pegbox."):
            continue
        target = name.removeprefix("pegbox.")
        first = target.split(".")[0]
        if first in LEAVES or first == "__version__":
            continue
        fits = any(target == allowed or target.startswith(f"{allowed}.") for allowed in ALLOWED[layer])
        parent = any(allowed.startswith(f"{target}.") for allowed in ALLOWED[layer])
        assert fits or parent, f"{layer} must not import {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_libraries_stay_in_their_layer(path: Path) -> None:
    layer = layer_of(path)
    for name in imports(path):
        owners = OWNERS.get(name.split(".")[0])
        assert owners is None or layer in owners or layer == TESTING, f"{layer} must not import {name}"


def test_the_runner_needs_the_standard_library_and_re2_only() -> None:
    import sys

    for path in (SOURCE / "runner").rglob("*.py"):
        for name in imports(path):
            first = name.split(".")[0]
            assert first in sys.stdlib_module_names or first in {"pegbox", "re2"}, f"{path.name} imports {name}"


def test_there_are_no_import_cycles() -> None:
    graph = {module_name(path): set(inner(path)) for path in MODULES}
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != 1, f"cycle: {' -> '.join((*trail, name))}"
        if state.get(name) == 2:
            return
        state[name] = 1
        for target in sorted(graph.get(name, ())):
            visit(target, (*trail, name))
        state[name] = 2

    for name in graph:
        visit(name, ())


def inner(path: Path) -> Iterator[str]:
    """Modules of pegbox imported at a module's top, those for type checking included."""
    tree = ast.parse(path.read_text())
    typing = (each.body for each in tree.body if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING")
    for node in chain(tree.body, *typing):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pegbox"):
            for alias in node.names:
                longer = f"{node.module}.{alias.name}"
                yield longer if longer in NAMES else node.module


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {module_name(path) for path in MODULES}


def test_files_are_small() -> None:
    sizes = {path.relative_to(SOURCE): len(path.read_text().splitlines()) for path in MODULES}
    assert {path: size for path, size in sizes.items() if size > LARGEST} == {}
    large = [path for path, size in sizes.items() if size > USUAL]
    assert len(large) <= len(sizes) // 10, f"more than a tenth of all files have over {USUAL} lines: {large}"
