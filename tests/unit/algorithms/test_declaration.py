"""What the API server checks at create, and the metric expressions against lines as they are printed."""

from __future__ import annotations

import re

import pytest
import re2

from pegbox.algorithms.base import Interval
from pegbox.algorithms.registry import find
from pegbox.algorithms.xgboost import evaluation, metrics, schema
from pegbox.algorithms.xgboost.evaluation import Score
from pegbox.errors import ValidationException

XGBOOST = find("xgboost")
assert XGBOOST is not None


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("eta", "Continuous", ("0", "1")),
        ("alpha", "Continuous", ("1e-3", "1000")),
        ("max_depth", "Integer", ("1", "10")),
        ("num_round", "Integer", ("1", "4000")),
        ("max_delta_step", "Integer", ("0", "10")),
        ("max_delta_step", "Continuous", ("0", "10")),
        ("eta", "Categorical", ("0.1", "0.2")),
    ],
)
def test_ranges_that_the_trainer_can_take(name: str, kind: str, values: tuple[str, ...]) -> None:
    XGBOOST.check_tunable(name, kind, values)


@pytest.mark.parametrize(
    ("name", "kind", "values", "told"),
    [
        ("booster", "Categorical", ("gbtree", "dart"), r"\[booster\] can't be tuned .*\[alpha, .*subsample\]"),
        ("learning_rate", "Continuous", ("0", "1"), r"\[learning_rate\] can't be tuned"),
        ("eta", "Integer", ("0", "1"), r"\[eta\].*can't have a range of kind Integer. Use ContinuousParameterRanges"),
        ("max_depth", "Continuous", ("1", "2"), r"Use IntegerParameterRanges"),
        ("subsample", "Continuous", ("0", "1"), r"\[0\].*\[subsample\].*numbers in \(0, 1\]"),
        ("eta", "Continuous", ("0.1", "1.5"), r"\[1.5\].*\[eta\].*\[0, 1\]"),
        ("num_round", "Integer", ("0", "10"), r"\[0\].*integers in \[1, inf\)"),
        ("max_depth", "Categorical", ("1", "2.5"), r"\[2.5\].*integers"),
        ("gamma", "Continuous", ("0", "inf"), r"\[inf\]"),
        ("gamma", "Categorical", ("big",), r"\[big\]"),
    ],
)
def test_ranges_that_the_trainer_would_refuse(name: str, kind: str, values: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValidationException, match=told):
        XGBOOST.check_tunable(name, kind, values)


def test_recommended_ranges_are_inside_the_hard_ones() -> None:
    assert set(XGBOOST.tunables) == {
        *("alpha", "lambda", "colsample_bylevel", "colsample_bynode", "colsample_bytree", "eta", "gamma"),
        *("max_delta_step", "max_depth", "min_child_weight", "num_round", "subsample"),
    }
    for tunable in XGBOOST.tunables.values():
        assert tunable.recommended is not None
        assert all(bound in tunable.hard for bound in tunable.recommended)


def test_objective_metrics() -> None:
    XGBOOST.check_objective("validation:auc")
    XGBOOST.check_objective("train:rmse")
    XGBOOST.check_objective("my-metric", user_defined=["my-metric"])
    with pytest.raises(ValidationException, match=r"\[validation:auroc\], isn't valid.*validation:aucpr"):
        XGBOOST.check_objective("validation:auroc")


def test_channels() -> None:
    XGBOOST.check_channels(["train"])
    with pytest.raises(ValidationException, match=r"needs the input data channel \[train\].*\[validation\]"):
        XGBOOST.check_channels(["validation"])


def test_directions() -> None:
    goals = {metric.name: metric.goal for metric in XGBOOST.metrics}
    assert goals["validation:auc"] == goals["validation:f1"] == goals["train:r2"] == "Maximize"
    assert goals["validation:rmse"] == goals["validation:error"] == goals["validation:mlogloss"] == "Minimize"
    assert len(goals) == 2 * len(metrics.NAMES) == 66


def test_every_definition_is_within_the_limits_of_the_api() -> None:
    for definition in XGBOOST.metric_definitions():
        assert set(definition) == {"Name", "Regex"}
        assert 1 <= len(definition["Regex"]) <= 500
        assert re2.compile(definition["Regex"]).groups == 1


@pytest.mark.parametrize("separator", ["\t", "#011"])
@pytest.mark.parametrize("value", [0.5, 1.0, 0.0, -12.25, 1.5e-11, 3.25e7])
def test_each_expression_finds_its_metric_and_no_other(separator: str, value: float) -> None:
    names = sorted(metrics.NAMES)
    scores = [
        Score(dataset=dataset, metric=name, value=value + (0 if value == 0 else index * 1e-3 * abs(value)))
        for index, (dataset, name) in enumerate((d, n) for d in ("train", "validation") for n in names)
    ]
    line = evaluation.line(12, scores).replace("\t", separator)
    expected = {f"{score.dataset}:{score.metric}": score.value for score in scores}
    for engine in (re, re2):
        found = {
            metric.name: float(match[1])
            for metric in XGBOOST.metrics
            if (match := engine.search(metric.regex, f"2024-01-01:algo-1: {line}"))
        }
        assert found == pytest.approx(expected, rel=1e-7)


def test_expressions_pass_over_other_lines() -> None:
    lines = [
        "[12] validation-auc is computed",
        "validation-auc:0.5",
        "[x]\tvalidation-auc:0.5",
        "[1]\tvalidation-auc:nan",
    ]
    auc = XGBOOST.metric("validation:auc")
    assert auc is not None
    assert not any(re2.search(auc.regex, line) for line in lines)
    assert not re2.search(auc.regex, "[1]\tvalidation-aucpr:0.5\ttrain-auc:0.4")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9, "0.90000"),
        (1.0, "1.00000"),
        (0.98963390, "0.9896339"),
        (0.123456789, "0.12345679"),
        (0.0000123456, "0.0000123456"),
        (1234.5, "1234.50000"),
        (123456789.123456, "123456789.12346"),
        (1.23e-12, "1.2300000e-12"),
        (-0.25, "-0.25000"),
        (0.0, "0.00000"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_have_five_decimals_and_no_fewer_than_eight_digits(value: float, text: str) -> None:
    assert evaluation.number(value) == text


def test_intervals() -> None:
    assert str(Interval(low=0, high=1, low_open=True)) == "(0, 1]"
    assert str(Interval()) == "(-inf, inf)"
    assert 0 not in Interval(low=0, low_open=True)
    assert 1 not in Interval(high=1, high_open=True)
    assert float("nan") not in Interval()
    assert float("inf") not in Interval(low=0)


def test_schema_has_every_hyperparameter_of_the_guide() -> None:
    guide = (
        "num_class num_round alpha base_score booster colsample_bylevel colsample_bynode colsample_bytree "
        "csv_weights deterministic_histogram early_stopping_rounds eta eval_metric gamma grow_policy "
        "interaction_constraints lambda lambda_bias max_bin max_delta_step max_depth max_leaves min_child_weight "
        "monotone_constraints normalize_type nthread objective one_drop process_type rate_drop refresh_leaf "
        "sample_type scale_pos_weight seed single_precision_histogram sketch_eps skip_drop subsample tree_method "
        "tweedie_variance_power updater use_dask_gpu_training verbosity save_model_on_termination _kfold "
        "_num_cv_round _tuning_objective_metric"
    )
    assert set(guide.split()) <= set(schema.HYPERPARAMETERS)
