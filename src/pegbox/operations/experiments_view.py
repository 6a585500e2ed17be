"""Experiments as clients see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.naming import arn
from pegbox.store.base import Resource

NOBODY: Mapping[str, Any] = {}  #: a UserContext: there are keys here, and no users


def arn_of(row: Resource) -> str:
    """The ARN of a resource."""
    return arn(row.kind, row.name, account=row.account, region=row.region)


def experiment(row: Resource) -> dict[str, Any]:
    """DescribeExperiment's answer, with tags; also an ExperimentSummary."""
    return {
        "ExperimentName": row.name,
        "ExperimentArn": arn_of(row),
        **described(row),
        "ExperimentSource": row.document.get("Source"),
    }


def described(row: Resource) -> dict[str, Any]:
    """What experiments, trials and trial components have in common."""
    return {
        "DisplayName": row.name,
        **row.document,
        "CreationTime": row.created_at,
        "CreatedBy": NOBODY,
        "LastModifiedTime": row.modified_at,
        "LastModifiedBy": NOBODY,
    }
