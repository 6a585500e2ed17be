"""Hyperparameter tuning jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, cast

import structlog

from pegbox.algorithms.base import Kind as RangeKind
from pegbox.domain import autotune, tuning, tuning_request
from pegbox.domain.ranges import Categorical, Integer, Space
from pegbox.domain.searches import Search, naming, searches_of
from pegbox.domain.tuning import TuningJob
from pegbox.errors import ResourceInUse, ResourceLimitExceeded, ResourceNotFound, ValidationException
from pegbox.operations import locations, tags, training_view, tuning_view
from pegbox.operations.call import Call
from pegbox.operations.paging import listing, page
from pegbox.operations.parents import parents_record
from pegbox.operations.training_jobs import built_in, metric_definitions
from pegbox.store.base import AlreadyExists, NotFound, Transaction, changing
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateHyperParameterTuningJobRequestTypeDef,
        DeleteHyperParameterTuningJobRequestTypeDef,
        DescribeHyperParameterTuningJobRequestTypeDef,
        ListHyperParameterTuningJobsRequestTypeDef,
        ListTrainingJobsForHyperParameterTuningJobRequestTypeDef,
        StopHyperParameterTuningJobRequestTypeDef,
    )

log = structlog.get_logger()

_DAY = 24 * 3600
_SORT = {
    "Name": "name",
    "CreationTime": "created_at",
    "Status": "status",
    "FinalObjectiveMetricValue": "objective",
}


@operation
def create_hyper_parameter_tuning_job(
    request: CreateHyperParameterTuningJobRequestTypeDef, call: Call
) -> dict[str, str]:
    """Start a search for the best training job."""
    document = tuning_request.as_written(_autotuned(cast(dict[str, Any], request), call))
    spaces = tuning_request.check(document)
    labels = tags.checked(document)
    metrics = _all_checked(searches_of(document), spaces, call)
    normal = tuning_request.normalise(document, metrics)
    row = _row(document | {"Tags": labels}, {**normal, **parents_record(normal, call)}, call)
    try:
        with call.store.transaction() as tx:
            row = tx.insert(row)  # a name that is taken is told first
            _check_quota(tx, document, call)
    except AlreadyExists as error:
        raise ResourceInUse(
            "Hyperparameter tuning job names must be unique within an AWS account and region, and a hyperparameter "
            "tuning job with this name already exists "
            f"({replace(row, name=error.existing).arn})"
        ) from None
    log.info("tuning job created", job=row.name, tuning_job=row.name)
    call.poke([row.id])
    return {"HyperParameterTuningJobArn": row.arn}


@operation
def describe_hyper_parameter_tuning_job(
    request: DescribeHyperParameterTuningJobRequestTypeDef, call: Call
) -> dict[str, Any]:
    """Everything about a tuning job, with the best training job so far."""
    with call.store.reading() as tx:
        row = _get(tx, request["HyperParameterTuningJobName"], call)
        return tuning_view.description(row, tx, call.clock())


@operation
def list_hyper_parameter_tuning_jobs(request: ListHyperParameterTuningJobsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Tuning jobs, by name unless asked otherwise."""
    query = listing(
        request,
        Kind.TUNING_JOB,
        call,
        sort_by=_SORT[request.get("SortBy") or "Name"],
        descending=request.get("SortOrder") == "Descending",
    )
    with call.store.reading() as tx:  # one moment: the counters are those of the statuses
        found, token = page(request, query, tx)
        tallies = tx.tally([row.id for row in found.resources])
    summaries = [tuning_view.summary(row, tallies) for row in found.resources]
    return {"HyperParameterTuningJobSummaries": summaries, **token}


@operation
def stop_hyper_parameter_tuning_job(request: StopHyperParameterTuningJobRequestTypeDef, call: Call) -> None:
    """Stop a tuning job and all its running training jobs; results are kept."""

    def stop(tx: Transaction) -> int:
        row = _get(tx, request["HyperParameterTuningJobName"], call)
        if row.status in tuning.TERMINAL:
            raise ValidationException(
                f"The request was rejected because the hyperparameter tuning job is in status {row.status}. "
                "Only a job that is InProgress can be stopped."
            )
        if row.status == "InProgress":
            tx.save(replace(row, status="Stopping", modified_at=call.clock()))
            tx.mark_due([row.id])
        return row.id

    stopped = changing(call.store, stop)
    name = request["HyperParameterTuningJobName"]
    log.info("tuning job asked to stop", job=name, tuning_job=name)
    call.poke([stopped])


@operation
def delete_hyper_parameter_tuning_job(request: DeleteHyperParameterTuningJobRequestTypeDef, call: Call) -> None:
    """Forget a tuning job that has ended; its training jobs and what they made stay."""
    name = request["HyperParameterTuningJobName"]

    def delete(tx: Transaction) -> bool:
        try:
            row = tx.get(call.account, call.region, Kind.TUNING_JOB, name)
        except NotFound:
            return False  # the model declares no error
        if row.status not in tuning.TERMINAL:
            raise ValidationException(
                f"The request was rejected because the hyperparameter tuning job is in status {row.status}. "
                "Only a job that is Completed, Failed or Stopped can be deleted."
            )
        tx.delete(row.id)
        return True

    if changing(call.store, delete):
        log.info("tuning job deleted", job=name, tuning_job=name)


@operation
def list_training_jobs_for_hyper_parameter_tuning_job(
    request: ListTrainingJobsForHyperParameterTuningJobRequestTypeDef, call: Call
) -> dict[str, Any]:
    """The training jobs of a tuning job; sorted by objective, only those that have a final value."""
    with call.store.reading() as tx:
        parent = _get(tx, request["HyperParameterTuningJobName"], call)
        query = listing(
            request,
            Kind.TRAINING_JOB,
            call,
            parent_id=parent.id,
            sort_by=_SORT[request.get("SortBy") or "Name"],
            descending=request.get("SortOrder") == "Descending",
        )
        found, token = page(request, query, tx)
    goal = tuning_view.goal_of(parent)
    summaries = [training_view.tuning_summary(row, parent.name, goal) for row in found.resources]
    return {"TrainingJobSummaries": summaries, **token}


def _row(request: dict[str, Any], document: dict[str, Any], call: Call) -> Resource:
    config, now = document["HyperParameterTuningJobConfig"], call.clock()
    limits, seed = config["ResourceLimits"], config.get("RandomSeed")
    most_seconds = call.most_tuning_days * _DAY
    job = TuningJob(
        most=limits["MaxNumberOfTrainingJobs"],
        at_once=limits["MaxParallelTrainingJobs"],
        seconds=min(limits.get("MaxRuntimeInSeconds", most_seconds), most_seconds),
        created=now,
        seed=call.seed() if seed is None else seed,
        asks_model=call.hyperband_model and config["Strategy"] == "Hyperband",
    )
    return Resource(
        account=call.account,
        region=call.region,
        kind=Kind.TUNING_JOB,
        name=request["HyperParameterTuningJobName"],
        status=job.status,
        created_at=now,
        modified_at=now,
        document={**document, "Tags": request["Tags"]},
        state=job.dump(),
        due_at=0.0,
    )


def _autotuned(request: dict[str, Any], call: Call) -> dict[str, Any]:
    """The request, with what Autotune chooses if it is on."""
    if not request.get("Autotune"):
        return request
    tuning_request.check_forms(request)
    return autotune.chosen(request, lambda search: _tunables(search, call))


def _tunables(search: Search, call: Call) -> autotune.Tunables | None:
    """What the built-in of a definition lets be tuned; None if it runs something else."""
    job = dict(search.definition)
    if not job["AlgorithmSpecification"].get("TrainingImage"):
        return None  # refused later
    hints = {auto["Name"]: auto["ValueHint"] for auto in search.ranges.get("AutoParameters") or ()}
    algorithm = built_in({**job, "StaticHyperParameters": {**search.static, **hints}}, call)
    return None if algorithm is None else algorithm.tunables


def _all_checked(searches: Sequence[Search], spaces: Sequence[Space], call: Call) -> list[list[dict[str, str]]]:
    metrics = []
    for search, space in zip(searches, spaces, strict=True):
        with naming(search, searches):
            metrics.append(_checked(search, space, call))
    return metrics


def _checked(search: Search, space: Space, call: Call) -> list[dict[str, str]]:
    """The metric definitions of a definition whose places, algorithm and objective are possible."""
    job = dict(search.definition)
    locations.check(job)
    metrics = metric_definitions(job, call)
    _check_built_in(search, space, call)
    tuning_request.check_objective(search, metrics)
    return metrics


def _check_built_in(search: Search, space: Space, call: Call) -> None:
    """A built-in is known: what it cannot tune or does not emit is refused before any job runs."""
    job = dict(search.definition)
    algorithm = built_in(job, call)
    if algorithm is None:
        return
    own = {item["Name"] for item in job["AlgorithmSpecification"].get("MetricDefinitions") or []}
    algorithm.check_objective(search.metric, own)
    algorithm.check_channels([channel["ChannelName"] for channel in job.get("InputDataConfig") or []])
    for parameter in space.parameters:
        if isinstance(parameter, Categorical):
            algorithm.check_tunable(parameter.name, "Categorical", parameter.values)
        else:
            kind: RangeKind = "Integer" if isinstance(parameter, Integer) else "Continuous"
            algorithm.check_tunable(parameter.name, kind, [str(parameter.low), str(parameter.high)])


def _check_quota(tx: Transaction, document: dict[str, Any], call: Call) -> None:
    """Of all tuning jobs, this one included."""
    at_once = document["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"]
    if at_once > call.most_at_once:
        raise ResourceLimitExceeded(
            "Number of parallel training jobs per hyperparameter tuning job",
            "Training jobs",
            limit=call.most_at_once,
            used=0,
            wanted=at_once,
            setting="parallel_training_jobs",
        )
    live = tx.live(call.account, call.region, Kind.TUNING_JOB)
    if live > call.most_tuning_jobs:
        raise ResourceLimitExceeded(
            "Number of parallel hyperparameter tuning jobs",
            "Tuning jobs",
            limit=call.most_tuning_jobs,
            used=live - 1,
            wanted=1,
            setting="tuning_jobs",
        )


def _get(tx: Transaction, name: str, call: Call) -> Resource:
    try:
        return tx.get(call.account, call.region, Kind.TUNING_JOB, name)
    except NotFound:
        _missing(name)


def _missing(name: str) -> NoReturn:
    raise ResourceNotFound(
        f"Amazon SageMaker can't find a tuning job with the name {name}. Make sure that the name is correct."
    )
