"""Evaluate the model after each round and say so in the log, in the line that the metric definitions expect."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pegbox.algorithms.xgboost import custom_metrics, metrics
from pegbox.algorithms.xgboost.custom_metrics import OF_CONFUSION, OF_MOMENTS, Array
from pegbox.algorithms.xgboost.distributed import total
from pegbox.algorithms.xgboost.library import xgboost
from pegbox.algorithms.xgboost.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The value of one metric on one dataset."""

    dataset: str  #: train or validation
    metric: str
    value: float


class Evaluation:
    """The metrics of a job on its datasets."""

    def __init__(self, settings: Settings, datasets: Sequence[tuple[xgboost.DMatrix, str]]) -> None:
        self._settings = settings
        self._datasets = list(datasets)
        wanted = settings.eval_metrics
        self._custom = [name for name in wanted if name in metrics.CUSTOM]
        self._tweedie = "tweedie-nloglik" in wanted  # XGBoost prints it with its argument

    def __call__(self, booster: xgboost.Booster, iteration: int) -> list[Score]:
        """All scores after a round: of each dataset in turn, in the order in which the job lists its metrics."""
        scores = list(self._native(booster, iteration))
        for matrix, dataset in self._datasets if self._custom else ():
            scores.extend(self._computed(booster, matrix, dataset))
        return sorted(scores, key=self._place) if self._custom else scores

    def _place(self, score: Score) -> tuple[int, int]:
        datasets = [name for _, name in self._datasets]
        wanted = self._settings.eval_metrics
        return datasets.index(score.dataset), wanted.index(score.metric) if score.metric in wanted else -1

    def _native(self, booster: xgboost.Booster, iteration: int) -> Iterator[Score]:
        text: str = booster.eval_set(self._datasets, iteration)
        for word in text.split("\t")[1:]:
            label, _, value = word.rpartition(":")
            dataset, _, metric = label.partition("-")
            if self._tweedie and metric.startswith("tweedie-nloglik@"):
                metric = "tweedie-nloglik"
            yield Score(dataset=dataset, metric=metric, value=float(value))

    def _computed(self, booster: xgboost.Booster, matrix: xgboost.DMatrix, dataset: str) -> Iterator[Score]:
        predictions, labels = booster.predict(matrix), matrix.get_label()
        objective = self._settings.objective
        sums: dict[str, Array] = {}
        for name in self._custom:
            by_class = name in OF_CONFUSION
            kind = "confusion" if by_class else "moments"
            if kind not in sums:
                local = (
                    custom_metrics.confusion(
                        labels, custom_metrics.classes_of(predictions, objective), self._settings.num_class or 2
                    )
                    if by_class
                    else custom_metrics.moments(labels, predictions)
                )
                sums[kind] = total(local)
            compute: Callable[[Array], float] = OF_CONFUSION[name] if by_class else OF_MOMENTS[name]
            yield Score(dataset=dataset, metric=name, value=compute(sums[kind]))


def line(iteration: int, scores: Sequence[Score]) -> str:
    r"""`[12]\ttrain-auc:0.98765\tvalidation-auc:0.91234`."""
    return f"[{iteration}]" + "".join(f"\t{s.dataset}-{s.metric}:{number(s.value)}" for s in scores)


def number(value: float) -> str:
    """Five decimals at least, as the container of the service prints, and never fewer than eight significant digits.

    The objective of a tuning job is read from this text: a logloss of 0.0000123 must not become 0.00001.
    """
    if not math.isfinite(value) or value == 0:
        return f"{value:.5f}"
    leading = math.floor(math.log10(abs(value)))
    if leading < -9:
        return f"{value:.7e}"
    text = f"{value:.{max(5, 7 - leading)}f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals[:5]}{decimals[5:].rstrip('0')}"
