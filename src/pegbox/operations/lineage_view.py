"""Entities of lineage as clients see them, and how ARNs name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.domain.made_of_job import component_name, job_name
from pegbox.errors import ResourceNotFound
from pegbox.naming import arn, name_of
from pegbox.operations.call import Call
from pegbox.operations.experiments_view import NOBODY, job_of
from pegbox.store.base import NotFound, Transaction
from pegbox.store.graph import TYPES
from pegbox.store.resources import TRAINED, Kind, Resource

GROUP = "sagemaker-default-lineage-group"  #: the one lineage group of an account and region

#: LineageType of what can be associated; experiments have none
LINEAGE_TYPES: Mapping[Kind, str | None] = {
    Kind.ARTIFACT: "Artifact",
    Kind.ACTION: "Action",
    Kind.CONTEXT: "Context",
    Kind.TRIAL_COMPONENT: "TrialComponent",
    Kind.TRAINING_JOB: "TrialComponent",
    Kind.DELETED_JOB: "TrialComponent",
    Kind.EXPERIMENT: None,
}
EXPERIMENTAL = TRAINED | {Kind.EXPERIMENT, Kind.TRIAL_COMPONENT}
_NAMED = (Kind.ARTIFACT, Kind.ACTION, Kind.CONTEXT, Kind.TRIAL_COMPONENT, Kind.EXPERIMENT)


def group_arn(call: Call) -> str:
    """Of the one lineage group."""
    return call.arn("lineage-group", GROUP)


def description(row: Resource, call: Call) -> dict[str, Any]:
    """What DescribeArtifact, DescribeAction and DescribeContext have in common."""
    return {
        **row.document,
        "CreationTime": row.created_at,
        "CreatedBy": NOBODY,
        "LastModifiedTime": row.modified_at,
        "LastModifiedBy": NOBODY,
        "LineageGroupArn": group_arn(call),
    }


def vertex_arn(row: Resource) -> str:
    """The ARN of what can be associated; a training job is its trial component."""
    if row.kind in TRAINED:
        return arn(Kind.TRIAL_COMPONENT, vertex_name(row), account=row.account, region=row.region)
    return row.arn


def vertex_name(row: Resource) -> str:
    """The name of the same."""
    return component_name(row.name) if row.kind in TRAINED else row.name


def vertex_type(row: Resource, types: Mapping[int, str]) -> str | None:
    """Its type: what a request or the service has called it."""
    return TYPES.get(row.kind) or types.get(row.id)


def vertex(tx: Transaction, named: str, call: Call) -> Resource:
    """What an ARN names that can be associated.  Raises ResourceNotFound."""
    for kind in _NAMED:
        if call.owns(kind, named):
            try:
                return _find(tx, kind, name_of(named), call)
            except NotFound:
                break
    raise ResourceNotFound(f"Lineage entity '{named}' does not exist.")


def entity(tx: Transaction, kind: Kind, named: str, call: Call) -> Resource:
    """The artifact, action or context of a name or an ARN.  Raises ResourceNotFound."""
    if not named.startswith("arn:"):
        named = call.arn(kind, named)
    if call.owns(kind, named):
        return vertex(tx, named, call)
    raise ResourceNotFound(f"Lineage entity '{named}' does not exist.")


def _find(tx: Transaction, kind: Kind, name: str, call: Call) -> Resource:
    if kind is Kind.TRIAL_COMPONENT and (job := job_name(name)):
        try:
            return tx.get(call.account, call.region, Kind.TRAINING_JOB, job)
        except NotFound:  # it was deleted, or the component was made by a request
            component = tx.get(call.account, call.region, kind, name)
            return job_of(component, tx) or component
    return tx.get(call.account, call.region, kind, name)
