"""Jobs that ended elsewhere as rows of this database, and rows as what they are elsewhere."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from pegbox.domain.parents import imported
from pegbox.domain.properties import Property
from pegbox.domain.searches import DEFINITION_NAME, searches_of
from pegbox.domain.training import Outcome, Phase, TrainingJob
from pegbox.domain.tuning import TERMINAL, TuningJob
from pegbox.domain.tuning_request import check_forms
from pegbox.errors import ValidationException
from pegbox.operations.catalogs import searched
from pegbox.operations.tags import checked
from pegbox.operations.training_view import description
from pegbox.store.resources import Kind, Resource
from pegbox.wire import transfer

#: of a record what is in the row's columns or computed from its state; everything else is its document
_COMPUTED = frozenset(
    (
        "TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", "SecondaryStatusTransitions",
        "CreationTime", "LastModifiedTime", "TrainingStartTime", "TrainingEndTime", "TrainingTimeInSeconds",
        "BillableTimeInSeconds", "FinalMetricDataList", "FailureReason",
    )
)  # fmt: skip
#: the same of a tuning job
_COMPUTED_OF_TUNING = frozenset(
    (
        "HyperParameterTuningJobArn", "HyperParameterTuningJobStatus", "CreationTime", "LastModifiedTime",
        "HyperParameterTuningEndTime", "TrainingJobStatusCounters", "ObjectiveStatusCounters", "BestTrainingJob",
        "OverallBestTrainingJob", "FailureReason", "TuningJobCompletionDetails", "ConsumedResources",
    )
)  # fmt: skip
#: what ListTrainingJobsForHyperParameterTuningJob tells of a training job, and DescribeTrainingJob does not
OF_THE_SUMMARY = ("TunedHyperParameters", "TrainingJobDefinitionName", "FinalHyperParameterTuningJobObjectiveMetric")
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


def tuning_row_of(record: Mapping[str, Any], account: str, region: str, origin: str | None = None) -> Resource:
    """The row of a tuning job that has ended, of what DescribeHyperParameterTuningJob tells with `Tags`.

    `origin`: what it was, if no tuning job.  Raises ValidationException.
    """
    told = transfer.read_tuning(record)
    status, name = told["HyperParameterTuningJobStatus"], told["HyperParameterTuningJobName"]
    if status not in TERMINAL:
        raise ValidationException(f"The tuning job [{name}] is in status {status}: it has not ended.")
    checked(told)
    check_forms(told)
    created = told["CreationTime"]
    ended = told.get("HyperParameterTuningEndTime") or told.get("LastModifiedTime", created)
    config, reason = told["HyperParameterTuningJobConfig"], told.get("FailureReason")
    limits = config["ResourceLimits"]
    job = TuningJob(
        status=status,
        most=limits.get("MaxNumberOfTrainingJobs", 1),
        at_once=limits["MaxParallelTrainingJobs"],
        seconds=None,
        created=created,
        seed=config.get("RandomSeed", 0),
        failure=reason if status == "Failed" else None,
        ending=reason if status == "Completed" else None,
        converged=(told.get("TuningJobCompletionDetails") or {}).get("ConvergenceDetectedTime"),
    )
    document = {key: value for key, value in told.items() if key not in _COMPUTED_OF_TUNING}
    return Resource(
        account=account,
        region=region,
        kind=Kind.TUNING_JOB,
        name=name,
        status=status,
        created_at=created,
        modified_at=max(told.get("LastModifiedTime", ended), ended),
        ended_at=ended,
        document={**document, **imported(origin)},
        state=job.dump(),
    )


def child_row_of(record: Mapping[str, Any], parent: Resource) -> Resource:
    """The row of a training job of a tuning job, of what DescribeTrainingJob and `OF_THE_SUMMARY` tell.

    `parent_id` and `number` are left to who knows them.  Raises ValidationException.
    """
    own_record = {name: value for name, value in record.items() if name not in OF_THE_SUMMARY}
    row = row_of(own_record, parent.account, parent.region)
    job = TrainingJob.parse(row.state)
    definition = record.get("TrainingJobDefinitionName") or DEFINITION_NAME
    searches = searches_of(parent.document)
    metric = next((each for each in searches if each.name == definition), searches[0]).metric
    final = record.get("FinalHyperParameterTuningJobObjectiveMetric")
    latest = dict(job.latest or {})
    if final and metric not in latest:
        latest[metric] = (final["Value"], job.finished or row.modified_at)
    job = replace(
        job, tuned=record.get("TunedHyperParameters") or {}, objective=metric, definition=definition, latest=latest
    )
    value = job.objective_value()
    return replace(
        row,
        objective=value if value is not None and math.isfinite(value) else None,
        document={**row.document, "TuningJobArn": parent.arn},
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
