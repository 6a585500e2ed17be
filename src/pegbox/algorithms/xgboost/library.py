"""The xgboost library, imported without the optional packages that it would pull in.

scikit-learn, pandas and pyarrow take six times longer to import than xgboost itself, and the trainer needs none of them
(pyarrow only for Parquet, where it imports it then).  Importing this module starts no threads, so that a process may be
forked afterwards; it must be imported before anything else imports numpy or xgboost.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_NOT_NEEDED = ("sklearn", "pandas", "pyarrow", "xgboost.plotting", "xgboost.sklearn")


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Make `import name` fail inside the block, for those of the names that are not imported yet."""
    blocked = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(blocked))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in blocked:
            del sys.modules[name]


for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
with _without(_NOT_NEEDED):
    import xgboost
    from xgboost import collective
    from xgboost.tracker import RabitTracker

__all__ = ["RabitTracker", "collective", "xgboost"]
