"""Artifacts: something with a URI, as data or a model.  (API reference, CreateArtifact and so on.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pegbox.domain.lineage import artifact_name
from pegbox.errors import ValidationException
from pegbox.operations import hosting, lineage_entities, tags
from pegbox.operations.call import Call
from pegbox.operations.lineage_view import description, vertex_arn
from pegbox.operations.tracing import catch_up
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateArtifactRequestTypeDef,
        DeleteArtifactRequestTypeDef,
        DescribeArtifactRequestTypeDef,
        ListArtifactsRequestTypeDef,
        UpdateArtifactRequestTypeDef,
    )


@operation
def create_artifact(request: CreateArtifactRequestTypeDef, call: Call) -> dict[str, str]:
    """Note something that has a URI; there is one artifact of a source."""
    document = cast(dict[str, Any], request)
    catch_up(call)  # a training job may have made it
    row = hosting.new(Kind.ARTIFACT, _name(document["Source"]), document | {"Tags": tags.checked(document)}, call)
    return {"ArtifactArn": vertex_arn(lineage_entities.insert(row, request["ArtifactType"], call))}


@operation
def describe_artifact(request: DescribeArtifactRequestTypeDef, call: Call) -> dict[str, Any]:
    """Everything about an artifact."""
    row = lineage_entities.found(request["ArtifactArn"], Kind.ARTIFACT, call)
    return {**description(row, call), **_summary(row)}


@operation
def list_artifacts(request: ListArtifactsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Artifacts, the newest first unless asked otherwise."""
    wanted = cast(dict[str, Any], request)
    found, token = lineage_entities.listed(wanted, Kind.ARTIFACT, request.get("ArtifactType"), call)
    return {"ArtifactSummaries": [_summary(row) for row in found.resources], **token}


@operation
def update_artifact(request: UpdateArtifactRequestTypeDef, call: Call) -> dict[str, str]:
    """Change an artifact; its properties are replaced by those that are given."""
    wanted = cast(dict[str, Any], request)
    return {"ArtifactArn": lineage_entities.update(request["ArtifactArn"], Kind.ARTIFACT, wanted, call)}


@operation
def delete_artifact(request: DeleteArtifactRequestTypeDef, call: Call) -> dict[str, str]:
    """Delete an artifact that has no associations left, named by its ARN or its source."""
    named, source = request.get("ArtifactArn"), request.get("Source")
    if bool(named) == bool(source):
        raise ValidationException("Give exactly one of ArtifactArn and Source.")
    if source:
        name = _name(cast(dict[str, Any], source))
        named = call.arn(Kind.ARTIFACT, name)
    return {"ArtifactArn": lineage_entities.delete(named or "", Kind.ARTIFACT, call)}


def _name(source: dict[str, Any]) -> str:
    return artifact_name(source["SourceUri"], source.get("SourceTypes") or ())


def _summary(row: Resource) -> dict[str, Any]:
    return {
        "ArtifactArn": vertex_arn(row),
        "ArtifactName": row.document.get("ArtifactName"),
        "Source": row.document["Source"],
        "ArtifactType": row.document["ArtifactType"],
        "CreationTime": row.created_at,
        "LastModifiedTime": row.modified_at,
    }
