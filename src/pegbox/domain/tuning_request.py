"""CreateHyperParameterTuningJob: the rules beyond the model's, and the defaults that Describe reports.

What pegbox cannot do yet is refused here, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain import definition as definitions
from pegbox.domain import instances, strategy_rules, warm_start
from pegbox.domain.definition import refuse
from pegbox.domain.metrics import OBJECTIVE_ALIAS, OBJECTIVE_PARAMETER, expression_of, without_alias
from pegbox.domain.range_request import parse_ranges
from pegbox.domain.ranges import Space
from pegbox.domain.searches import Search, naming, searches_of

LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")

_OF_THE_LIST = ("TuningObjective", "HyperParameterRanges")  #: fields of a definition in the list form only
_OF_THE_CONFIG = ("HyperParameterTuningJobObjective", "ParameterRanges")  #: of the single form only
MOST_ENVIRONMENT = 48  #: variables, over all definitions

Metrics = Sequence[Mapping[str, str]]  #: MetricDefinitions


def check_forms(request: Mapping[str, Any]) -> None:
    """Raise ValidationException unless the request has one definition, or a list of them, in the right form."""
    single, several = request.get("TrainingJobDefinition"), request.get("TrainingJobDefinitions")
    if bool(single) == bool(several):
        refuse("Exactly one of TrainingJobDefinition and TrainingJobDefinitions must be given.")
    config = request["HyperParameterTuningJobConfig"]
    if single:
        _check_single(single)
        if not config.get("HyperParameterTuningJobObjective"):
            refuse("HyperParameterTuningJobConfig needs a HyperParameterTuningJobObjective.")
    else:
        _check_list(config, several or [])
    if not request.get("Autotune") and any(search.ranges.get("AutoParameters") for search in searches_of(request)):
        refuse("AutoParameters need Autotune: set its Mode to Enabled, or give explicit parameter ranges instead.")


def as_written(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request without what Describe adds to metric definitions: SDKs that attach to a tuning job send it back."""
    check_forms(request)
    cleared = [_cleared(search) for search in searches_of(request)]
    if request.get("TrainingJobDefinitions"):
        return {**request, "TrainingJobDefinitions": cleared}
    return {**request, "TrainingJobDefinition": cleared[0]}


def check(request: Mapping[str, Any]) -> Sequence[Space]:
    """Raise ValidationException for whatever the shapes alone cannot refuse; returns the space of each definition."""
    config = request["HyperParameterTuningJobConfig"]
    check_forms(request)
    searches = searches_of(request)
    spaces = []
    for search in searches:
        with naming(search, searches):
            spaces.append(_check_search(search))
    variables = sum(len(search.definition.get("Environment") or {}) for search in searches)
    if variables > MOST_ENVIRONMENT:
        refuse(f"The definitions have {variables} Environment variables in all; the limit is {MOST_ENVIRONMENT}.")
    strategy_rules.check(config, searches, spaces)
    warm_start.parent_names(request)
    return spaces


def check_objective(search: Search, metrics: Metrics) -> None:
    """Raise ValidationException unless one of the metric definitions yields the objective."""
    if expression_of(metrics, search.metric) is None:
        refuse(
            "A metric is required for this hyperparameter tuning job objective. "
            "Provide a metric in the metric definitions."
        )


def normalise(request: Mapping[str, Any], metrics: Sequence[Metrics]) -> dict[str, Any]:
    """The request with the defaults that Describe reports.

    metrics: for each definition, the user's own and those of a built-in.
    """
    config = request["HyperParameterTuningJobConfig"]
    searches = searches_of(request)
    spaces = [parse_ranges(search.ranges, search.static) for search in searches]
    jobs = [_normal_definition(search, known) for search, known in zip(searches, metrics, strict=True)]
    normal = {
        "HyperParameterTuningJobName": request["HyperParameterTuningJobName"],
        "HyperParameterTuningJobConfig": {
            "TrainingJobEarlyStoppingType": "Off",
            **config,
            "ResourceLimits": strategy_rules.limits(config, spaces),
        },
    }
    if autotune := request.get("Autotune"):
        normal["Autotune"] = autotune
    if warm := request.get("WarmStartConfig"):
        normal["WarmStartConfig"] = warm
    if request.get("TrainingJobDefinitions"):
        several = [
            {**job, "HyperParameterRanges": _all_lists(search.ranges)}
            for job, search in zip(jobs, searches, strict=True)
        ]
        return {**normal, "TrainingJobDefinitions": several}
    normal["HyperParameterTuningJobConfig"]["ParameterRanges"] = _all_lists(searches[0].ranges)
    return {**normal, "TrainingJobDefinition": jobs[0]}


def _normal_definition(search: Search, metrics: Metrics) -> dict[str, Any]:
    job = definitions.normalise(search.definition)
    alias = {"Name": OBJECTIVE_ALIAS, "Regex": expression_of(metrics, search.metric)}
    job["AlgorithmSpecification"] = {**job["AlgorithmSpecification"], "MetricDefinitions": [*metrics, alias]}
    job["StaticHyperParameters"] = {**search.static, OBJECTIVE_PARAMETER: search.metric}
    job["ResourceConfig"] = resources(job)
    return job


def _all_lists(ranges: Mapping[str, Any]) -> dict[str, Any]:
    return {**ranges, **{name: ranges.get(name) or [] for name in LISTS}}


def resources(job: Mapping[str, Any]) -> dict[str, Any]:
    """The ResourceConfig, from whichever of its two forms the definition has."""
    plain, tuning = job.get("ResourceConfig"), job.get("HyperParameterTuningResourceConfig")
    if bool(plain) == bool(tuning):
        refuse("TrainingJobDefinition needs exactly one of ResourceConfig and HyperParameterTuningResourceConfig.")
    if not tuning:
        return dict(plain or {})
    return {"VolumeSizeInGB": 1, **instances.configs(tuning)[0]}


def _cleared(search: Search) -> dict[str, Any]:
    algorithm = search.definition["AlgorithmSpecification"]
    if not algorithm.get("MetricDefinitions"):
        return dict(search.definition)
    metrics = without_alias(algorithm["MetricDefinitions"], search.metric)
    return {**search.definition, "AlgorithmSpecification": {**algorithm, "MetricDefinitions": metrics}}


def _check_search(search: Search) -> Space:
    job = search.definition
    definitions.check(job)
    _check_resources(job)
    space = parse_ranges(search.ranges, search.static)
    _check_count(space, search.static)
    _check_alias(job)
    return space


def _check_resources(job: Mapping[str, Any]) -> None:
    plain, place = resources(job), "HyperParameterTuningResourceConfig"
    tuning = job.get(place)
    if not tuning:
        definitions.check_resources(plain)
        return
    several = tuning.get("InstanceConfigs")
    if not several:
        if tuning.get("AllocationStrategy"):
            refuse(f"{place}.AllocationStrategy is for InstanceConfigs: give them, too.")
        definitions.check_resources(tuning, place)
        return
    for field in ("InstanceType", "InstanceCount", "VolumeSizeInGB"):
        if tuning.get(field) is not None:
            refuse(f"{place} has InstanceConfigs, which have {field} of their own: remove it.")
    for number, config in enumerate(several, 1):
        definitions.check_resources(config, f"{place}.InstanceConfigs.{number}")


def _check_single(job: Mapping[str, Any]) -> None:
    for name in _OF_THE_LIST:
        if job.get(name):
            refuse(
                f"{name} belongs to TrainingJobDefinitions: "
                "in the single form give it in HyperParameterTuningJobConfig."
            )


def _check_list(config: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> None:
    for field in _OF_THE_CONFIG:
        if config.get(field):
            refuse(
                f"HyperParameterTuningJobConfig.{field} is for a single TrainingJobDefinition: with "
                "TrainingJobDefinitions each definition has its own TuningObjective and HyperParameterRanges."
            )
    names: set[str] = set()
    for job in jobs:
        name = job.get("DefinitionName") or ""
        if not name:
            refuse("Each of the TrainingJobDefinitions needs a DefinitionName.")
        if name in names:
            refuse(f"The DefinitionName [{name}] is used more than once. Names must be unique within a tuning job.")
        names.add(name)
        for field in _OF_THE_LIST:
            if not job.get(field):
                refuse(f"The training job definition [{name}] needs a {field}.")
    if len({job["TuningObjective"]["Type"] for job in jobs}) > 1:
        refuse("The TuningObjective of all TrainingJobDefinitions must have the same Type: results are compared.")


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
