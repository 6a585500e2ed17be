"""Hyperparameters: what is refused and in which words, what is accepted quietly."""

from __future__ import annotations

import pytest

from pegbox.algorithms.container import UserError
from pegbox.algorithms.xgboost.settings import parse

BINARY = {"num_round": "10", "objective": "binary:logistic"}


def test_strings_become_numbers() -> None:
    settings = parse({**BINARY, "eta": "0.07415510551626486", "max_depth": "7", "seed": "-3", "csv_weights": "1"})
    assert settings.booster == {"objective": "binary:logistic", "eta": 0.07415510551626486, "max_depth": 7, "seed": -3}
    assert (settings.num_round, settings.csv_weights, settings.early_stopping_rounds) == (10, True, None)


def test_the_sample_of_the_guide_is_accepted_quietly() -> None:
    static = {
        "eval_metric": "auc",
        "num_round": "100",
        "objective": "binary:logistic",
        "rate_drop": "0.3",
        "tweedie_variance_power": "1.4",
    }
    settings = parse({**static, "_tuning_objective_metric": "validation:auc"})
    assert settings.booster == {"objective": "binary:logistic"}
    assert settings.eval_metrics == ("auc",)
    assert settings.notices == ()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"learning_rate": "0.1"}, "Extraneous hyperparameter found: learning_rate"),
        ({"num_round": "0"}, r"num_round: value 0 is outside the allowed range \[1, inf\)"),
        ({"num_round": "ten"}, "num_round: expected an integer, got 'ten'"),
        ({"max_depth": "3.5"}, "max_depth: expected an integer, got '3.5'"),
        ({"eta": "1.5"}, r"eta: value 1.5 is outside the allowed range \[0, 1\]"),
        ({"eta": "nan"}, "eta: value nan is outside"),
        ({"eta": "big"}, "eta: expected a number, got 'big'"),
        ({"subsample": "0"}, r"subsample: value 0 is outside the allowed range \(0, 1\]"),
        ({"tweedie_variance_power": "2"}, r"\(1, 2\)"),
        ({"objective": "binary:logit"}, "objective: 'binary:logit' is not one of binary:logistic, "),
        ({"booster": "tree"}, "booster: 'tree' is not one of gbtree, gblinear, dart"),
        ({"tree_method": "fast"}, "tree_method: 'fast' is not one of auto, "),
        ({"save_model_on_termination": "yes"}, "save_model_on_termination: 'yes' is not one of true, false"),
        ({"_kfold": "1"}, "_kfold: value 1 is outside"),
        ({"eval_metric": "auc,auroc"}, "eval_metric: 'auroc' is not one of accuracy, "),
        ({"eval_metric": "error@much"}, "eval_metric: 'error@much'"),
        ({"eval_metric": "auc@0.5"}, "eval_metric: 'auc@0.5'"),
        ({"eval_metric": ""}, "eval_metric: ''"),
        ({"monotone_constraints": "(1, 2)"}, "every element must be -1, 0 or 1"),
        ({"monotone_constraints": "up"}, "expected a tuple"),
        ({"interaction_constraints": "[0, 1]"}, "expected lists of column numbers"),
        ({"interaction_constraints": "__import__('os')"}, "expected a list of lists"),
        ({"updater": "grow_colmaker,grow_histmaker"}, "only one updater"),
        ({"updater": "shotgun"}, "for the gblinear booster only"),
        ({"updater": "prune", "booster": "gblinear"}, "takes one of shotgun, coord_descent"),
        ({"process_type": "update"}, "needs a model to start from"),
        ({"base_score": "1.5"}, "base_score: must be above 0 and below 1"),
        ({"objective": "multi:softprob"}, "num_class is required for the objective multi:softprob"),
        ({"objective": "reg:squarederror", "eval_metric": "auc"}, "'auc' can't be computed for the objective reg:"),
        (
            {"objective": "reg:squarederror", "_tuning_objective_metric": "validation:auc"},
            "'auc' can't be computed for the objective reg:squarederror, only for binary:",
        ),
        ({"eval_metric": "merror"}, "'merror' can't be computed for the objective binary:logistic, only for multi:"),
        ({"eval_metric": "aft-nloglik"}, "only for survival:aft"),
        ({"objective": "multi:softmax", "num_class": "3", "eval_metric": "f1_binary"}, "only for binary:"),
    ],
)
def test_wrong_hyperparameters(wrong: dict[str, str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        parse({**BINARY, **wrong})


def test_num_round_is_required() -> None:
    with pytest.raises(UserError, match="Missing required hyperparameter: num_round"):
        parse({"objective": "binary:logistic"})


def test_the_objective_metric_is_evaluated_last() -> None:
    settings = parse({**BINARY, "eval_metric": "auc, logloss,error@0.7", "_tuning_objective_metric": "validation:auc"})
    assert settings.eval_metrics == ("logloss", "error@0.7", "auc")


def test_an_objective_of_the_users_own_definition_is_left_alone() -> None:
    settings = parse({**BINARY, "_tuning_objective_metric": "best-auc"})
    assert settings.eval_metrics == ()
    assert "best-auc" in settings.notices[0]


@pytest.mark.parametrize("text", ['["auc", "ndcg@5-"]', "auc,ndcg@5-", " auc , ndcg@5- "])
def test_forms_of_a_metric_list(text: str) -> None:
    assert parse({**BINARY, "eval_metric": text}).eval_metrics == ("auc", "ndcg@5-")


def test_hyperparameters_of_the_sdk_are_ignored_and_quoted_values_read() -> None:
    settings = parse({**BINARY, "objective": '"binary:logistic"', "sagemaker_region": "x", "sagemaker_job_name": "y"})
    assert settings.objective == "binary:logistic"


def test_parameters_go_to_the_booster_that_uses_them() -> None:
    dart = parse({**BINARY, "booster": "dart", "rate_drop": "0.3", "lambda_bias": "0.5"}).booster
    assert dart["rate_drop"] == 0.3
    assert "lambda_bias" not in dart
    linear = parse({**BINARY, "booster": "gblinear", "max_depth": "3", "lambda_bias": "0.5"}).booster
    assert linear == {"objective": "binary:logistic", "booster": "gblinear", "lambda_bias": 0.5}
    tweedie = parse({"num_round": "1", "objective": "reg:tweedie", "tweedie_variance_power": "1.4"}).booster
    assert tweedie["tweedie_variance_power"] == 1.4


def test_old_names_are_translated() -> None:
    assert parse({"num_round": "1", "objective": "reg:linear"}).objective == "reg:squarederror"
    gpu = parse({**BINARY, "tree_method": "gpu_hist", "predictor": "gpu_predictor"})
    assert gpu.booster["tree_method"] == "hist"
    assert "gpu_hist" in gpu.notices[0]


def test_constraints() -> None:
    booster = parse({**BINARY, "monotone_constraints": "(1, 0,-1)", "interaction_constraints": "[[0,1],[2]]"}).booster
    assert booster["monotone_constraints"] == "(1,0,-1)"
    assert booster["interaction_constraints"] == "[[0, 1], [2]]"
