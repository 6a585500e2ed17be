"""Contexts: something to which others belong, as an endpoint.  (API reference, CreateContext and so on.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pegbox.operations import entities, lineage_entities
from pegbox.operations.call import Call
from pegbox.operations.lineage_view import description, vertex_arn
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateContextRequestTypeDef,
        DeleteContextRequestTypeDef,
        DescribeContextRequestTypeDef,
        ListContextsRequestTypeDef,
        UpdateContextRequestTypeDef,
    )


@operation
def create_context(request: CreateContextRequestTypeDef, call: Call) -> dict[str, str]:
    """Note something to which others belong, as an endpoint."""
    row = entities.new(Kind.CONTEXT, cast(dict[str, Any], request), call)
    return {"ContextArn": vertex_arn(lineage_entities.insert(row, request["ContextType"], call))}


@operation
def describe_context(request: DescribeContextRequestTypeDef, call: Call) -> dict[str, Any]:
    """Everything about a context."""
    row = lineage_entities.found(request["ContextName"], Kind.CONTEXT, call)
    return {**description(row, call), **_summary(row)}


@operation
def list_contexts(request: ListContextsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Contexts, the newest first unless asked otherwise."""
    wanted = cast(dict[str, Any], request)
    found, token = lineage_entities.listed(wanted, Kind.CONTEXT, request.get("ContextType"), call)
    return {"ContextSummaries": [_summary(row) for row in found.resources], **token}


@operation
def update_context(request: UpdateContextRequestTypeDef, call: Call) -> dict[str, str]:
    """Change a context; its properties are replaced by those that are given."""
    return {
        "ContextArn": lineage_entities.update(request["ContextName"], Kind.CONTEXT, cast(dict[str, Any], request), call)
    }


@operation
def delete_context(request: DeleteContextRequestTypeDef, call: Call) -> dict[str, str]:
    """Delete a context that has no associations left."""
    return {"ContextArn": lineage_entities.delete(request["ContextName"], Kind.CONTEXT, call)}


def _summary(row: Resource) -> dict[str, Any]:
    return {
        "ContextName": row.name,
        "ContextArn": vertex_arn(row),
        "Source": row.document["Source"],
        "ContextType": row.document["ContextType"],
        "CreationTime": row.created_at,
        "LastModifiedTime": row.modified_at,
    }
