"""The search that all peers run: XGBoost on the demo's data, 100 rounds, four hyperparameters, validation AUC."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

TRIALS, AT_ONCE, ROUNDS = 20, 3, 100


def load() -> tuple[Any, Any]:
    """The two data sets as (labels and features) arrays; their folder is in DEMO_DATA."""
    import numpy as np

    folder = os.environ["DEMO_DATA"]
    return tuple(np.loadtxt(f"{folder}/{name}.csv", delimiter=",") for name in ("train", "validation"))  # type: ignore[return-value]


def train(parameters: Mapping[str, Any]) -> float:
    """Train one model; the AUC after the last round."""
    import xgboost

    train_data, validation_data = load()
    matrices = [xgboost.DMatrix(data[:, 1:], data[:, 0]) for data in (train_data, validation_data)]
    results: dict[str, dict[str, list[float]]] = {}
    xgboost.train(
        {"objective": "binary:logistic", "eval_metric": "auc", "nthread": 1, **parameters},
        matrices[0],
        ROUNDS,
        evals=[(matrices[0], "train"), (matrices[1], "validation")],
        evals_result=results,
        verbose_eval=False,
    )
    return results["validation"]["auc"][-1]
