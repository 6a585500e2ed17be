"""Autotune: what the request of a tuning job leaves open is chosen; what the user has set stays.

(API reference, Autotune and AutoParameter; the choices are ours, docs/how-to/autotune.md tells them.)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pegbox.domain.definition import refuse
from pegbox.domain.ranges import MOST_RANGES, render
from pegbox.domain.rungs import EPOCHS
from pegbox.domain.searches import Search, searches_of

LEAST_JOBS, JOBS_OF_EACH, MOST_JOBS = 50, 20, 250  #: MaxNumberOfTrainingJobs: 20 for each hyperparameter, 50 to 250
RETRIES = 3  #: MaximumRetryAttempts
OF_THE_SDK = "sagemaker_"  #: begins hyperparameters that are the SDK's own: they say where a script lies
_LISTS = {
    "Integer": "IntegerParameterRanges",
    "Continuous": "ContinuousParameterRanges",
    "Categorical": "CategoricalParameterRanges",
}
_WHOLE = re.compile(r"\+?[0-9]+")
_MOST_WHOLE = 2**63 - 1

Range = tuple[str, dict[str, Any]]  #: a kind of range, and the range but its Name


class Tunable(Protocol):
    """What a built-in algorithm says of a hyperparameter that may be tuned."""

    @property
    def kind(self) -> str:
        """Continuous, Integer or Categorical."""
        ...

    @property
    def recommended(self) -> tuple[float, float] | None:
        """Bounds."""
        ...

    @property
    def values(self) -> tuple[str, ...]:
        """Of a categorical one."""
        ...

    def takes(self, value: str) -> bool:
        """Whether the algorithm accepts this."""
        ...


Tunables = Mapping[str, Tunable]


def chosen(request: Mapping[str, Any], tunables: Callable[[Search], Tunables | None]) -> dict[str, Any]:
    """The request with all that Autotune chooses.  Raises ValidationException if it finds nothing to tune.

    tunables: those of the definition's built-in algorithm; None if it runs a program of the user's.
    """
    if request.get("WarmStartConfig"):
        refuse("Autotune can't be used with WarmStartConfig: leave out one of them.")
    config, searches = request["HyperParameterTuningJobConfig"], searches_of(request)
    found = [_ranges(search, config["Strategy"], tunables(search)) for search in searches]
    jobs = [
        {"RetryStrategy": {"MaximumRetryAttempts": RETRIES}, **search.definition, "StaticHyperParameters": static}
        for search, (_, static) in zip(searches, found, strict=True)
    ]
    ranges = [each for each, _ in found]
    config = {**config, **_choices(config, ranges)}
    if request.get("TrainingJobDefinitions"):
        several = [{**job, "HyperParameterRanges": each} for job, each in zip(jobs, ranges, strict=True)]
        return {**request, "HyperParameterTuningJobConfig": config, "TrainingJobDefinitions": several}
    config["ParameterRanges"] = ranges[0]
    return {**request, "HyperParameterTuningJobConfig": config, "TrainingJobDefinition": jobs[0]}


def range_of(hint: str) -> Range | None:
    """The range around an example value of which nothing else is known; None if it should stay as it is."""
    if hint.lower() in ("true", "false"):
        pair = ("TRUE", "FALSE") if hint.isupper() else ("True", "False") if hint[0].isupper() else ("true", "false")
        return "Categorical", {"Values": [*pair]}
    if _WHOLE.fullmatch(hint):
        whole = int(hint)
        if not 1 <= whole <= _MOST_WHOLE // 4:
            return None
        return "Integer", _bounds(str(max(1, whole // 4)), str(4 * whole), "Logarithmic")
    number = _number(hint)
    if number <= 0 or not math.isfinite(4 * number) or number / 10 == 0:
        return None
    if number < 1:
        return "Continuous", _bounds(render(number / 10), render(min(1.0, 10 * number)), "Logarithmic")
    return "Continuous", _bounds(render(number / 4), render(4 * number), "Auto")


def _ranges(search: Search, strategy: str, tunables: Tunables | None) -> tuple[dict[str, Any], dict[str, str]]:
    """ParameterRanges and StaticHyperParameters of a definition: what is not tuned stays at its example value."""
    given, static = search.ranges, dict(search.static)
    ranges = {**given, **{name: list(given.get(name) or []) for name in _LISTS.values()}}
    room = MOST_RANGES - sum(len(ranges[name]) for name in _LISTS.values())
    _check_names(search)
    for auto in given.get("AutoParameters") or ():
        name, hint = auto["Name"], auto["ValueHint"]
        found = None if name.startswith(OF_THE_SDK) else _of_hyperparameter(name, hint, tunables)
        if found is None or room <= 0 or not _suits(strategy, name, found[0]):
            static[name] = hint
            continue
        ranges[_LISTS[found[0]]].append({"Name": name, **found[1]})
        room -= 1
    if not any(ranges[name] for name in _LISTS.values()):
        refuse(
            "Autotune finds no hyperparameter to tune. Give AutoParameters with a ValueHint that is a positive number, "
            "true or false, or ranges in ParameterRanges."
        )
    return ranges, static


def _check_names(search: Search) -> None:
    names = [auto["Name"] for auto in search.ranges.get("AutoParameters") or ()]
    tuned = {item["Name"] for kind in _LISTS.values() for item in search.ranges.get(kind) or ()}
    for name in names:
        if names.count(name) > 1:
            refuse(f"The hyperparameter {name} is more than once in AutoParameters.")
        if name in search.static:
            refuse(f"The hyperparameter {name} is both in AutoParameters and in StaticHyperParameters.")
        if name in tuned:
            refuse(f"The hyperparameter {name} is in AutoParameters and has a parameter range, too.")


def _of_hyperparameter(name: str, hint: str, tunables: Tunables | None) -> Range | None:
    if tunables is None:
        return range_of(hint)
    tunable = tunables.get(name)
    if tunable is None:
        return None  # the algorithm's, and not to be tuned
    if tunable.values:
        return "Categorical", {"Values": [*tunable.values]}
    if tunable.recommended is not None:
        low, high = tunable.recommended
        if tunable.kind == "Integer":
            return "Integer", _bounds(str(int(low)), str(int(high)), "Auto")
        return "Continuous", _bounds(render(low), render(high), "Auto")
    found = range_of(hint)
    fits = found is not None and found[0] == tunable.kind and all(map(tunable.takes, _ends(found[1])))
    return found if fits else None


def _suits(strategy: str, name: str, kind: str) -> bool:
    """Whether a strategy can search it: Grid takes categories only, Hyperband must know how many epochs there are."""
    if strategy == "Grid":
        return kind == "Categorical"
    return strategy != "Hyperband" or name not in EPOCHS


def _choices(config: Mapping[str, Any], ranges: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is chosen of HyperParameterTuningJobConfig besides ranges."""
    strategy, limits = config["Strategy"], dict(config["ResourceLimits"])
    tuned = sum(len(each[name]) for each in ranges for name in _LISTS.values())
    if strategy != "Grid":  # which has as many as there are combinations
        most = min(MOST_JOBS, max(LEAST_JOBS, JOBS_OF_EACH * tuned))
        limits.setdefault("MaxNumberOfTrainingJobs", max(most, limits["MaxParallelTrainingJobs"]))
    criteria = config.get("TuningJobCompletionCriteria") or {}
    convergence = {"CompleteOnConvergence": "Enabled", **(criteria.get("ConvergenceDetected") or {})}
    may_stop = strategy != "Hyperband" and len(ranges) == 1
    return {
        "ResourceLimits": limits,
        "TrainingJobEarlyStoppingType": config.get("TrainingJobEarlyStoppingType") or ("Auto" if may_stop else "Off"),
        "TuningJobCompletionCriteria": {**criteria, "ConvergenceDetected": convergence},
    }


def _bounds(low: str, high: str, scaling: str) -> dict[str, Any]:
    return {"MinValue": low, "MaxValue": high, "ScalingType": scaling}


def _ends(chosen_range: Mapping[str, Any]) -> Sequence[str]:
    return chosen_range.get("Values") or (chosen_range["MinValue"], chosen_range["MaxValue"])


def _number(text: str) -> float:
    """What a decimal says; 0 if it is none."""
    try:
        return float(text) if re.fullmatch(r"[0-9.eE+-]+", text) else 0.0
    except ValueError:
        return 0.0
