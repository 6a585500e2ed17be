"""Places in which inputs are laid out, and what is never overwritten."""

from __future__ import annotations

from pathlib import Path

from pegbox.engine import staging


def test_what_earlier_leases_left_is_removed_and_what_a_later_one_brings_stays(tmp_path: Path) -> None:
    for epoch in (1, 9, 11):
        (tmp_path / f"staging.{epoch}" / "algo-1").mkdir(parents=True)
    own = staging.scratch(tmp_path, 10)
    assert list(own.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["staging.10", "staging.11"]
    assert (tmp_path / "staging.11" / "algo-1").exists()


def test_what_is_in_its_place_already_stays(tmp_path: Path) -> None:
    """A program may run with it."""
    for folder, text in ((tmp_path, "first"), (tmp_path / "staging.2", "second")):
        for host in ("algo-1", "algo-2") if text == "second" else ("algo-1",):
            (folder / host / "ml").mkdir(parents=True)
            (folder / host / "ml" / "file").write_text(text)
        (folder / staging.KEPT).write_text(text)
    staging.settle(tmp_path / "staging.2", tmp_path)
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.glob("algo-*/ml/file")}
    assert found == {"algo-1/ml/file": "first", "algo-2/ml/file": "second"}
    assert (tmp_path / staging.KEPT).read_text() == "first"
