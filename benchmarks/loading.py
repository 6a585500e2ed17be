"""Training jobs that ended elsewhere, as DescribeTrainingJob tells them with `Tags`, as rows of this database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.domain.training import Outcome, Phase, TrainingJob
from pegbox.errors import ValidationException
from pegbox.store.base import Kind, Resource

#: of a record what is in the row's columns or computed from its state; everything else is its document
_COMPUTED = frozenset(
    (
        "TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", "SecondaryStatusTransitions",
        "CreationTime", "LastModifiedTime", "TrainingStartTime", "TrainingEndTime", "TrainingTimeInSeconds",
        "BillableTimeInSeconds", "FinalMetricDataList", "FailureReason",
    )
)  # fmt: skip
_OUTCOMES = {"Completed": Outcome.COMPLETED, "Stopped": Outcome.STOPPED, "Failed": Outcome.NON_RETRYABLE}


def row_of(record: Mapping[str, Any], account: str, region: str) -> Resource:
    """The row of a training job that has ended; times are epoch seconds.  Raises ValidationException."""
    status, name = record["TrainingJobStatus"], record["TrainingJobName"]
    if status not in _OUTCOMES:
        raise ValidationException(
            f"The training job [{name}] is in status {status}: only one that has ended can be loaded."
        )
    created = record["CreationTime"]
    modified = record.get("LastModifiedTime", created)
    finals = record.get("FinalMetricDataList") or ()
    job = TrainingJob(
        status=status,
        secondary=record.get("SecondaryStatus") or status,
        phase=Phase.ENDED,
        transitions=tuple(record.get("SecondaryStatusTransitions") or ()),
        latest={each["MetricName"]: (each["Value"], each.get("Timestamp", modified)) for each in finals},
        started=record.get("TrainingStartTime"),
        ended=record.get("TrainingEndTime"),
        finished=record.get("TrainingEndTime", modified),
        failure=record.get("FailureReason"),
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
        ended_at=record.get("TrainingEndTime", modified),
        document={key: value for key, value in record.items() if key not in _COMPUTED} | _defined(record),
        state=job.dump(),
    )


def _defined(record: Mapping[str, Any]) -> dict[str, Any]:
    """Its algorithm, with a definition of every metric that it has a value of: what is not defined is not told."""
    algorithm = dict(record["AlgorithmSpecification"])
    definitions = list(algorithm.get("MetricDefinitions") or [])
    known = {each["Name"] for each in definitions}
    for each in record.get("FinalMetricDataList") or ():
        if each["MetricName"] not in known:
            definitions.append({"Name": each["MetricName"], "Regex": "(?!)"})
    return {"AlgorithmSpecification": {**algorithm, "MetricDefinitions": definitions}}
