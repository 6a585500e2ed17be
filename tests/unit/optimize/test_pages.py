"""What the pages about it show is true."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pegbox.optimize
from pegbox.optimize import Search, Trial, minimise

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "optimise-a-function.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "page.py").write_text("\n".join(blocks))
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_all_names_and_arguments_are_in_the_reference() -> None:
    page = (DOCS / "reference" / "optimize.md").read_text()
    wanted = set(pegbox.optimize.__all__)
    wanted |= {name for name in inspect.signature(minimise).parameters}
    wanted |= {name for each in (Search, Trial) for name in vars(each) if not name.startswith("_")}
    missing = {name for name in wanted if not re.search(rf"`[^`]*\b{name}\b", page)}
    assert not missing
