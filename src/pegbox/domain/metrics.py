"""Metric definitions and what they yield.  (SageMaker developer guide, "Define Metrics".)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox import regex
from pegbox.errors import ValidationException

MOST_DEFINITIONS = 40
OBJECTIVE_ALIAS = "ObjectiveMetric"  #: the name under which the service repeats the objective's definition
OBJECTIVE_PARAMETER = "_tuning_objective_metric"  #: the hyperparameter that tells a job its objective


def check_expressions(definitions: Sequence[Mapping[str, str]]) -> None:
    """Raise ValidationException for an expression that cannot yield a number."""
    for definition in definitions:
        try:
            regex.check(definition["Regex"])
        except regex.InvalidExpression as error:
            raise ValidationException(
                f"The regular expression [{definition['Regex']}] of metric [{definition['Name']}] "
                f"isn't usable: {error}."
            ) from None


def check_count(definitions: Sequence[Mapping[str, str]], built_in: Sequence[Mapping[str, str]]) -> None:
    """Raise ValidationException for too many; what Describe adds does not count: a built-in's own, and the alias."""
    count = sum(not _is_repeated(item, definitions) and item not in built_in for item in definitions)
    if count > MOST_DEFINITIONS:
        raise ValidationException(
            f"The request has {count} metric definitions: their number must be less than or equal to "
            f"{MOST_DEFINITIONS}."
        )


def without_alias(definitions: Sequence[Mapping[str, str]], objective: str) -> list[Mapping[str, str]]:
    """The definitions without what Describe adds: the objective's once more under its other name."""
    own = [item for item in definitions if item["Name"] != OBJECTIVE_ALIAS]
    added = {"Name": OBJECTIVE_ALIAS, "Regex": expression_of(own, objective)}
    return [item for item in definitions if item != added]


def _is_repeated(definition: Mapping[str, str], definitions: Sequence[Mapping[str, str]]) -> bool:
    """Whether it is a tuning job's objective under its other name, as Describe of a training job has it."""
    others = (item["Regex"] for item in definitions if item["Name"] != OBJECTIVE_ALIAS)
    return definition["Name"] == OBJECTIVE_ALIAS and definition["Regex"] in others


def expression_of(definitions: Sequence[Mapping[str, str]], name: str) -> str | None:
    """The expression of the first definition of that name."""
    return next((item["Regex"] for item in definitions if item["Name"] == name), None)


def final_values(
    definitions: Sequence[Mapping[str, str]], latest: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """FinalMetricDataList: the last value of every metric, in the order of the definitions.

    `latest` maps a metric's name to (value, epoch seconds).
    """
    names = dict.fromkeys(item["Name"] for item in definitions)
    return [
        {"MetricName": name, "Value": latest[name][0], "Timestamp": latest[name][1]} for name in names if name in latest
    ]
