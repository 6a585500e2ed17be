"""What exists is documented, and what the documentation shows is there."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from pegbox.app import operation_table
from pegbox.settings import Settings
from pegbox.store.upgrade import HEAD

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "benchmarks").rglob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "src").rglob("*.md"),
    ]
)
DEMO = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pegbox demo"
TESTS = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_reference_generate", REFERENCE / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generator()


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(language: str) -> list[object]:
    """Every fenced block of a language, named by its page and number."""
    found: list[object] = []
    for page in PAGES:
        texts = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
        found += [pytest.param(text, id=f"{named(page)}:{number}") for number, text in enumerate(texts, start=1)]
    return found


@pytest.mark.parametrize("name", [item.name for item in fields(Settings)])
def test_every_setting_is_documented_with_its_variable(name: str) -> None:
    assert f"| `PEGBOX_{name.upper()}` |" in (REFERENCE / "settings.md").read_text()


@pytest.mark.parametrize(
    "name, command", list(GENERATE.commands()), ids=lambda value: value if type(value) is str else ""
)
def test_every_command_and_option_is_documented(name: str, command: object) -> None:
    pages = (REFERENCE / "cli.md").read_text().split("\n## ")
    (section,) = [page for page in pages if re.match(rf"`{re.escape(name)}( \[?[A-Z0-9_]+\]?)*`\n", page)]
    for parameter in command.params:  # type: ignore[attr-defined]
        for spelling in parameter.opts if parameter.param_type_name == "option" else [parameter.name.upper()]:
            assert re.search(rf"`{re.escape(spelling)}[ `]", section), f"{name} {spelling}"


def test_the_operation_table_is_the_registry() -> None:
    rows = re.findall(r"^\| ([\w-]+) \| `(\w+)` \| .+ \|$", (REFERENCE / "operations.md").read_text(), re.MULTILINE)
    assert rows == sorted(operation_table())


@pytest.mark.parametrize("name", GENERATE.PAGES)
def test_generated_tables_are_up_to_date(name: str) -> None:
    page = (REFERENCE / name).read_text()
    assert page.count(GENERATE.BEGIN) == page.count(GENERATE.END) == 1
    assert page == GENERATE.filled(page, GENERATE.PAGES[name]()), "run docs/reference/generate.py"


def test_the_schema_that_is_shown_is_the_present_one() -> None:
    page = (ROOT / "docs" / "how-to" / "postgresql.md").read_text()
    assert re.findall(r"^The database is at schema (\d+)\.$", page, re.MULTILINE) == [HEAD]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            place = page.parent / target.split("#")[0]
            assert place.exists() and place.resolve().is_relative_to(ROOT), target


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").rglob("*.md"):
        place = page.relative_to(ROOT / "docs").as_posix()
        assert place == "index.md" or f"]({place})" in index, place


@pytest.mark.parametrize("text", blocks("python"))
def test_python_blocks_compile(text: str) -> None:
    compile(text, "block", "exec")


@pytest.mark.parametrize("text", blocks("bash"))
def test_shell_blocks_are_shell(text: str) -> None:
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=10)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("command", [DEMO, TESTS])
def test_the_readme_has_the_two_commands(command: str) -> None:
    assert command in (ROOT / "README.md").read_text().splitlines()
