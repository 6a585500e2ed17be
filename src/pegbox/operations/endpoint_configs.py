"""Endpoint configurations: which models an endpoint serves, on what.  They cannot be changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import structlog

from pegbox.domain import endpoint_request
from pegbox.operations import hosting, tags
from pegbox.operations.call import Call
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateEndpointConfigInputTypeDef,
        DeleteEndpointConfigInputTypeDef,
        DescribeEndpointConfigInputTypeDef,
        ListEndpointConfigsInputTypeDef,
    )

log = structlog.get_logger()


@operation
def create_endpoint_config(request: CreateEndpointConfigInputTypeDef, call: Call) -> dict[str, str]:
    """Say which models an endpoint serves."""
    document = cast(dict[str, Any], request)
    endpoint_request.check_config(document)
    labels = tags.checked(document)
    normal = endpoint_request.normalise_config(document)
    row = hosting.new(Kind.ENDPOINT_CONFIG, request["EndpointConfigName"], {**normal, "Tags": labels}, call)
    with call.store.transaction() as tx:
        for name in endpoint_request.model_names(normal):
            hosting.get(tx, Kind.MODEL, name, call)
        row = hosting.insert(tx, row)
    log.info("endpoint configuration created", endpoint_config=row.name)
    return {"EndpointConfigArn": row.arn}


@operation
def describe_endpoint_config(request: DescribeEndpointConfigInputTypeDef, call: Call) -> dict[str, Any]:
    """Everything about an endpoint configuration."""
    row = hosting.found(Kind.ENDPOINT_CONFIG, request["EndpointConfigName"], call)
    return {**row.document, **_summary(row)}


@operation
def list_endpoint_configs(request: ListEndpointConfigsInputTypeDef, call: Call) -> dict[str, Any]:
    """Endpoint configurations, the newest first unless asked otherwise."""
    found, token = hosting.listed(request, Kind.ENDPOINT_CONFIG, call)
    return {"EndpointConfigs": [_summary(row) for row in found.resources], **token}


@operation
def delete_endpoint_config(request: DeleteEndpointConfigInputTypeDef, call: Call) -> None:
    """Forget an endpoint configuration; endpoints that were made with it remember it."""
    hosting.delete(Kind.ENDPOINT_CONFIG, request["EndpointConfigName"], call)
    log.info("endpoint configuration deleted", endpoint_config=request["EndpointConfigName"])


def _summary(row: Resource) -> dict[str, Any]:
    return {
        "EndpointConfigName": row.name,
        "EndpointConfigArn": row.arn,
        "CreationTime": row.created_at,
    }
