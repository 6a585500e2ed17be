"""The hyperparameters of the XGBoost algorithm: kinds, hard ranges, allowed values, and which a tuning job may search.

Source: SageMaker developer guide, "XGBoost Hyperparameters" and "Tune an XGBoost Model".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pegbox.algorithms.base import Interval, Kind, Tunable

_ANY = Interval()
# fmt: off
OBJECTIVES = (
    "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "multi:softmax", "multi:softprob",
    "rank:pairwise", "rank:ndcg", "rank:map", "reg:linear", "reg:squarederror", "reg:logistic", "reg:absoluteerror",
    "reg:gamma", "reg:pseudohubererror", "reg:squaredlogerror", "reg:tweedie", "survival:aft", "survival:cox",
)
UPDATERS = (
    "grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_quantile_histmaker", "grow_skmaker",
    "sync", "refresh", "prune", "shotgun", "coord_descent",
)
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """An integer or a floating-point number within an interval."""

    interval: Interval = _ANY
    integer: bool = False
    recommended: tuple[float, float] | None = None  #: tunable when given
    tuned_as: tuple[Kind, ...] = ()  #: kinds of range besides the number's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few words, or with `many` a comma-separated list of them."""

    values: tuple[str, ...]
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text with a grammar of its own, which `settings` reads."""


Rule = Number | Choice | Text


def _choice(*values: str) -> Choice:
    return Choice(values=values)


def _integer(low: float | None, high: float | None = None, recommended: tuple[float, float] | None = None) -> Number:
    return Number(interval=Interval(low=low, high=high), integer=True, recommended=recommended)


def _tuned(interval: Interval, low: float, high: float) -> Number:
    return Number(interval=interval, recommended=(low, high))


_POSITIVE = Interval(low=0, low_open=True)
_NOT_NEGATIVE = Interval(low=0)
_UNIT = Interval(low=0, high=1)
_SHARE = Interval(low=0, high=1, low_open=True)

HYPERPARAMETERS: Mapping[str, Rule] = {
    "_kfold": _integer(2),
    "_num_cv_round": _integer(1),
    "_tuning_objective_metric": Text(),
    "aft_loss_distribution": _choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": Number(interval=_POSITIVE),
    "alpha": _tuned(_NOT_NEGATIVE, 0, 1000),
    "base_score": Number(),
    "booster": _choice("gbtree", "gblinear", "dart"),
    "colsample_bylevel": _tuned(_SHARE, 0.1, 1),
    "colsample_bynode": _tuned(_SHARE, 0.1, 1),
    "colsample_bytree": _tuned(_SHARE, 0.5, 1),
    "csv_weights": _integer(0, 1),
    "deterministic_histogram": _choice("true", "false"),
    "dsplit": _choice("row", "col"),
    "early_stopping_rounds": _integer(1),
    "eta": _tuned(_UNIT, 0.1, 0.5),
    "eval_metric": Text(),
    "gamma": _tuned(_NOT_NEGATIVE, 0, 5),
    "grow_policy": _choice("depthwise", "lossguide"),
    "huber_slope": Number(interval=_POSITIVE),
    "interaction_constraints": Text(),
    "lambda": _tuned(_NOT_NEGATIVE, 0, 1000),
    "lambda_bias": Number(interval=_UNIT),
    "max_bin": _integer(2),
    "max_delta_step": Number(
        interval=_NOT_NEGATIVE, recommended=(0, 10), tuned_as=("Integer",)
    ),  # the guide tunes it as an integer, the container as a continuous number
    "max_depth": _integer(0, recommended=(0, 10)),
    "max_leaves": _integer(0),
    "min_child_weight": _tuned(_NOT_NEGATIVE, 0, 120),
    "monotone_constraints": Text(),
    "normalize_type": _choice("tree", "forest"),
    "nthread": _integer(1),
    "num_class": _integer(2),
    "num_parallel_tree": _integer(1),
    "num_round": _integer(1, recommended=(1, 4000)),
    "objective": Choice(values=OBJECTIVES),
    "one_drop": _integer(0, 1),
    "predictor": _choice("auto", "cpu_predictor", "gpu_predictor"),
    "process_type": _choice("default", "update"),
    "rate_drop": Number(interval=_UNIT),
    "refresh_leaf": _integer(0, 1),
    "sample_type": _choice("uniform", "weighted"),
    "sampling_method": _choice("uniform", "gradient_based"),
    "save_model_on_termination": _choice("true", "false"),
    "scale_pos_weight": Number(interval=_POSITIVE),
    "seed": _integer(-(2**31), 2**31 - 1),
    "single_precision_histogram": _choice("true", "false"),
    "sketch_eps": Number(interval=Interval(low=0, high=1, low_open=True, high_open=True)),
    "skip_drop": Number(interval=_UNIT),
    "subsample": _tuned(_SHARE, 0.5, 1),
    "tree_method": _choice("auto", "exact", "approx", "hist", "gpu_hist"),
    "tweedie_variance_power": Number(interval=Interval(low=1, high=2, low_open=True, high_open=True)),
    "updater": Choice(values=UPDATERS, many=True),
    "use_dask_gpu_training": _choice("true", "false"),
    "verbosity": _integer(0, 3),
}


def tunables() -> dict[str, Tunable]:
    """What a tuning job may search.  A number may be given as categories too: Grid knows no other ranges."""
    return {
        name: Tunable(kinds=_kinds(rule), hard=rule.interval, recommended=rule.recommended)
        for name, rule in HYPERPARAMETERS.items()
        if isinstance(rule, Number) and rule.recommended is not None
    }


def _kinds(rule: Number) -> tuple[Kind, ...]:
    return (*rule.tuned_as, "Integer" if rule.integer else "Continuous", "Categorical")
