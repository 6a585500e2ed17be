"""A model as clients see it: its document, and which endpoints serve it."""

from __future__ import annotations

from typing import Any

from pegbox.operations import endpoint_view
from pegbox.store.base import Transaction
from pegbox.store.resources import Resource

SERVED_BY = "endpoints"  #: `state` of a model: the ids of the endpoints that serve it


def description(row: Resource) -> dict[str, Any]:
    """DescribeModel's answer."""
    return {**row.document, **summary(row)}


def summary(row: Resource) -> dict[str, Any]:
    """One entry of ListModels."""
    return {"ModelName": row.name, "ModelArn": row.arn, "CreationTime": row.created_at}


def record(row: Resource, tx: Transaction) -> dict[str, Any]:
    """What Search answers with, a ModelDashboardModel; and the tags, which can be searched without `Model.` before."""
    served = [endpoint_view.summary(tx.by_id(identity)) for identity in row.state.get(SERVED_BY, ())]
    return {"Model": description(row), "Endpoints": served or None, "Tags": row.document.get("Tags")}
