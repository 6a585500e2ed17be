"""The data set of the demo: Breast Cancer Wisconsin (Diagnostic), ready for the XGBoost algorithm.

CSV without a header, the label (0 malignant, 1 benign) in the first column, 30 features after it.  README.md beside the
files names the source, the citation and the licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

CONTENT_TYPE = "text/csv"
CHANNELS = ("train", "validation")


def files() -> Mapping[str, Path]:
    """The file of each channel: {"train": .../train.csv, "validation": .../validation.csv}."""
    return {name: Path(str(resources.files(__name__) / f"{name}.csv")) for name in CHANNELS}
