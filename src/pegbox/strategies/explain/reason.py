"""Why a configuration was proposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from pegbox.strategies.base import Goal, Study
from pegbox.strategies.bayesian import initial_rest
from pegbox.strategies.explain.answers import Band, Kind, Reason, TooLittle
from pegbox.strategies.explain.belief import Belief
from pegbox.strategies.gp.acquisition import log_expected_improvement
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.inheritance import Inheritance

MODEL_STRATEGIES = ("Bayesian",)
_GUIDED: Sequence[Kind] = ("exploit", "explore")


def reason(study: Study, number: int, values: Mapping[str, str], strategy: str = "Bayesian") -> Reason:
    """Why the trial of this number was these values, if the study is what was known then.

    Trials of the study with this number or a higher one are left out.  It exploits where the model expected at least
    what it took for the best, and explores where it expected less and did not know.
    """
    study = replace(study, trials=tuple(trial for trial in study.trials if trial.number < number), tried=None)
    try:
        belief = Belief(study)
    except TooLittle:
        kind: Kind = "initial" if strategy in MODEL_STRATEGIES else "unguided"
        return Reason(
            kind=kind,
            text=_unmodelled(kind, strategy),
            results=sum(trial.objective is not None for trial in study.trials),
            best=None,
            predicted=None,
            expected_improvement=None,
            chance_of_improvement=None,
            chance_of_success=None,
        )
    point = np.array(belief.layout.encode(values))
    posterior = belief.asking()
    prediction = posterior.predict(belief.layout.features(point[None, :]))
    target = belief.lowest_mean(posterior)
    band = belief.band(float(prediction.mean[0]), float(prediction.variance[0]))
    kind = _kind(study, number, strategy, float(prediction.mean[0]) <= target)
    _, best = belief.best()
    gain = chance = None
    if np.isfinite(target):
        logarithm, _, _ = log_expected_improvement(prediction.mean, prediction.variance, target)
        gain = float(np.exp(logarithm[0])) * belief.unit
        chance = float(ndtr((target - prediction.mean[0]) / np.sqrt(prediction.variance[0])))
    return Reason(
        kind=kind,
        text=_told(kind, band, best, study.goal, strategy),
        results=belief.results,
        best=best,
        predicted=band,
        expected_improvement=gain,
        chance_of_improvement=chance,
        chance_of_success=belief.chance_of_success(point),
    )


def _kind(study: Study, number: int, strategy: str, promises: bool) -> Kind:
    if strategy not in MODEL_STRATEGIES:
        return "unguided"
    if number <= initial_rest(study, Layout(study.space), Inheritance.of(study)):
        return "initial"
    return "exploit" if promises else "explore"


def _unmodelled(kind: Kind, strategy: str) -> str:
    if kind == "initial":
        return "one of the first, which look at the whole space evenly"
    if strategy == "Hyperband":  # the API does not tell which it was
        return "Hyperband asks no model, unless the server's hyperband_model was on when the search began"
    return f"{strategy} asks no model"


def _told(kind: Kind, band: Band, best: float, goal: Goal, strategy: str) -> str:
    if kind not in _GUIDED:
        return _unmodelled(kind, strategy)
    if kind == "exploit":
        return f"the model expected {band.median:.4g} here, as good as anything it knew or better (best: {best:.4g})"
    edge = band.low if goal is Goal.MINIMIZE else band.high
    if edge >= best if goal is Goal.MINIMIZE else edge <= best:  # the search makes its model rougher at times
        return (
            f"the model expected {band.median:.4g} here, and {edge:.4g} at best (best: {best:.4g}): "
            "the search trusts its model less than that, and looked again"
        )
    return f"the model expected {band.median:.4g} here, but knew little: {edge:.4g} was possible (best: {best:.4g})"
