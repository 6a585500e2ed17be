"""What a tuning job was asked to do, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from math import prod
from typing import Any

from pegbox.client.answers import aim, definitions
from pegbox.client.lines import Lines, duration, own, several, told
from pegbox.counts import counted


def asked(answer: Mapping[str, Any]) -> Lines:
    """Of DescribeHyperParameterTuningJob's answer."""
    config = answer["HyperParameterTuningJobConfig"]
    yield told("strategy", _strategy(config))
    goal = aim(answer)
    if goal:
        yield told(goal["Type"].lower(), ", ".join(_metrics(answer)))
    yield told("budget", budget(answer))
    yield from (told("ends", each) for each in _criteria(config.get("TuningJobCompletionCriteria") or {}))
    warm = answer.get("WarmStartConfig") or {}
    parents = [each["HyperParameterTuningJobName"] for each in warm.get("ParentHyperParameterTuningJobs") or []]
    if parents:
        yield told("warm start", f"{warm['WarmStartType']} from {', '.join(parents)}")
    for definition in definitions(answer):
        yield from _definition(config, definition)


def budget(request: Mapping[str, Any]) -> str:
    """`20 training jobs, 2 at once, 2h 00m in all, 10m 00s each`, of a request or of what became of it."""
    limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    most = limits.get("MaxNumberOfTrainingJobs") or sum(map(_combinations, _spaces(request)))
    parts = [counted(most, "training job"), f"{limits['MaxParallelTrainingJobs']} at once"]
    if "MaxRuntimeInSeconds" in limits:
        parts.append(f"{_length(limits['MaxRuntimeInSeconds'])} in all")
    each = {(one.get("StoppingCondition") or {}).get("MaxRuntimeInSeconds", 0) for one in definitions(request)}
    if len(each) == 1 and each != {0}:
        parts.append(f"{_length(each.pop())} each")
    return ", ".join(parts)


def _strategy(config: Mapping[str, Any]) -> str:
    parts = [config["Strategy"]]
    resource = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    if resource:
        parts.append(f"resource {resource.get('MinResource', 1)} to {resource.get('MaxResource', 'that of the jobs')}")
    if config.get("TrainingJobEarlyStoppingType") == "Auto":
        parts.append("with early stopping")
    if "RandomSeed" in config:
        parts.append(f"seed {config['RandomSeed']}")
    return ", ".join(parts)


def _metrics(answer: Mapping[str, Any]) -> Sequence[str]:
    """The objectives, each once."""
    config = answer["HyperParameterTuningJobConfig"]
    goals = [config.get("HyperParameterTuningJobObjective") or {}, *(_goal(each) for each in definitions(answer))]
    return list(dict.fromkeys(goal["MetricName"] for goal in goals if goal))


def _goal(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    return definition.get("TuningObjective") or {}


def _criteria(criteria: Mapping[str, Any]) -> Iterator[str]:
    if "TargetObjectiveMetricValue" in criteria:
        yield f"at {criteria['TargetObjectiveMetricValue']:g}, or better"
    patience = (criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving")
    if patience is not None:
        yield f"after {counted(patience, 'training job')} without an improvement"
    if (criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence") == "Enabled":
        yield "when it has converged"


def _definition(config: Mapping[str, Any], definition: Mapping[str, Any]) -> Lines:
    name = definition.get("DefinitionName", "")
    if "TuningObjective" in definition:
        yield told("definition", f"{name}, {_goal(definition)['MetricName']}")
    ranges = definition.get("HyperParameterRanges") or config.get("ParameterRanges") or {}
    yield from several("parameters", {**dict(_ranges(ranges)), **_static(definition)})
    yield told("image", definition["AlgorithmSpecification"].get("TrainingImage", ""))
    yield told("output", definition["OutputDataConfig"]["S3OutputPath"])


def _spaces(request: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    shared = request["HyperParameterTuningJobConfig"].get("ParameterRanges") or {}
    return [each.get("HyperParameterRanges") or shared for each in definitions(request)]


def _combinations(space: Mapping[str, Any]) -> int:
    """Of a grid, which has choices only."""
    return prod(len(each["Values"]) for each in space.get("CategoricalParameterRanges") or [])


def _ranges(ranges: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, words in (("IntegerParameterRanges", "whole numbers "), ("ContinuousParameterRanges", "")):
        for each in ranges.get(kind) or []:
            scale = each.get("ScalingType", "Auto")
            shown = "" if scale == "Auto" else f", {scale.lower()}"
            yield each["Name"], f"{words}{each['MinValue']} to {each['MaxValue']}{shown}"
    for each in ranges.get("CategoricalParameterRanges") or []:
        yield each["Name"], "one of " + ", ".join(each["Values"])


def _static(definition: Mapping[str, Any]) -> dict[str, str]:
    static = own(definition.get("StaticHyperParameters") or {})
    return {name: f"always {value}" for name, value in static.items()}


def _length(seconds: int) -> str:
    return duration(timedelta(seconds=seconds))
