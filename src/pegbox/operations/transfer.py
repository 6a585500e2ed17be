"""Training jobs that ended elsewhere as rows of this database, and rows as what they are elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pegbox.domain.properties import Property
from pegbox.domain.training import Outcome, Phase, TrainingJob
from pegbox.errors import ValidationException
from pegbox.operations.catalogs import searched
from pegbox.operations.tags import checked
from pegbox.operations.training_view import description
from pegbox.store.base import Kind, Resource
from pegbox.wire import transfer

#: of a record what is in the row's columns or computed from its state; everything else is its document
_COMPUTED = frozenset(
    (
        "TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", "SecondaryStatusTransitions",
        "CreationTime", "LastModifiedTime", "TrainingStartTime", "TrainingEndTime", "TrainingTimeInSeconds",
        "BillableTimeInSeconds", "FinalMetricDataList", "FailureReason",
    )
)  # fmt: skip
_OUTCOMES = {"Completed": Outcome.COMPLETED, "Stopped": Outcome.STOPPED, "Failed": Outcome.NON_RETRYABLE}
_NEVER = "(?!)"  #: the expression of a metric that is read from no log


def row_of(record: Any, account: str, region: str) -> Resource:
    """The row of a training job that has ended, of what DescribeTrainingJob tells with `Tags`.

    Raises ValidationException.
    """
    told = transfer.read(record)
    status, name = told["TrainingJobStatus"], told["TrainingJobName"]
    if status not in _OUTCOMES:
        raise ValidationException(
            f"The training job [{name}] is in status {status}: only one that has ended can be loaded."
        )
    checked(told)
    created = told["CreationTime"]
    modified = told.get("LastModifiedTime", created)
    ended = told.get("TrainingEndTime", modified)
    job = TrainingJob(
        status=status,
        secondary=told.get("SecondaryStatus") or status,
        phase=Phase.ENDED,
        transitions=tuple(told.get("SecondaryStatusTransitions") or ()),
        latest={
            each["MetricName"]: (each["Value"], each.get("Timestamp", modified))
            for each in told.get("FinalMetricDataList") or ()
        },
        started=told.get("TrainingStartTime"),
        ended=told.get("TrainingEndTime"),
        finished=ended,
        failure=told.get("FailureReason"),
        outcome=_OUTCOMES[status],
    )
    return Resource(
        account=account,
        region=region,
        kind=Kind.TRAINING_JOB,
        name=name,
        status=status,
        outcome=job.outcome,
        created_at=created,
        modified_at=modified,
        ended_at=ended,
        document={key: value for key, value in told.items() if key not in _COMPUTED} | _defined(told),
        state=job.dump(),
    )


def record_of(row: Resource) -> dict[str, Any]:
    """What `row_of` takes, elsewhere."""
    return transfer.write(description(row))


def properties_of(row: Resource) -> Collection[Property]:
    """What Search finds a training job by."""
    return list(searched("TrainingJob").catalog.properties(description(row)))


def _defined(record: Mapping[str, Any]) -> dict[str, Any]:
    """Its algorithm, with a definition of every metric that it has a value of: what is not defined is not told."""
    algorithm = dict(record["AlgorithmSpecification"])
    definitions = list(algorithm.get("MetricDefinitions") or [])
    known = {each["Name"] for each in definitions}
    for each in record.get("FinalMetricDataList") or ():
        if each["MetricName"] not in known:
            definitions.append({"Name": each["MetricName"], "Regex": _NEVER})
    return {"AlgorithmSpecification": {**algorithm, "MetricDefinitions": definitions}}
