"""What describe says a tuning job was asked to do."""

from __future__ import annotations

from typing import Any

import pytest

from pegbox.client.asked import asked, budget
from pegbox.client.report import best


def definition(**more: Any) -> dict[str, Any]:
    return {
        "AlgorithmSpecification": {"TrainingImage": "mine"},
        "OutputDataConfig": {"S3OutputPath": "s3://b/out"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        **more,
    }


def ranges(**values: list[str]) -> dict[str, Any]:
    return {"CategoricalParameterRanges": [{"Name": name, "Values": each} for name, each in values.items()]}


def config(**more: Any) -> dict[str, Any]:
    return {"ResourceLimits": {"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2}, **more}


def test_everything_that_was_asked_is_told() -> None:
    answer = {
        "HyperParameterTuningJobConfig": config(
            Strategy="Hyperband",
            StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 27}},
            RandomSeed=7,
            TrainingJobEarlyStoppingType="Auto",
            ResourceLimits={
                "MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 2, "MaxRuntimeInSeconds": 7200,
            },
            TuningJobCompletionCriteria={
                "TargetObjectiveMetricValue": 0.5,
                "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 5},
                "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
            },
            HyperParameterTuningJobObjective={"Type": "Minimize", "MetricName": "loss"},
            ParameterRanges=ranges(kind=["a", "b"]),
        ),
        "WarmStartConfig": {
            "WarmStartType": "TransferLearning",
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in ("one", "two")],
        },
        "TrainingJobDefinition": definition(StaticHyperParameters={"epochs": "27", "_tuning_objective_metric": "loss"}),
    }  # fmt: skip
    assert list(asked(answer)) == [
        "strategy    Hyperband, resource 1 to 27, with early stopping, seed 7",
        "minimize    loss",
        "budget      9 training jobs, 2 at once, 2h 00m in all, 10m 00s each",
        "ends        at 0.5, or better",
        "ends        after 5 training jobs without an improvement",
        "ends        when it has converged",
        "warm start  TransferLearning from one, two",
        "parameters  epochs  always 27",
        "            kind    one of a, b",
        "image       mine",
        "output      s3://b/out",
    ]


def several() -> dict[str, Any]:
    return {
        "HyperParameterTuningJobConfig": config(Strategy="Random"),
        "TrainingJobDefinitions": [
            definition(
                DefinitionName=name,
                TuningObjective={"Type": "Maximize", "MetricName": metric},
                HyperParameterRanges=ranges(**{f"of_{name}": ["1", "2"]}),
            )
            for name, metric in (("tree", "auc"), ("net", "acc"))
        ],
    }


def test_each_definition_is_told_with_its_own() -> None:
    lines = list(asked(several()))
    assert lines[1] == "maximize    auc, acc"
    assert [line for line in lines if line.startswith(("definition", "parameters"))] == [
        "definition  tree, auc", "parameters  of_tree  one of 1, 2", "definition  net, acc",
        "parameters  of_net  one of 1, 2",
    ]  # fmt: skip


def test_the_best_is_told_with_its_definition_and_with_a_better_parent() -> None:
    def job(name: str, value: float, **more: str) -> dict[str, Any]:
        final = {"MetricName": "auc", "Value": value}
        return {
            "TrainingJobName": name, "FinalHyperParameterTuningJobObjectiveMetric": final, "TunedHyperParameters": {},
            "TrainingJobDefinitionName": "tree", **more,
        }  # fmt: skip

    found = {"BestTrainingJob": job("child-1", 0.5), "OverallBestTrainingJob": job("old-1", 0.9, TuningJobName="old")}
    assert list(best({**several(), **found})) == [
        "best        child-1  auc = 0.5, of definition tree",
        "overall     old-1  auc = 0.9, of definition tree, of old",
    ]
    found["OverallBestTrainingJob"] = found["BestTrainingJob"]
    assert list(best(found)) == ["best        child-1  auc = 0.5"]


@pytest.mark.parametrize("wraps", [False, True])
def test_a_grid_has_all_its_combinations(wraps: bool) -> None:
    space = ranges(a=["1", "2"], b=["1", "2", "3"])
    limits = {"MaxParallelTrainingJobs": 2}
    request: dict[str, Any] = {
        "HyperParameterTuningJobConfig": {"Strategy": "Grid", "ResourceLimits": limits, "ParameterRanges": space},
        "TrainingJobDefinition": definition(),
    }
    if wraps:
        del request["HyperParameterTuningJobConfig"]["ParameterRanges"]
        del request["TrainingJobDefinition"]
        request["TrainingJobDefinitions"] = [definition(HyperParameterRanges=space)] * 2
    assert budget(request) == f"{12 if wraps else 6} training jobs, 2 at once, 10m 00s each"
