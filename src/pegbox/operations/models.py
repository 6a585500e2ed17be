"""Models: an image and where the data of a trained model lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import structlog

from pegbox.domain import model_request
from pegbox.errors import ServiceUnavailable, ValidationException
from pegbox.objects.base import Refused, Unreachable
from pegbox.objects.locations import parse
from pegbox.operations import hosting, model_view, tags, tracing
from pegbox.operations.call import Call
from pegbox.store.resources import Kind
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateModelInputTypeDef,
        DeleteModelInputTypeDef,
        DescribeModelInputTypeDef,
        ListModelsInputTypeDef,
    )

log = structlog.get_logger()


@operation
def create_model(request: CreateModelInputTypeDef, call: Call) -> dict[str, str]:
    """Name an image together with the data of a model that is there."""
    document = cast(dict[str, Any], request)
    model_request.check(document)
    labels = tags.checked(document)
    containers = model_request.containers(document)
    data = [each for container in containers for each in model_request.model_data(container)]
    for each in data:
        _check_data(each, call)
    row = hosting.new(Kind.MODEL, request["ModelName"], {**model_request.normalise(document), "Tags": labels}, call)
    with call.store.transaction() as tx:
        row = hosting.insert(tx, row)
        tracing.model_created(tx, row, [each["Image"] for each in containers], [each.uri for each in data])
    log.info("model created", model=row.name)
    return {"ModelArn": row.arn}


@operation
def describe_model(request: DescribeModelInputTypeDef, call: Call) -> dict[str, Any]:
    """Everything about a model."""
    return model_view.description(hosting.found(Kind.MODEL, request["ModelName"], call))


@operation
def list_models(request: ListModelsInputTypeDef, call: Call) -> dict[str, Any]:
    """Models, the newest first unless asked otherwise."""
    found, token = hosting.listed(request, Kind.MODEL, call)
    return {"Models": [model_view.summary(row) for row in found.resources], **token}


@operation
def delete_model(request: DeleteModelInputTypeDef, call: Call) -> None:
    """Forget a model; its data stays, and so does what was configured with it."""
    hosting.delete(Kind.MODEL, request["ModelName"], call)
    log.info("model deleted", model=request["ModelName"])


def _check_data(data: model_request.ModelData, call: Call) -> None:
    try:
        location = parse(data.uri)
    except ValueError as error:
        raise ValidationException(f"The location of the model data isn't usable: {error}.") from None
    try:
        is_there = call.is_there(location, as_prefix=data.is_prefix)
    except Refused as error:
        raise ValidationException(f"Could not access model data at {data.uri}: {error}") from None
    except Unreachable as error:
        raise ServiceUnavailable(f"Nothing can be said about model data at {data.uri}: {error}") from None
    if not is_there:
        raise ValidationException(f"Could not find model data at {data.uri}.")
