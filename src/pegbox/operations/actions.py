"""Actions: something that was done, as a deployment.  (API reference, CreateAction and so on.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pegbox.operations import entities, lineage_entities
from pegbox.operations.call import Call
from pegbox.operations.lineage_view import description, vertex_arn
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateActionRequestTypeDef,
        DeleteActionRequestTypeDef,
        DescribeActionRequestTypeDef,
        ListActionsRequestTypeDef,
        UpdateActionRequestTypeDef,
    )


@operation
def create_action(request: CreateActionRequestTypeDef, call: Call) -> dict[str, str]:
    """Note something that was done, as a deployment."""
    row = entities.new(Kind.ACTION, cast(dict[str, Any], request), call)
    return {"ActionArn": vertex_arn(lineage_entities.insert(row, request["ActionType"], call))}


@operation
def describe_action(request: DescribeActionRequestTypeDef, call: Call) -> dict[str, Any]:
    """Everything about an action."""
    row = lineage_entities.found(request["ActionName"], Kind.ACTION, call)
    return {**description(row, call), **_summary(row)}


@operation
def list_actions(request: ListActionsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Actions, the newest first unless asked otherwise."""
    wanted = cast(dict[str, Any], request)
    found, token = lineage_entities.listed(wanted, Kind.ACTION, request.get("ActionType"), call)
    return {"ActionSummaries": [_summary(row) for row in found.resources], **token}


@operation
def update_action(request: UpdateActionRequestTypeDef, call: Call) -> dict[str, str]:
    """Change an action; its properties are replaced by those that are given."""
    return {
        "ActionArn": lineage_entities.update(request["ActionName"], Kind.ACTION, cast(dict[str, Any], request), call)
    }


@operation
def delete_action(request: DeleteActionRequestTypeDef, call: Call) -> dict[str, str]:
    """Delete an action that has no associations left."""
    return {"ActionArn": lineage_entities.delete(request["ActionName"], Kind.ACTION, call)}


def _summary(row: Resource) -> dict[str, Any]:
    return {
        "ActionName": row.name,
        "ActionArn": vertex_arn(row),
        "Source": row.document["Source"],
        "ActionType": row.document["ActionType"],
        "Status": row.document.get("Status"),
        "CreationTime": row.created_at,
        "LastModifiedTime": row.modified_at,
    }
