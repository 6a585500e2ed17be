"""One BLAS thread, as in the process that asks: two pools of threads fight on a busy machine."""

from __future__ import annotations

import os

for _library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
