"""A few seconds of benchmarks/soak/fuzz.py: no failure, no hang, no growth, nothing in the log."""

from __future__ import annotations

import sys
from pathlib import Path

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak"


def test_wrong_requests_break_nothing(tmp_path: Path) -> None:
    sys.path.insert(0, str(SOAK))
    try:
        from fuzz import fuzz
    finally:
        sys.path.remove(str(SOAK))
    result = fuzz(tmp_path, seconds=10, seed=3)
    assert result["findings"] == []
    assert result["errors_logged"] == []
    assert result["grown"] == {}
    assert result["requests"] > 50
    assert {"200", "400", "403"} <= result["statuses"].keys()
