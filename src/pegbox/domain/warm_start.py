"""Warm start: a tuning job that begins with what earlier ones, its parents, have found.

(SageMaker developer guide, "Run a Warm Start Hyperparameter Tuning Job"; API reference,
HyperParameterTuningJobWarmStartConfig.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.definition import refuse
from pegbox.domain.parents import IDENTICAL, Parent, is_identical, of_the_program
from pegbox.domain.range_request import parse_ranges
from pegbox.domain.ranges import Categorical, Continuous, Integer, Parameter, is_integer, is_number, same_value
from pegbox.domain.searches import Search, searches_of
from pegbox.domain.strategy_rules import most_jobs
from pegbox.domain.tuning import TERMINAL

STRATEGIES = ("Bayesian", "Random")
MOST_CHANGES = 10
CHANGE = 2  #: how much a changed hyperparameter counts, at least: the guide's examples

#: the service's own words
_NAMES = (
    "The set of tunable plus static HyperParameter names is not the same across current and parent tuning jobs. "
    "Please ensure this set is constant when warm starting. Note that previously static HyperParameters can be tuned "
    "in warm start jobs and vice versa."
)
_FIELDS = (
    "Only the following fields in TrainingJobDefinition are allowed to change: [outputDataConfig, "
    "staticHyperParameters, roleArn, resourceConfig, stoppingCondition, vpcConfig, enableManagedSpotTraining, "
    f"checkpointConfig]. With WarmStartType {IDENTICAL}"
)


def parent_names(request: Mapping[str, Any]) -> Sequence[str]:
    """The names of the parents; none without WarmStartConfig.

    Raises ValidationException for names that lack or repeat, and for searches that cannot be warm started.
    """
    warm = request.get("WarmStartConfig")
    if not warm:
        return []
    _check_search(request)
    names: list[str] = []
    for parent in warm["ParentHyperParameterTuningJobs"]:
        name = parent.get("HyperParameterTuningJobName")
        if not name:
            refuse("Each of the ParentHyperParameterTuningJobs needs a HyperParameterTuningJobName.")
        if name.lower() in (known.lower() for known in names):
            refuse(f"The parent hyperparameter tuning job [{name}] is named more than once.")
        names.append(name)
    return names


def check(
    document: Mapping[str, Any], algorithm: str, parents: Sequence[Parent], most_changes: int = MOST_CHANGES
) -> None:
    """Raise ValidationException for parents that the tuning job cannot begin with.

    document: the normalised request.  algorithm: what its image means, in the same terms as in `parents`.
    """
    for parent in parents:
        if parent.status not in TERMINAL:
            refuse(
                f"The parent hyperparameter tuning job [{parent.name}] is in status {parent.status}. All parent jobs "
                "must be in a terminal state (Completed, Stopped or Failed) before the new tuning job starts."
            )
    (search,) = searches_of(document)
    for parent in parents:
        before = parent.search
        if len(searches_of(parent.document)) > 1:
            refuse(f"The parent hyperparameter tuning job [{parent.name}] has several training job definitions.")
        _check_objective(search, before, parent.name)
        _check_hyperparameters(search, before, parent.name, most_changes)
        if is_identical(document) and not parent.is_foreign:
            _check_identical(search, algorithm, parent)
    _check_limit(document, parents)


def _check_search(request: Mapping[str, Any]) -> None:
    if request.get("TrainingJobDefinitions"):
        refuse("WarmStartConfig is for a single TrainingJobDefinition: this request has TrainingJobDefinitions.")
    if request.get("Autotune"):
        refuse("WarmStartConfig can't be used together with Autotune: leave one of them out.")
    strategy = request["HyperParameterTuningJobConfig"]["Strategy"]
    if strategy not in STRATEGIES:
        refuse(f"WarmStartConfig needs the strategy Bayesian or Random; this request has {strategy}.")


def _check_objective(search: Search, before: Search, parent: str) -> None:
    if search.objective != before.objective:
        now, then = (f"{each.metric}, {'Maximize' if each.maximize else 'Minimize'}" for each in (search, before))
        refuse(
            "The objective metric of the new tuning job must be the same as that of its parent jobs: "
            f"it is [{now}], and that of the parent [{parent}] is [{then}]."
        )


def _check_hyperparameters(search: Search, before: Search, parent: str, most_changes: int) -> None:
    now, then = _hyperparameters(search), _hyperparameters(before)
    if now.keys() != then.keys():
        added, missing = (", ".join(sorted(some)) for some in (now.keys() - then.keys(), then.keys() - now.keys()))
        facts = [f"[{added}] added"] * bool(added) + [f"[{missing}] left out"] * bool(missing)
        refuse(f"{_NAMES} Compared with the parent [{parent}]: {', '.join(facts)}.")
    for name in now:
        _check_type(name, now[name], then[name], parent)
    changes = {name: count for name in now if (count := _count(now[name], then[name]))}
    if sum(changes.values()) > most_changes:
        listed = ", ".join(f"{name} ({count})" for name, count in changes.items())
        refuse(
            "The number of changes from tunable to static hyperparameters plus the number of changes in the values of "
            f"static hyperparameters cannot be more than {most_changes}. Compared with the parent [{parent}] it is "
            f"{sum(changes.values())}: {listed}."
        )


def _hyperparameters(search: Search) -> dict[str, Parameter | str]:
    """The range, or the static value, of every hyperparameter that is the program's."""
    space = parse_ranges(search.ranges, search.static)
    return {**of_the_program(search.static), **{parameter.name: parameter for parameter in space.parameters}}


def _check_type(name: str, now: Parameter | str, then: Parameter | str, parent: str) -> None:
    for one, other in ((now, then), (then, now)):
        if isinstance(one, str):
            continue
        same = _is_of_type(one, other) if isinstance(other, str) else type(one) is type(other)
        if not same:
            refuse(
                "The type of a hyperparameter must not change between parent jobs and the new tuning job: "
                f"[{name}] is {_told(now)}, and in the parent [{parent}] it is {_told(then)}."
            )


def _is_of_type(parameter: Parameter, value: str) -> bool:
    """Whether a static value could be one of the parameter's, in its range or not."""
    match parameter:
        case Integer():
            return is_integer(value)
        case Continuous():
            return is_number(value)
        case Categorical():
            return True


def _told(hyperparameter: Parameter | str) -> str:
    return f"static [{hyperparameter}]" if isinstance(hyperparameter, str) else type(hyperparameter).__name__


def _count(now: Parameter | str, then: Parameter | str) -> int:
    """What a hyperparameter adds to the changes: every value of a categorical one counts."""
    if not isinstance(now, str):
        return 0
    if isinstance(then, str):
        return 0 if same_value(now, then) else CHANGE
    return max(CHANGE, len(then.values)) if isinstance(then, Categorical) else CHANGE


def _check_identical(search: Search, algorithm: str, parent: Parent) -> None:
    before = parent.search
    if algorithm != parent.algorithm:
        image = before.definition["AlgorithmSpecification"]["TrainingImage"]
        refuse(f"{_FIELDS} the TrainingImage must be that of the parent [{parent.name}]: [{image}].")
    now, then = (_inputs(each.definition) for each in (search, before))
    for name in sorted(now.keys() | then.keys()):
        if now.get(name) != then.get(name):
            refuse(f"{_FIELDS} the input data must be that of the parent [{parent.name}]: the channel [{name}] is not.")


def _inputs(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The channels by name; how their data gets to the program is left out."""
    return {
        channel["ChannelName"]: {key: value for key, value in channel.items() if key != "InputMode"}
        for channel in definition.get("InputDataConfig") or ()
    }


def _check_limit(document: Mapping[str, Any], parents: Sequence[Parent]) -> None:
    config = document["HyperParameterTuningJobConfig"]
    ceiling, most = most_jobs(config["Strategy"]), config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    parents = [parent for parent in parents if not parent.is_foreign]  # nothing was launched for them
    if most + sum(parent.launched for parent in parents) > ceiling:
        listed = ", ".join(f"{parent.name} ({parent.launched})" for parent in parents)
        refuse(
            f"MaxNumberOfTrainingJobs [{most}] together with the training jobs of the parents is above the limit "
            f"[{ceiling}] for the {config['Strategy']} strategy. The training jobs launched by every parent job count "
            f"against it: {listed}."
        )
