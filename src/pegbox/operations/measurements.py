"""Metrics that are put to trial components, and curves of metrics.  (API reference, SageMaker Metrics.)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from pegbox.domain import curves
from pegbox.domain.curves import Value
from pegbox.errors import ValidationException
from pegbox.naming import name_of
from pegbox.operations import automatic
from pegbox.operations.call import Call
from pegbox.store.base import NotFound, Transaction
from pegbox.store.resources import Kind
from pegbox.store.tracking import finite
from pegbox.wire.registry import operation_of

DAY = 86400.0
OLDEST, NEWEST = 14 * DAY, 7200.0  #: seconds before and after now that a value may be of
MOST_METRICS = 1000  #: of a trial component
MOST_PLACES = 10_000  #: of a curve


@operation_of("sagemaker-metrics")
def batch_put_metrics(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Add values of metrics to a trial component."""
    name = request["TrialComponentName"]
    automatic.follow_component(name, call)
    now = call.clock()
    errors: dict[int, str] = {}
    values: dict[str, list[Value]] = {}
    for index, each in enumerate(request["MetricData"]):
        at = float(each["Timestamp"])
        if now - OLDEST <= at <= now + NEWEST:
            values.setdefault(each["MetricName"], []).append(Value(each.get("Step"), at, float(each["Value"])))
        else:
            errors[index] = "VALIDATION_ERROR"
    try:
        with call.store.transaction() as tx:
            refused = tx.tracking.put(call.account, call.region, name, values, MOST_METRICS)
    except NotFound:
        raise ValidationException(f"Trial component '{name}' does not exist.") from None
    for index, each in enumerate(request["MetricData"]) if refused else ():
        if each["MetricName"] in refused:
            errors.setdefault(index, "METRIC_LIMIT_EXCEEDED")
    told = [{"Code": errors[index], "MetricIndex": index} for index in sorted(errors)]
    return {"Errors": told} if told else {}


@operation_of("sagemaker-metrics")
def batch_get_metrics(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Curves of metrics of training jobs and trial components."""
    for resource in {query["ResourceArn"] for query in request["MetricQueries"]}:
        if call.owns(Kind.TRIAL_COMPONENT, resource):
            automatic.follow_component(name_of(resource), call)
    with call.store.reading() as tx:
        return {"MetricQueryResults": [_result(query, tx, call) for query in request["MetricQueries"]]}


def _result(query: Mapping[str, Any], tx: Transaction, call: Call) -> dict[str, Any]:
    try:
        curve = _curve(query, tx, call)
    except ValidationException as error:
        return {"Status": "ValidationError", "Message": error.message, "XAxisValues": [], "MetricValues": []}
    return {
        "Status": "Complete" if curve.is_whole else "Truncated",
        "Message": None if curve.is_whole else f"There are more than {MOST_PLACES} values: these are the first.",
        "XAxisValues": curve.places,
        "MetricValues": [finite(value) for value in curve.values],
    }


def _curve(query: Mapping[str, Any], tx: Transaction, call: Call) -> curves.Curve:
    measured = _measured(query["ResourceArn"], query["MetricName"], tx, call)
    bounds = query.get("Start"), query.get("End")
    by_step, steps = query["XAxisType"] == "IterationNumber", query["Period"] == "IterationNumber"
    if by_step != steps:
        raise ValidationException(
            f"The period {query['Period']} can't be used with the x-axis {query['XAxisType']}: "
            "steps go with IterationNumber, times with OneMinute, FiveMinute and OneHour."
        )
    if by_step:
        return curves.by_step(measured, query["MetricStat"], *bounds, MOST_PLACES)
    return curves.by_time(measured, query["MetricStat"], query["Period"], *bounds, MOST_PLACES)


def _measured(resource: str, metric: str, tx: Transaction, call: Call) -> Iterable[Value]:
    """Of a training job what it emitted; of a trial component that, and what was put to it."""
    for kind in (Kind.TRAINING_JOB, Kind.TRIAL_COMPONENT):
        if call.owns(kind, resource):
            try:
                row = tx.get(call.account, call.region, kind, name_of(resource))
            except NotFound:
                break
            job = row.id if kind is Kind.TRAINING_JOB else row.parent_id
            emitted = () if job is None else tx.tracking.curve(job, metric)
            return chain(emitted, tx.tracking.values(row.id, metric))
    raise ValidationException(f"There is no training job or trial component with the ARN [{resource}].")
