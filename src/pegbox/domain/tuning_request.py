"""CreateHyperParameterTuningJob: the rules beyond the model's, and the defaults that Describe reports.

What pegbox cannot do yet is refused here, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain import definition as definitions
from pegbox.domain.definition import refuse
from pegbox.domain.metrics import OBJECTIVE_ALIAS, OBJECTIVE_PARAMETER, expression_of
from pegbox.domain.ranges import Space, parse_ranges

MOST_JOBS = 750
MOST_RANDOM_JOBS = 10_000
MOST_PARALLEL = 100
STRATEGIES = ("Bayesian", "Random")
LATER_STRATEGIES = ("Grid", "Hyperband")
LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")

_LATER = (
    ("WarmStartConfig", "Warm start"),
    ("Autotune", "Autotune"),
    ("TrainingJobDefinitions", "A tuning job of several TrainingJobDefinitions"),
)


def check(request: Mapping[str, Any]) -> Space:
    """Raise ValidationException for whatever the shapes alone cannot refuse; returns the space to search."""
    config = request["HyperParameterTuningJobConfig"]
    _check_forms(request)
    job = request["TrainingJobDefinition"]
    definitions.check(job)
    definitions.check_resources(resources(job))
    _check_single(job)
    space = parse_ranges(config.get("ParameterRanges") or {}, job.get("StaticHyperParameters") or {})
    _check_count(space, job.get("StaticHyperParameters") or {})
    if not config.get("HyperParameterTuningJobObjective"):
        refuse("HyperParameterTuningJobConfig needs a HyperParameterTuningJobObjective.")
    _check_alias(job)
    _check_strategy(config)
    _check_limits(config)
    return space


def check_objective(config: Mapping[str, Any], metrics: Sequence[Mapping[str, str]]) -> None:
    """Raise ValidationException unless one of the metric definitions yields the objective."""
    if expression_of(metrics, config["HyperParameterTuningJobObjective"]["MetricName"]) is None:
        refuse(
            "A metric is required for this hyperparameter tuning job objective. "
            "Provide a metric in the metric definitions."
        )


def normalise(request: Mapping[str, Any], metrics: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The request with the defaults that Describe reports; `metrics` are the user's and the built-in's definitions."""
    config = request["HyperParameterTuningJobConfig"]
    objective = config["HyperParameterTuningJobObjective"]["MetricName"]
    ranges = config.get("ParameterRanges") or {}
    job = definitions.normalise(request["TrainingJobDefinition"])
    alias = {"Name": OBJECTIVE_ALIAS, "Regex": expression_of(metrics, objective)}
    job["AlgorithmSpecification"] = {**job["AlgorithmSpecification"], "MetricDefinitions": [*metrics, alias]}
    job["StaticHyperParameters"] = {**(job.get("StaticHyperParameters") or {}), OBJECTIVE_PARAMETER: objective}
    job["ResourceConfig"] = resources(job)
    return {
        "HyperParameterTuningJobName": request["HyperParameterTuningJobName"],
        "HyperParameterTuningJobConfig": {
            "TrainingJobEarlyStoppingType": "Off",
            **config,
            "ParameterRanges": {**ranges, **{name: ranges.get(name) or [] for name in LISTS}},
        },
        "TrainingJobDefinition": job,
    }


def resources(job: Mapping[str, Any]) -> dict[str, Any]:
    """The ResourceConfig, from whichever of its two forms the definition has."""
    plain, tuning = job.get("ResourceConfig"), job.get("HyperParameterTuningResourceConfig")
    if bool(plain) == bool(tuning):
        refuse("TrainingJobDefinition needs exactly one of ResourceConfig and HyperParameterTuningResourceConfig.")
    if not tuning:
        return dict(plain or {})
    if tuning.get("InstanceConfigs") or tuning.get("AllocationStrategy"):
        refuse("HyperParameterTuningResourceConfig.InstanceConfigs is not supported yet: give InstanceType.")
    return {"VolumeSizeInGB": 1, **tuning}


def _check_forms(request: Mapping[str, Any]) -> None:
    single, several = request.get("TrainingJobDefinition"), request.get("TrainingJobDefinitions")
    if bool(single) == bool(several):
        refuse("Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be given.")
    for name, what in _LATER:
        if request.get(name):
            refuse(f"{what} is not supported yet: leave out {name}.")


def _check_single(job: Mapping[str, Any]) -> None:
    for name in ("TuningObjective", "HyperParameterRanges"):
        if job.get(name):
            refuse(
                f"{name} belongs to TrainingJobDefinitions: "
                "in the single form give it in HyperParameterTuningJobConfig."
            )


def _check_alias(job: Mapping[str, Any]) -> None:
    for definition in job["AlgorithmSpecification"].get("MetricDefinitions") or []:
        if definition["Name"] == OBJECTIVE_ALIAS:
            refuse(f"The metric name [{OBJECTIVE_ALIAS}] stands for the objective itself: choose another one.")


def _check_count(space: Space, static: Mapping[str, str]) -> None:
    if OBJECTIVE_PARAMETER in static:
        refuse(f"The hyperparameter [{OBJECTIVE_PARAMETER}] is set by the service: leave it out.")
    count = len(space.parameters) + len(static) + 1
    if count > definitions.MOST_HYPERPARAMETERS:
        refuse(
            f"A training job can have at most {definitions.MOST_HYPERPARAMETERS} hyperparameters; this tuning job's "
            f"would have {count}: {len(space.parameters)} tuned, {len(static)} static and {OBJECTIVE_PARAMETER}."
        )


def _check_strategy(config: Mapping[str, Any]) -> None:
    strategy = config["Strategy"]
    if strategy in LATER_STRATEGIES:
        refuse(f"The strategy {strategy} is not supported yet: use {' or '.join(STRATEGIES)}.")
    if config.get("StrategyConfig"):
        refuse("StrategyConfig is for the Hyperband strategy: leave it out.")
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        refuse("TrainingJobEarlyStoppingType Auto is not supported yet: use Off.")
    if config.get("TuningJobCompletionCriteria"):
        refuse("TuningJobCompletionCriteria is not supported yet: leave it out.")


def _check_limits(config: Mapping[str, Any]) -> None:
    limits, strategy = config["ResourceLimits"], config["Strategy"]
    most, at_once = limits.get("MaxNumberOfTrainingJobs"), limits["MaxParallelTrainingJobs"]
    if most is None:
        refuse("ResourceLimits.MaxNumberOfTrainingJobs is required with this strategy.")
    ceiling = MOST_RANDOM_JOBS if strategy == "Random" else MOST_JOBS
    if most > ceiling:
        refuse(f"MaxNumberOfTrainingJobs [{most}] is above the limit [{ceiling}] for the {strategy} strategy.")
    if at_once > most:
        refuse(f"MaxParallelTrainingJobs [{at_once}] can't be greater than MaxNumberOfTrainingJobs [{most}].")
    if at_once > MOST_PARALLEL:
        refuse(f"MaxParallelTrainingJobs [{at_once}] is above the limit [{MOST_PARALLEL}].")
