"""The rules of CreateHyperParameterTuningJob about strategy, limits, early stopping and completion.

(API reference, HyperParameterTuningJobConfig; developer guide, "Understand the hyperparameter tuning strategies" and
"Resource Limits".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.definition import refuse
from pegbox.domain.ranges import Categorical, Space
from pegbox.domain.rungs import EPOCHS, MOST_RESOURCE, Resource, inferred_most
from pegbox.domain.searches import Search, naming

MOST_JOBS = 750
MOST_RANDOM_JOBS = 10_000


def check(config: Mapping[str, Any], searches: Sequence[Search], spaces: Sequence[Space]) -> None:
    """Raise ValidationException for what does not go together."""
    strategy = config["Strategy"]
    for search, space in zip(searches, spaces, strict=True):
        with naming(search, searches):
            if strategy == "Grid":
                _check_grid(space)
            elif strategy == "Hyperband":
                _check_hyperband(config, search)
    if strategy != "Hyperband" and config.get("StrategyConfig"):
        refuse("StrategyConfig is for the Hyperband strategy: leave it out.")
    _check_early_stopping(config, searches)
    _check_limits(config, spaces)


def most_jobs(strategy: str) -> int:
    """The limit on MaxNumberOfTrainingJobs."""
    return MOST_RANDOM_JOBS if strategy == "Random" else MOST_JOBS


def resource_of(config: Mapping[str, Any], static: Mapping[str, str]) -> Resource | None:
    """The resource of a definition under Hyperband; None if it has no end or ends before it begins."""
    given = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    inferred = min(inferred_most(static) or 0, MOST_RESOURCE)  # more was accepted in earlier versions
    least, most = given.get("MinResource", 1), given.get("MaxResource") or inferred
    return Resource(least, most) if least <= most else None


def limits(config: Mapping[str, Any], spaces: Sequence[Space]) -> dict[str, Any]:
    """ResourceLimits with MaxNumberOfTrainingJobs, which Grid infers."""
    return {"MaxNumberOfTrainingJobs": _grid_size(spaces), **config["ResourceLimits"]}


def _check_grid(space: Space) -> None:
    for parameter in space.parameters:
        if not isinstance(parameter, Categorical):
            refuse(
                f"The Grid strategy supports categorical parameters only; [{parameter.name}] is not: list its values "
                "in CategoricalParameterRanges."
            )


def _check_hyperband(config: Mapping[str, Any], search: Search) -> None:
    given = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    most = given.get("MaxResource")
    if most is None and (most := inferred_most(search.static)) is not None and most > MOST_RESOURCE:
        name = next(name for name in EPOCHS if name in search.static)
        refuse(
            f"The static hyperparameter [{name}] says that MaxResource is [{most}], which is above the limit "
            f"[{MOST_RESOURCE}]: give MaxResource in StrategyConfig.HyperbandStrategyConfig."
        )
    if most is not None and most > MOST_RESOURCE:
        refuse(f"MaxResource [{most}] is above the limit [{MOST_RESOURCE}].")
    if resource_of(config, search.static) is not None:
        return
    if most is not None:
        refuse(f"MinResource [{given['MinResource']}] can't be greater than MaxResource [{most}].")
    refuse(
        "The Hyperband strategy needs MaxResource in StrategyConfig.HyperbandStrategyConfig, or a static "
        f"hyperparameter that says how many epochs there are: one of {', '.join(EPOCHS)}."
    )


def _check_early_stopping(config: Mapping[str, Any], searches: Sequence[Search]) -> None:
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Auto":
        return
    if config["Strategy"] == "Hyperband":
        refuse("The Hyperband strategy stops training jobs by itself: TrainingJobEarlyStoppingType must be Off.")
    if len(searches) > 1:
        refuse("TrainingJobEarlyStoppingType Auto is for one training job definition; this request has several.")


def _check_limits(config: Mapping[str, Any], spaces: Sequence[Space]) -> None:
    given, strategy = config["ResourceLimits"], config["Strategy"]
    most, at_once = given.get("MaxNumberOfTrainingJobs"), given["MaxParallelTrainingJobs"]
    if strategy == "Grid":
        size = _grid_size(spaces)
        if most is not None and most != size:
            refuse(
                f"MaxNumberOfTrainingJobs [{most}] must be the number of combinations [{size}] with the Grid strategy; "
                "leave it out to have it inferred."
            )
        most = size
    if most is None:
        refuse(f"ResourceLimits.MaxNumberOfTrainingJobs is required with the {strategy} strategy.")
    ceiling = most_jobs(strategy)
    if most > ceiling:
        refuse(f"MaxNumberOfTrainingJobs [{most}] is above the limit [{ceiling}] for the {strategy} strategy.")
    if at_once > most:
        refuse(f"MaxParallelTrainingJobs [{at_once}] can't be greater than MaxNumberOfTrainingJobs [{most}].")


def _grid_size(spaces: Sequence[Space]) -> int:
    return sum(space.size() or 0 for space in spaces)
