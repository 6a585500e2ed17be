"""Registered images: whether what they run is there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from pegbox.maintenance.doctor.finding import Finding, Patient


def examine(patient: Patient) -> Iterator[Finding]:
    """Findings about images; only their owner can mend them."""
    for image in patient.store.images.all():
        folder = Path(image.workdir or ".")
        if image.workdir and not folder.is_dir():
            yield Finding(
                kind="image-workdir",
                about=f"image {image.name}",
                message=f"its directory {folder} is missing: its jobs will fail; pegbox image add or remove it",
            )
        elif image.python and not _is_program(image.python, folder):
            yield Finding(
                kind="image-python",
                about=f"image {image.name}",
                message=f"its Python {image.python} cannot be run: its jobs will fail; pegbox image add or remove it",
            )
        first = image.command[0] if image.command else "python"
        if first not in ("python", "python3") and not _is_program(first, folder):
            yield Finding(
                kind="image-command",
                about=f"image {image.name}",
                message=f"its program {first} cannot be run: its jobs will fail; pegbox image add or remove it",
            )
        for text in image.binds:
            if not Path(text.removesuffix(":ro")).exists():
                yield Finding(
                    kind="image-bind",
                    about=f"image {image.name}",
                    message=f"{text}, which its programs are to see, is missing: they run without it",
                )


def _is_program(name: str, folder: Path) -> bool:
    return shutil.which(str(folder / name) if "/" in name else name) is not None
