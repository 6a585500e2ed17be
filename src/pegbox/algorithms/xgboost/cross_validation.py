"""k-fold cross validation: one model per fold, and the mean of their metrics in the last line.

(SageMaker developer guide, "XGBoost Hyperparameters": `_kfold`, `_num_cv_round`.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pegbox.algorithms.container import UserError
from pegbox.algorithms.xgboost import evaluation
from pegbox.algorithms.xgboost.boosting import Outcome, boost
from pegbox.algorithms.xgboost.evaluation import Score
from pegbox.algorithms.xgboost.library import xgboost
from pegbox.algorithms.xgboost.settings import Settings

Indices = NDArray[np.int64]


def cross_validate(
    settings: Settings, matrix: xgboost.DMatrix, *, nthread: int, say: Callable[[str], None]
) -> list[xgboost.Booster]:
    """Train `kfold` models, `num_cv_round` times over; each is evaluated on the fold that it has not seen."""
    folds = settings.kfold or 0
    if matrix.num_row() < folds:
        raise UserError(f"Hyperparameter _kfold: {folds} folds need as many rows, the data has {matrix.num_row()}")
    stratified = settings.objective.startswith(("binary:", "multi:"))
    labels = matrix.get_label() if stratified else None
    rng = np.random.default_rng(settings.booster.get("seed", 0))
    outcomes: list[Outcome] = []
    for _ in range(settings.num_cv_round):
        for train, held_out in split(matrix.num_row(), folds, labels, rng):
            datasets = [(matrix.slice(train), "train"), (matrix.slice(held_out), "validation")]
            outcomes.append(boost(settings, datasets, nthread=nthread, say=say))
    say(evaluation.line(settings.num_round, _means([outcome.scores for outcome in outcomes])))
    return [outcome.booster for outcome in outcomes]


def split(
    rows: int, folds: int, labels: NDArray[np.float32] | None, rng: np.random.Generator
) -> Iterator[tuple[Indices, Indices]]:
    """(training rows, held-out rows) of each fold; with labels, each class is spread evenly over the folds."""
    order = rng.permutation(rows)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    fold_of = np.empty(rows, np.int64)
    fold_of[order] = np.arange(rows) % folds
    for fold in range(folds):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def _means(runs: Sequence[Sequence[Score]]) -> list[Score]:
    return [
        Score(dataset=same[0].dataset, metric=same[0].metric, value=float(np.mean([score.value for score in same])))
        for same in zip(*runs, strict=True)
    ]
