"""Metric definitions and what they yield.  (SageMaker developer guide, "Define Metrics".)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox import regex
from pegbox.errors import ValidationException

MOST_DEFINITIONS = 40
OBJECTIVE_ALIAS = "ObjectiveMetric"  #: the name under which the service repeats the objective's definition
OBJECTIVE_PARAMETER = "_tuning_objective_metric"  #: the hyperparameter that tells a job its objective


def check_definitions(definitions: Sequence[Mapping[str, str]]) -> None:
    """Raise ValidationException for too many definitions or an expression that cannot yield a number."""
    if len(definitions) > MOST_DEFINITIONS:
        raise ValidationException(
            f"A job can have at most {MOST_DEFINITIONS} metric definitions; the request has {len(definitions)}."
        )
    for definition in definitions:
        try:
            regex.check(definition["Regex"])
        except regex.InvalidExpression as error:
            raise ValidationException(
                f"The regular expression [{definition['Regex']}] of metric [{definition['Name']}] "
                f"isn't usable: {error}."
            ) from None


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
