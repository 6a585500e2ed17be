"""Trees that programs leave are removed, whatever they look like."""

from __future__ import annotations

import os
from pathlib import Path

from pegbox.engine.removal import remove


def nest(folder: Path, depth: int) -> None:
    """Folders in folders, deeper than a path can be long."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deep" * 10, dir_fd=here)
        inner = os.open("deep" * 10, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


def test_a_deep_tree_is_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    nest(tree, 3000)
    (tree / "a").mkdir()
    (tree / "a" / "b").write_text("x")
    remove(tree)
    assert not tree.exists()


def test_links_are_not_followed_and_rights_do_not_matter(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    tree = tmp_path / "tree"
    (tree / "closed" / "inner").mkdir(parents=True)
    (tree / "link").symlink_to(outside)
    (tree / "closed" / "up").symlink_to(outside)
    (tree / "closed").chmod(0)
    remove(tree)
    assert not tree.exists()
    assert (outside / "kept").exists()
    remove(tree)
    (tmp_path / "alias").symlink_to(outside)
    remove(tmp_path / "alias")
    assert (outside / "kept").exists()
