"""Removing what programs have left, however deep they have nested it (shutil.rmtree recurses), or moving it aside."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pegbox.small_files import sync_folder

DEEP = 20  #: levels of folders


def remove(tree: Path) -> None:
    """Remove a folder and all in it as far as that can be done; a missing one is no error.  Links are not followed.

    Folders in deep folders are moved up before they are emptied, so nothing is ever deep.
    """
    if tree.is_symlink() or not tree.is_dir() or _is_gone(str(tree), DEEP):
        return
    todo = [tree]
    while todo:
        folder = todo.pop()
        with suppress(OSError):
            folder.chmod(0o700)
            with os.scandir(folder) as entries:
                found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
            for name, is_folder in found:
                with suppress(OSError):
                    if is_folder:
                        todo.append(_lifted(folder / name, tree))
                    else:
                        os.unlink(folder / name)
        if folder != tree:
            with suppress(OSError):
                folder.rmdir()
    shutil.rmtree(tree, ignore_errors=True)


def put_aside(folder: Path, aside: Path) -> Path:
    """Move a folder into `aside`, under a number as well if there is one of its name, on disk.  Returns where to."""
    aside.mkdir(parents=True, exist_ok=True, mode=0o700)
    target, number = aside / folder.name, 1
    while target.exists():
        target, number = aside / f"{folder.name}.{number}", number + 1
    folder.rename(target)
    for changed in (aside, folder.parent):
        sync_folder(changed)
    return target


def _is_gone(folder: str, levels: int) -> bool:
    """Remove a folder of at most so many levels, as most are; False if something is in the way."""
    if not levels:
        return False
    try:
        with os.scandir(folder) as entries:
            found = [(entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for path, is_folder in found:
            if not is_folder:
                os.unlink(path)
            elif not _is_gone(path, levels - 1):
                return False
        os.rmdir(folder)
    except OSError:
        return False
    return True


def _lifted(folder: Path, tree: Path) -> Path:
    """Its new place, directly in the tree.  Raises OSError."""
    if folder.parent == tree:
        return folder
    folder.chmod(0o700)  # whoever moves a folder has to be able to write to it
    place = tree / uuid4().hex
    folder.rename(place)
    return place
