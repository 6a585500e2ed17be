"""Training jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import structlog

from pegbox.algorithms.base import Algorithm
from pegbox.algorithms.registry import program_of
from pegbox.domain import training, training_request
from pegbox.domain.made_of_job import component_name
from pegbox.domain.metrics import check_count
from pegbox.domain.training import StopReason, TrainingJob
from pegbox.errors import ResourceInUse, ResourceNotFound, ValidationException
from pegbox.operations import audit, automatic, locations, tags, training_view
from pegbox.operations.call import Call
from pegbox.operations.paging import listing, page
from pegbox.operations.placing import place, prepare
from pegbox.store.base import AlreadyExists, NotFound, Transaction, changing
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateTrainingJobRequestTypeDef,
        DeleteTrainingJobRequestTypeDef,
        DescribeTrainingJobRequestTypeDef,
        ListTrainingJobsRequestTypeDef,
        StopTrainingJobRequestTypeDef,
    )
log = structlog.get_logger()

_SORT = {"Name": "name", "CreationTime": "created_at", "Status": "status"}


@operation
def create_training_job(request: CreateTrainingJobRequestTypeDef, call: Call) -> dict[str, str]:
    """Start a training job."""
    document = cast(dict[str, Any], request)
    training_request.check(document)
    locations.check(document)
    labels = tags.checked(document)
    now = call.clock()
    job = training.created(now)
    normal = training_request.normalise(document, metric_definitions(document, call))
    row = Resource(
        account=call.account,
        region=call.region,
        kind=Kind.TRAINING_JOB,
        name=request["TrainingJobName"],
        status=job.status,
        created_at=now,
        modified_at=now,
        document={**normal, "Tags": labels},
        state=job.dump(),
        due_at=0.0,
    )
    config = cast(dict[str, Any], request.get("ExperimentConfig") or {})
    prepare(config, call)
    try:
        with call.store.transaction() as tx:
            row = tx.insert(row)
            tx.deleted.succeed([row])
            if config:
                place(tx, row, config, call)
    except AlreadyExists as error:
        raise ResourceInUse(
            "Training job names must be unique within an AWS account and region, and a training job with this name "
            f"already exists ({replace(row, name=error.existing).arn})"
        ) from None
    log.info("training job created", job=row.name)
    call.poke([row.id])
    return {"TrainingJobArn": row.arn}


@operation
def describe_training_job(request: DescribeTrainingJobRequestTypeDef, call: Call) -> dict[str, Any]:
    """Everything about a training job."""
    try:
        with call.store.reading() as tx:
            row = tx.get(call.account, call.region, Kind.TRAINING_JOB, request["TrainingJobName"])
    except NotFound:
        # The model declares ResourceNotFound; the service and the waiters of its clients know this one.
        raise ValidationException("Requested resource not found.") from None
    return training_view.description(row)


@operation
def list_training_jobs(request: ListTrainingJobsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Training jobs, newest first unless asked otherwise."""
    query = listing(
        request,
        Kind.TRAINING_JOB,
        call,
        sort_by=_SORT[request.get("SortBy") or "CreationTime"],
        descending=_descending(cast(dict[str, Any], request)),
    )
    if request.get("WarmPoolStatusEquals") or request.get("TrainingPlanArnEquals"):
        return {"TrainingJobSummaries": []}  # no job here has a warm pool or a training plan
    with call.store.reading() as tx:
        found, token = page(request, query, tx)
    return {"TrainingJobSummaries": [training_view.summary(row) for row in found.resources], **token}


@operation
def stop_training_job(request: StopTrainingJobRequestTypeDef, call: Call) -> None:
    """Ask a training job to stop: TERM, 120 seconds, KILL; what it saved is kept."""
    name = request["TrainingJobName"]

    def stop(tx: Transaction) -> int:
        row = _get(tx, name, call)
        job = TrainingJob.parse(row.state)
        if job.status != "InProgress":
            raise ValidationException(
                f"The request was rejected because the training job is in status {job.status}. "
                "Only a job that is InProgress can be stopped."
            )
        job = training.ask_to_stop(job, StopReason.USER, call.clock())
        tx.save(replace(row, status=job.status, state=job.dump(), modified_at=call.clock()))
        tx.mark_due([row.id])
        return row.id

    stopped = changing(call.store, stop)
    log.info("training job asked to stop", job=name)
    call.poke([stopped])


@operation
def delete_training_job(request: DeleteTrainingJobRequestTypeDef, call: Call) -> None:
    """Forget a training job that has ended; what it made stays, with its logs and its trial component."""
    name = request["TrainingJobName"]

    def delete(tx: Transaction) -> None:
        row = _get(tx, name, call)
        if row.status not in training.TERMINAL:
            raise ResourceInUse(
                f"The request was rejected because the training job is in status {row.status}. "
                "Only a job that is Completed, Failed or Stopped can be deleted."
            )
        audit.remember(tx, row)
        tx.deleted.retire(row)

    automatic.follow_component(component_name(name), call)
    changing(call.store, delete)
    log.info("training job deleted", job=name)


def built_in(document: dict[str, Any], call: Call) -> Algorithm | None:
    """The built-in algorithm that a job runs, unless somebody has registered the image's name for something else."""
    image = document["AlgorithmSpecification"]["TrainingImage"]
    hyperparameters = document.get("HyperParameters") or document.get("StaticHyperParameters") or {}
    meaning = program_of(image, hyperparameters)
    return meaning if isinstance(meaning, Algorithm) and call.find_image(image) is None else None


def metric_definitions(document: dict[str, Any], call: Call) -> list[dict[str, str]]:
    """The metrics of a job: the request's own, and those that a built-in brings along.

    Raises ValidationException if the request has too many.
    """
    own = list(document["AlgorithmSpecification"].get("MetricDefinitions") or [])
    algorithm = built_in(document, call)
    added = [] if algorithm is None else algorithm.metric_definitions()
    check_count(own, added)
    names = {item["Name"] for item in own}
    return own + [item for item in added if item["Name"] not in names]


def _get(tx: Transaction, name: str, call: Call) -> Resource:
    try:
        return tx.get(call.account, call.region, Kind.TRAINING_JOB, name)
    except NotFound:
        raise ResourceNotFound(f"The training job [{name}] does not exist.") from None


def _descending(request: dict[str, Any]) -> bool:
    # The reference says Ascending, and also that the newest come first: without any wish, the latter.
    if "SortOrder" not in request:
        return "SortBy" not in request
    return bool(request["SortOrder"] == "Descending")
