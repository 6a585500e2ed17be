"""Checkpoints of training: `xgboost-checkpoint.<round>`, the newest few of them.

(SageMaker developer guide, "Use Checkpoints in Amazon SageMaker": the directory is copied to the object store while the
job runs and back before it starts again.)
"""

from __future__ import annotations

import re
import time
from pathlib import Path

from pegbox.algorithms.xgboost.library import xgboost

PREFIX = "xgboost-checkpoint"
_KEPT = 5
_INTERVAL = 1.0  #: seconds between two checkpoints at least
_NAME = re.compile(rf"{PREFIX}\.(\d+)")


class Checkpoints:
    """The checkpoints in one directory; none when there is no directory."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._saved_at = time.monotonic()

    def latest(self) -> bytes:
        """The newest model that can be read; empty when there is none."""
        for path in reversed(self._files()):
            content = path.read_bytes()
            try:
                xgboost.Booster(model_file=bytearray(content))
            except xgboost.core.XGBoostError:
                continue  # cut off while it was copied
            return content
        return b""

    def save(self, booster: xgboost.Booster, iteration: int) -> None:
        """Write the model after round `iteration`, unless the last checkpoint is quite new."""
        if self._directory is None or time.monotonic() - self._saved_at < _INTERVAL:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        temporary = self._directory / f".{PREFIX}"
        temporary.write_bytes(booster.save_raw("ubj"))
        temporary.replace(self._directory / f"{PREFIX}.{iteration}")
        for path in self._files()[:-_KEPT]:
            path.unlink(missing_ok=True)
        self._saved_at = time.monotonic()

    def _files(self) -> list[Path]:
        if self._directory is None or not self._directory.is_dir():
            return []
        found = [(int(match[1]), path) for path in self._directory.iterdir() if (match := _NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found)]
