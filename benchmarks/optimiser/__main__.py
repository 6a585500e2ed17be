"""How good are the search strategies, how fast, and beside others?

    pip install 'pegbox[bench]'
    python -m benchmarks.optimiser run --bench DIR [--method NAME] [--task NAME] [--seeds 20] [--processes 2]
    python -m benchmarks.optimiser report

See docs/design/optimiser.md.
"""

from __future__ import annotations

import os

for library in ("OPENBLAS", "OMP", "MKL"):  # before NumPy is imported, here and in the processes to come
    os.environ[f"{library}_NUM_THREADS"] = "1"

from benchmarks.optimiser.command import main  # noqa: E402

main()
