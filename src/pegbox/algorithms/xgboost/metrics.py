"""The evaluation metrics of the XGBoost algorithm: names, directions, and the log line they stand in.

One line a round, as the container of the service prints it and as CloudWatch shows it (where a tab reads `#011`):

    [12]\ttrain-auc:0.98765\tvalidation-auc:0.91234

Names and directions: SageMaker developer guide, "Tune an XGBoost Model", and XGBoost's learning task parameters.
"""

from __future__ import annotations

from pegbox.algorithms.base import Metric

# fmt: off
MAXIMIZED = (
    "accuracy", "auc", "aucpr", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "map", "ndcg", "precision",
    "precision_macro", "precision_micro", "r2", "recall", "recall_macro", "recall_micro",
)
MINIMIZED = (
    "aft-nloglik", "cox-nloglik", "error", "gamma-deviance", "gamma-nloglik", "interval-regression-accuracy",
    "logloss", "mae", "mape", "merror", "mlogloss", "mphe", "mse", "poisson-nloglik", "rmse", "rmsle",
    "tweedie-nloglik",
)
# fmt: on
NAMES = frozenset((*MAXIMIZED, *MINIMIZED))

#: metrics that XGBoost itself does not have: this package computes them from the predictions
# fmt: off
CUSTOM = frozenset({
    "accuracy", "balanced_accuracy", "f1", "f1_binary", "f1_macro", "mse", "precision", "precision_macro",
    "precision_micro", "r2", "recall", "recall_macro", "recall_micro",
})
# fmt: on

#: metrics that take a threshold or a cut: error@0.7, ndcg@10, map@5-, tweedie-nloglik@1.3
WITH_ARGUMENT = frozenset({"error", "map", "ndcg", "tweedie-nloglik"})

_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"


def regex(dataset: str, metric: str) -> str:
    r"""The expression that finds `<dataset>-<metric>:<number>` in an evaluation line, after a tab or `#011`."""
    return rf".*\[[0-9]+\].*(?:#011|\t){dataset}-{metric}:{_NUMBER}"


def declared() -> tuple[Metric, ...]:
    """All metrics of the algorithm, those of the validation channel first."""
    return tuple(
        Metric(
            name=f"{dataset}:{name}", regex=regex(dataset, name), goal="Maximize" if name in MAXIMIZED else "Minimize"
        )
        for dataset in ("validation", "train")
        for name in sorted(NAMES)
    )
