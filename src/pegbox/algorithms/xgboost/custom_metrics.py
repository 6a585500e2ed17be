"""Metrics that XGBoost does not have: accuracy, F1, precision, recall, r2, mean squared error.

Each is computed from sums over rows: a confusion matrix, or five moments of labels and predictions.  Sums of several
instances add up, so that a metric of distributed training is that of all rows and not an average of averages.
Definitions are those of scikit-learn's functions of the same names with `zero_division=0`, which the container of the
service uses; row weights do not count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def classes_of(predictions: NDArray[np.float32], objective: str) -> NDArray[np.int64]:
    """The class that each prediction means: (n,) or (n, classes) -> (n,)."""
    if predictions.ndim == 2:
        return np.asarray(np.argmax(predictions, axis=1), np.int64)
    if objective.startswith("multi:"):
        return predictions.astype(np.int64)
    return (predictions > (0.0 if objective == "binary:logitraw" else 0.5)).astype(np.int64)


def confusion(labels: NDArray[np.float32], classes: NDArray[np.int64], count: int) -> Array:
    """(n,), (n,) -> (count, count): rows are true classes, columns predicted ones."""
    cells = labels.astype(np.int64) * count + classes
    return np.bincount(cells, minlength=count * count).astype(np.float64).reshape(count, count)


def moments(labels: NDArray[np.float32], predictions: NDArray[np.float32]) -> Array:
    """(n,), (n,) -> (4,): row count, sum of labels, sum of squared labels, sum of squared errors."""
    y, p = labels.astype(np.float64), predictions.astype(np.float64).reshape(len(labels))
    return np.array([len(y), y.sum(), y @ y, (y - p) @ (y - p)])


def accuracy(matrix: Array) -> float:
    """Share of rows whose class is right."""
    return _ratio(np.trace(matrix), matrix.sum())


def balanced_accuracy(matrix: Array) -> float:
    """Mean of the recalls of the classes that have rows."""
    rows = matrix.sum(axis=1)
    return float(np.mean(np.diag(matrix)[rows > 0] / rows[rows > 0])) if matrix.any() else float("nan")


def _recalls(matrix: Array) -> Array:
    return _ratios(np.diag(matrix), matrix.sum(axis=1))


def _precisions(matrix: Array) -> Array:
    return _ratios(np.diag(matrix), matrix.sum(axis=0))


def _f1_scores(matrix: Array) -> Array:
    return _ratios(2 * np.diag(matrix), matrix.sum(axis=0) + matrix.sum(axis=1))


def _macro(scores: Callable[[Array], Array]) -> Callable[[Array], float]:
    """The mean over the classes that occur among labels or predictions."""

    def mean(matrix: Array) -> float:
        occurs = matrix.sum(axis=0) + matrix.sum(axis=1) > 0
        return float(np.mean(scores(matrix)[occurs])) if occurs.any() else float("nan")

    return mean


def _of_positives(scores: Callable[[Array], Array]) -> Callable[[Array], float]:
    """The score of class 1."""
    return lambda matrix: float(scores(matrix)[1])


def mse(sums: Array) -> float:
    """Mean squared error."""
    return _ratio(sums[3], sums[0])


def r2(sums: Array) -> float:
    """Coefficient of determination."""
    n, total, squares, errors = sums
    spread = squares - total * total / n if n else 0.0
    if spread <= 0:
        return 1.0 if errors == 0 else 0.0
    return float(1 - errors / spread)


#: from a confusion matrix.  Micro averages over all classes of a single-label problem are the accuracy.
OF_CONFUSION: dict[str, Callable[[Array], float]] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": _macro(_f1_scores),
    "f1_binary": _of_positives(_f1_scores),
    "f1_macro": _macro(_f1_scores),
    "precision": _of_positives(_precisions),
    "precision_macro": _macro(_precisions),
    "precision_micro": accuracy,
    "recall": _of_positives(_recalls),
    "recall_macro": _macro(_recalls),
    "recall_micro": accuracy,
}
#: from moments
OF_MOMENTS: dict[str, Callable[[Array], float]] = {"mse": mse, "r2": r2}


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _ratios(parts: Array, wholes: Array) -> Array:
    return np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
