"""What Autotune chooses, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from pegbox.algorithms.xgboost.algorithm import XGBOOST
from pegbox.domain import autotune
from pegbox.domain import tuning_request as requests
from pegbox.errors import ValidationException
from pegbox.testing.requests import tuning_request


def autotuned(static: dict[str, str] | None = None, ranges: Any = None, **hints: str) -> dict[str, Any]:
    """A request with Autotune that leaves open whatever can be."""
    request = tuning_request("a", "any", "s3://bucket/out")
    config = request["HyperParameterTuningJobConfig"]
    config["Strategy"] = "Bayesian"
    config["ResourceLimits"] = {"MaxParallelTrainingJobs": 1}
    autos = [{"Name": name, "ValueHint": hint} for name, hint in hints.items()]
    config["ParameterRanges"] = {"AutoParameters": autos, **(ranges or {})}
    request["TrainingJobDefinition"]["StaticHyperParameters"] = static or {}
    return {**request, "Autotune": {"Mode": "Enabled"}}


def choose(request: dict[str, Any], tunables: autotune.Tunables | None = None) -> dict[str, Any]:
    found = autotune.chosen(request, lambda _: tunables)
    requests.check(found)
    return found


def numbers(low: str, high: str, scaling: str) -> dict[str, str]:
    return {"MinValue": low, "MaxValue": high, "ScalingType": scaling}


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("32", ("Integer", numbers("8", "128", "Logarithmic"))),
        ("1", ("Integer", numbers("1", "4", "Logarithmic"))),
        ("3", ("Integer", numbers("1", "12", "Logarithmic"))),
        ("0.05", ("Continuous", numbers("0.005", "0.5", "Logarithmic"))),
        ("0.5", ("Continuous", numbers("0.05", "1.0", "Logarithmic"))),
        ("1e-3", ("Continuous", numbers("0.0001", "0.01", "Logarithmic"))),
        ("2.0", ("Continuous", numbers("0.5", "8.0", "Auto"))),
        ("true", ("Categorical", {"Values": ["true", "false"]})),
        ("False", ("Categorical", {"Values": ["True", "False"]})),
        ("TRUE", ("Categorical", {"Values": ["TRUE", "FALSE"]})),
    ],
)
def test_a_range_around_an_example(hint: str, expected: autotune.Range) -> None:
    assert autotune.range_of(hint) == expected


STATIC = [
    "",
    "adam",
    '"adam"',
    "0",
    "-3",
    "0.0",
    "-0.5",
    "nan",
    "inf",
    "1e308",
    "1e999",
    "5e-324",
    "9" * 256,
    "1_0",
    "٣",
]


@pytest.mark.parametrize("hint", STATIC)
def test_what_says_nothing_of_a_range_stays_as_it_is(hint: str) -> None:
    assert autotune.range_of(hint) is None
    found = choose(autotuned(x="1", word=hint))
    assert found["TrainingJobDefinition"]["StaticHyperParameters"] == {"word": hint}


def test_all_that_is_left_open_is_chosen() -> None:
    found = choose(autotuned(static={"kind": "better"}, depth="4", rate="0.1", sagemaker_program="7"))
    config, job = found["HyperParameterTuningJobConfig"], found["TrainingJobDefinition"]
    assert config["ResourceLimits"] == {"MaxParallelTrainingJobs": 1, "MaxNumberOfTrainingJobs": 50}
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert config["TuningJobCompletionCriteria"] == {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
    assert job["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert job["StaticHyperParameters"] == {"kind": "better", "sagemaker_program": "7"}
    ranges = config["ParameterRanges"]
    assert [item["Name"] for item in ranges["IntegerParameterRanges"]] == ["depth"]
    assert [item["Name"] for item in ranges["ContinuousParameterRanges"]] == ["rate"]


def test_what_the_user_has_set_stays() -> None:
    own = {"Name": "x", "MinValue": "0", "MaxValue": "1"}
    request = autotuned(ranges={"ContinuousParameterRanges": [own]}, n="2")
    config = request["HyperParameterTuningJobConfig"]
    given = {
        "Strategy": "Random",
        "ResourceLimits": {"MaxParallelTrainingJobs": 2, "MaxNumberOfTrainingJobs": 3, "MaxRuntimeInSeconds": 500},
        "TrainingJobEarlyStoppingType": "Off",
        "TuningJobCompletionCriteria": {
            "TargetObjectiveMetricValue": 0.5,
            "ConvergenceDetected": {"CompleteOnConvergence": "Disabled"},
        },
    }
    config |= given
    request["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": 1}
    found = choose(request)
    kept = found["HyperParameterTuningJobConfig"]
    assert {name: kept[name] for name in given} == given
    assert kept["ParameterRanges"]["ContinuousParameterRanges"] == [own]
    assert found["TrainingJobDefinition"]["RetryStrategy"] == {"MaximumRetryAttempts": 1}


def test_a_built_in_gets_the_ranges_that_the_guide_recommends() -> None:
    found = choose(autotuned(eta="0.9", max_depth="3", objective="reg:squarederror", seed="5"), XGBOOST.tunables)
    ranges = found["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges["ContinuousParameterRanges"] == [{"Name": "eta", **numbers("0.1", "0.5", "Auto")}]
    assert ranges["IntegerParameterRanges"] == [{"Name": "max_depth", **numbers("0", "10", "Auto")}]
    static = found["TrainingJobDefinition"]["StaticHyperParameters"]
    assert static == {"objective": "reg:squarederror", "seed": "5"}


@pytest.mark.parametrize("name", XGBOOST.tunables)
def test_what_is_chosen_for_a_built_in_is_accepted_by_it(name: str) -> None:
    found = choose(autotuned(**{name: "1"}), XGBOOST.tunables)
    ranges = found["HyperParameterTuningJobConfig"]["ParameterRanges"]
    for kind in ("Integer", "Continuous"):
        for item in ranges[f"{kind}ParameterRanges"]:
            XGBOOST.check_tunable(name, kind, [item["MinValue"], item["MaxValue"]])  # type: ignore[arg-type]


def test_no_more_is_tuned_than_a_tuning_job_can() -> None:
    found = choose(autotuned(**{f"x{number}": "1" for number in range(40)}))
    assert len(found["HyperParameterTuningJobConfig"]["ParameterRanges"]["IntegerParameterRanges"]) == 30
    assert [*found["TrainingJobDefinition"]["StaticHyperParameters"]] == [f"x{number}" for number in range(30, 40)]
    assert found["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 250


def test_every_strategy_gets_what_it_can_search() -> None:
    request = autotuned(fast="true", n="3", epochs="9")
    request["HyperParameterTuningJobConfig"]["Strategy"] = "Grid"
    found = choose(request)
    assert found["TrainingJobDefinition"]["StaticHyperParameters"] == {"n": "3", "epochs": "9"}
    assert "MaxNumberOfTrainingJobs" not in found["HyperParameterTuningJobConfig"]["ResourceLimits"]  # inferred
    request["HyperParameterTuningJobConfig"]["Strategy"] = "Hyperband"
    found = choose(request)
    assert found["TrainingJobDefinition"]["StaticHyperParameters"] == {"epochs": "9"}
    assert found["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Off"


def test_each_of_several_definitions_has_its_own_choices() -> None:
    request = autotuned(n="8")
    config, job = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
    job["TuningObjective"] = config.pop("HyperParameterTuningJobObjective")
    first = config.pop("ParameterRanges")
    second = {"AutoParameters": [{"Name": "rate", "ValueHint": "0.1"}]}
    request["TrainingJobDefinitions"] = [
        {**job, "DefinitionName": "first", "HyperParameterRanges": first},
        {**job, "DefinitionName": "second", "HyperParameterRanges": second},
    ]
    found = choose(request)
    one, two = found["TrainingJobDefinitions"]
    assert one["HyperParameterRanges"]["IntegerParameterRanges"][0]["Name"] == "n"
    assert two["HyperParameterRanges"]["ContinuousParameterRanges"][0]["Name"] == "rate"
    assert found["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Off"


@pytest.mark.parametrize(
    ("request_", "part"),
    [
        (autotuned(), "finds no hyperparameter to tune"),
        (autotuned(word="adam"), "finds no hyperparameter to tune"),
        (autotuned(static={"x": "1"}, x="1"), "x is both in AutoParameters and in StaticHyperParameters"),
        (
            autotuned(ranges={"CategoricalParameterRanges": [{"Name": "x", "Values": ["a"]}]}, x="1"),
            "x is in AutoParameters and has a parameter range",
        ),
        (autotuned(ranges={"AutoParameters": [{"Name": "x", "ValueHint": "1"}] * 2}), "x is more than once"),
        (autotuned(x="1") | {"WarmStartConfig": {"WarmStartType": "TransferLearning"}}, "WarmStartConfig"),
    ],
)
def test_what_autotune_refuses(request_: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationException) as refusal:
        autotune.chosen(request_, lambda _: None)
    assert part in refusal.value.message
