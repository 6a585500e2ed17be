"""From the hyperparameters of a job, which are strings, to checked settings of the trainer.

Every rule of the container is checked before any data is read, so that a wrong value costs a second and not an hour.
(SageMaker developer guide, "XGBoost Hyperparameters".)
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pegbox.algorithms.container import UserError
from pegbox.algorithms.xgboost import metrics
from pegbox.algorithms.xgboost.schema import HYPERPARAMETERS, Choice, Number, Rule

DEFAULT_OBJECTIVE = "reg:squarederror"

#: read by the trainer itself, or without a meaning in the xgboost release in use: never passed to the booster
_NOT_OF_THE_BOOSTER = frozenset(
    (
        "_kfold",
        "_num_cv_round",
        "_tuning_objective_metric",
        "csv_weights",
        "deterministic_histogram",
        "dsplit",
        "early_stopping_rounds",
        "eval_metric",
        "num_round",
        "predictor",
        "save_model_on_termination",
        "single_precision_histogram",
        "sketch_eps",
        "use_dask_gpu_training",
    )
)
_OF_DART = frozenset(("normalize_type", "one_drop", "rate_drop", "sample_type", "skip_drop"))
_OF_TREES = _OF_DART | frozenset(
    (
        "colsample_bylevel",
        "colsample_bynode",
        "colsample_bytree",
        "gamma",
        "grow_policy",
        "interaction_constraints",
        "max_bin",
        "max_delta_step",
        "max_depth",
        "max_leaves",
        "min_child_weight",
        "monotone_constraints",
        "num_parallel_tree",
        "process_type",
        "refresh_leaf",
        "sampling_method",
        "subsample",
        "tree_method",
    )
)
_OF_OBJECTIVES = {
    "aft_loss_distribution": ("survival:aft",),
    "aft_loss_distribution_scale": ("survival:aft",),
    "huber_slope": ("reg:pseudohubererror",),
    "num_class": ("multi:softmax", "multi:softprob"),
    "scale_pos_weight": ("binary:logistic", "binary:logitraw", "binary:hinge", "reg:logistic"),
    "tweedie_variance_power": ("reg:tweedie",),
}
_LINEAR_UPDATERS = frozenset({"shotgun", "coord_descent"})
_RENAMED = {("objective", "reg:linear"): "reg:squarederror", ("tree_method", "gpu_hist"): "hist"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the trainer does."""

    booster: Mapping[str, Any]  #: parameters of xgboost.Booster, without nthread unless the job gives it
    objective: str
    num_round: int
    num_class: int | None
    eval_metrics: tuple[str, ...]  #: the last one decides about early stopping; empty: the objective's own metric
    early_stopping_rounds: int | None
    csv_weights: bool
    save_model_on_termination: bool
    kfold: int | None
    num_cv_round: int
    notices: tuple[str, ...] = ()  #: what the user should know, for the log

    @property
    def weighs_like_copies(self) -> bool:
        """Whether a row of weight n trains the same model as n copies of it: no rows are sampled, none are compared."""
        return (
            self.booster.get("booster", "gbtree") != "gblinear"
            and float(self.booster.get("subsample", 1)) == 1
            and not self.objective.startswith(("rank:", "survival:"))
        )

    @property
    def native_metrics(self) -> dict[str, str]:
        """Those of the metrics that XGBoost computes: its name for each -> the name under which it is asked for."""
        power = self.booster.get("tweedie_variance_power", 1.5)
        names = {"tweedie-nloglik": f"tweedie-nloglik@{power}"}
        return {names.get(metric, metric): metric for metric in self.eval_metrics if metric not in metrics.CUSTOM}


def parse(hyperparameters: Mapping[str, str]) -> Settings:
    """Check and convert the hyperparameters of a job.  Raises UserError naming the hyperparameter and the reason."""
    given = {name: text for name, text in hyperparameters.items() if not name.startswith("sagemaker_")}
    values = {name: _value(name, text) for name, text in given.items()}
    if "num_round" not in values:
        raise UserError("Missing required hyperparameter: num_round")
    objective = values["objective"] = values.get("objective", DEFAULT_OBJECTIVE)
    evaluated, notice = _eval_metrics(values)
    for metric in evaluated:
        _check_metric(metric, objective)
    _check_dependencies(values)
    return Settings(
        booster=_booster(values),
        objective=objective,
        num_round=values["num_round"],
        num_class=values.get("num_class"),
        eval_metrics=evaluated,
        early_stopping_rounds=values.get("early_stopping_rounds"),
        csv_weights=values.get("csv_weights") == 1,
        save_model_on_termination=values.get("save_model_on_termination") == "true",
        kfold=values.get("_kfold"),
        num_cv_round=values.get("_num_cv_round", 1),
        notices=(*notice, *_notices(given)),
    )


def _value(name: str, text: str) -> Any:
    rule = HYPERPARAMETERS.get(name)
    if rule is None:
        raise UserError(f"Extraneous hyperparameter found: {name}")
    # the SDK writes hyperparameters of framework estimators as JSON, strings with their quotes
    plain = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    value = _by_rule(name, plain.strip(), rule)
    return _RENAMED.get((name, value), value) if isinstance(value, str) else value


def _by_rule(name: str, text: str, rule: Rule) -> Any:
    if isinstance(rule, Number):
        return _number(name, text, rule)
    if isinstance(rule, Choice):
        return _choice(name, text, rule)
    return _READERS[name](text) if name in _READERS else text


def _number(name: str, text: str, rule: Number) -> int | float:
    try:
        value = int(text) if rule.integer else float(text)
    except ValueError:
        kind = "an integer" if rule.integer else "a number"
        raise UserError(f"Hyperparameter {name}: expected {kind}, got '{text}'") from None
    if value not in rule.interval:
        raise UserError(f"Hyperparameter {name}: value {text} is outside the allowed range {rule.interval}")
    return value


def _choice(name: str, text: str, rule: Choice) -> str:
    words = [word.strip() for word in text.split(",")] if rule.many else [text]
    for word in words:
        if word not in rule.values:
            raise UserError(f"Hyperparameter {name}: '{word}' is not one of {', '.join(rule.values)}")
    return ",".join(words)


def _monotone_constraints(text: str) -> str:
    directions = _literal("monotone_constraints", text, "a tuple of -1, 0 and 1 such as (1, 0, -1)")
    directions = directions if isinstance(directions, tuple | list) else (directions,)
    if not all(direction in (-1, 0, 1) for direction in directions):
        raise UserError(f"Hyperparameter monotone_constraints: every element must be -1, 0 or 1, got '{text}'")
    return f"({','.join(str(int(direction)) for direction in directions)})"


def _interaction_constraints(text: str) -> str:
    groups = _literal("interaction_constraints", text, "a list of lists of column numbers such as [[0, 1], [2, 3]]")
    whole = isinstance(groups, list) and all(isinstance(group, list) for group in groups)
    if not whole or not all(isinstance(column, int) and column >= 0 for group in groups for column in group):
        raise UserError(f"Hyperparameter interaction_constraints: expected lists of column numbers, got '{text}'")
    return str(groups)


def _literal(name: str, text: str, form: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise UserError(f"Hyperparameter {name}: expected {form}, got '{text}'") from None


def _metric_names(text: str) -> tuple[str, ...]:
    """`auc,logloss`, or as a JSON list `["auc", "logloss"]`."""
    names = tuple(name.strip(" '\"") for name in text.strip("[]").split(","))
    for name in names:
        if not is_metric(name):
            raise UserError(
                f"Hyperparameter eval_metric: '{name}' is not one of {', '.join(sorted(metrics.NAMES))}; "
                f"error, map, ndcg and tweedie-nloglik may carry an argument as in error@0.7 and ndcg@10"
            )
    return tuple(dict.fromkeys(names))


_READERS = {
    "eval_metric": _metric_names,
    "interaction_constraints": _interaction_constraints,
    "monotone_constraints": _monotone_constraints,
}


def is_metric(name: str) -> bool:
    """Whether `name` is a metric of the algorithm, with or without an argument after @."""
    base, at, argument = name.partition("@")
    if not at:
        return name in metrics.NAMES
    try:
        float(argument.removesuffix("-"))
    except ValueError:
        return False
    return base in metrics.WITH_ARGUMENT


def _eval_metrics(values: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The metrics to evaluate, the tuning objective's last; and a notice about an objective that is none of ours."""
    listed: tuple[str, ...] = values.get("eval_metric", ())
    objective = values.get("_tuning_objective_metric")
    if objective is None:
        return listed, ()
    dataset, _, name = objective.partition(":")
    if dataset in ("train", "validation") and is_metric(name):
        return (*(metric for metric in listed if metric != name), name), ()
    # a metric that the job defines for itself, by an expression over lines that are printed anyway
    return listed, (f"The tuning objective {objective} is not a metric of the XGBoost algorithm",)


#: metric -> prefixes of the objectives under which it has a meaning
_OBJECTIVES_OF = {
    "aft-nloglik": ("survival:aft",),
    "auc": ("binary:", "multi:softprob", "rank:"),
    "aucpr": ("binary:", "multi:softprob", "rank:"),
    "cox-nloglik": ("survival:cox",),
    "error": ("binary:", "reg:logistic"),
    "interval-regression-accuracy": ("survival:aft",),
    "map": ("binary:", "rank:"),
    "merror": ("multi:",),
    "mlogloss": ("multi:softprob",),
    "ndcg": ("binary:", "rank:"),
    "r2": ("reg:", "count:"),
    **dict.fromkeys(("accuracy", "balanced_accuracy", "f1", "f1_macro"), ("binary:", "multi:")),
    **dict.fromkeys(("f1_binary", "precision", "recall"), ("binary:",)),
    **dict.fromkeys(("precision_macro", "precision_micro", "recall_macro", "recall_micro"), ("binary:", "multi:")),
}


def _check_metric(metric: str, objective: str) -> None:
    allowed = _OBJECTIVES_OF.get(metric.partition("@")[0])
    if allowed and not objective.startswith(allowed):
        needed = " or ".join(f"{prefix}*" if prefix.endswith(":") else prefix for prefix in allowed)
        raise UserError(f"Metric '{metric}' can't be computed for the objective {objective}, only for {needed}")


def _check_dependencies(values: Mapping[str, Any]) -> None:
    objective, booster = values["objective"], values.get("booster", "gbtree")
    if objective.startswith("multi:") and "num_class" not in values:
        raise UserError(f"Hyperparameter num_class is required for the objective {objective}")
    if values.get("process_type") == "update":
        raise UserError("Hyperparameter process_type: 'update' needs a model to start from, and training has none")
    if values.get("use_dask_gpu_training") == "true":
        raise UserError("Hyperparameter use_dask_gpu_training: there is no GPU to train on, leave it out")
    _check_updaters(values.get("updater"), booster)
    if objective == "binary:logistic" and not 0 < values.get("base_score", 0.5) < 1:
        raise UserError("Hyperparameter base_score: must be above 0 and below 1 for the objective binary:logistic")


def _check_updaters(updater: str | None, booster: str) -> None:
    names = updater.split(",") if updater else []
    if booster == "gblinear" and names and not (len(names) == 1 and names[0] in _LINEAR_UPDATERS):
        raise UserError("Hyperparameter updater: the gblinear booster takes one of shotgun, coord_descent")
    if booster != "gblinear" and _LINEAR_UPDATERS.intersection(names):
        raise UserError(f"Hyperparameter updater: '{updater}' is for the gblinear booster only")
    if sum(name.startswith("grow_") or name == "distcol" for name in names) > 1:
        raise UserError("Hyperparameter updater: only one updater that grows trees can be selected")


def _booster(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that the booster uses: it would warn of the others, which are legal and without effect."""
    unused = set(_NOT_OF_THE_BOOSTER)
    booster, objective = values.get("booster", "gbtree"), values["objective"]
    if booster == "gblinear":
        unused |= _OF_TREES
    elif booster == "gbtree":
        unused |= _OF_DART
    if booster != "gblinear":
        unused.add("lambda_bias")
    unused.update(name for name, objectives in _OF_OBJECTIVES.items() if objective not in objectives)
    return {name: value for name, value in values.items() if name not in unused}


def _notices(given: Mapping[str, str]) -> list[str]:
    notices = []
    if given.get("tree_method", "").strip('"') == "gpu_hist":
        notices.append("tree_method gpu_hist: there is no GPU to train on, hist is used")
    return notices
