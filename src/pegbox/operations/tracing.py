"""Lineage that the service itself makes: of training jobs when somebody asks, of models and endpoints at once.

Whoever creates a training job pays nothing for it.  (Developer guide, "Amazon SageMaker-Created Tracking Entities".)
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pegbox.domain import lineage
from pegbox.domain.lineage import Link
from pegbox.errors import ServiceUnavailable
from pegbox.operations.call import Call
from pegbox.store.base import AlreadyExists, Stale, Store, Transaction
from pegbox.store.graph import Entity, Step
from pegbox.store.resources import Kind, Resource

BATCH = 500  #: jobs in one transaction: others wait 0.1 s to write
SECONDS = 20.0  #: that a request spends on jobs whose lineage has not been read


def catch_up(call: Call) -> None:
    """Read the lineage of the jobs of an account and region.  Raises ServiceUnavailable if there are too many at once.

    An answer with a part of the lineage would be a wrong one.
    """
    until = time.monotonic() + SECONDS
    while is_behind(call.store, call.account, call.region):
        if time.monotonic() > until:
            raise ServiceUnavailable("The lineage of many training jobs is being read. Please try your request again.")
        with suppress(Stale):
            read_some(call.store, call.account, call.region)


def is_behind(store: Store, account: str, region: str) -> bool:
    """Whether there are jobs whose lineage has not been read, or it may be so."""
    with store.reading() as tx:
        return tx.graph.has_untraced(account, region)


def read_some(store: Store, account: str, region: str) -> int:
    """Read the lineage of some jobs; returns of how many.  Raises Stale if one was deleted meanwhile."""
    with store.transaction(lasting=False) as tx:
        if jobs := tx.graph.untraced(account, region, BATCH):
            tx.graph.trace(jobs, [step for job in jobs for step in _steps(job)])
        return len(jobs)


def _steps(job: Resource) -> Iterator[Step]:
    try:
        for uri, type in lineage.inputs(job.document):
            artifact = _artifact(uri, type, job.created_at, job)
            yield Step(artifact=artifact, job=job.id, is_input=True, type=lineage.CONTRIBUTED, at=job.created_at)
        if job.status == "Completed":
            at = job.ended_at or job.modified_at
            artifact = _artifact(job.document["ModelArtifacts"]["S3ModelArtifacts"], lineage.MODEL, at, job)
            yield Step(artifact=artifact, job=job.id, is_input=False, type=lineage.PRODUCED, at=at)
    except (KeyError, TypeError, AttributeError):  # a row that is spoilt is not to be in the way of all others
        return


def _artifact(uri: str, type: str, at: float, owner: Resource) -> Entity:
    document = {"Source": {"SourceUri": uri}, "ArtifactType": type}
    return _entity(Kind.ARTIFACT, lineage.artifact_name(uri), type, uri, document, at, owner)


def _entity(
    kind: Kind, name: str, type: str, uri: str, document: Mapping[str, Any], at: float, owner: Resource
) -> Entity:
    return Entity(row=Resource.kept(kind, name, document, owner, at), type=type, source=uri, is_made=True)


def model_created(tx: Transaction, row: Resource, images: Iterable[str], data: Iterable[str]) -> None:
    """The artifacts of a model: its images and what it was trained to be."""
    tx.graph.alone()
    for uri, type in (*((uri, lineage.IMAGE) for uri in images), *((uri, lineage.MODEL) for uri in data)):
        _made(tx, _artifact(uri, type, row.created_at, row))


def deployed(tx: Transaction, endpoint: Resource, images: Iterable[str], data: Iterable[str], call: Call) -> None:
    """An endpoint got models: the action of it is associated with the endpoint's context."""
    action = _act(tx, endpoint, lineage.DEPLOYMENT, call)
    for uri in images:
        _contribute(tx, _artifact(uri, lineage.IMAGE, endpoint.modified_at, endpoint), action)
    for uri in data:
        _contribute(tx, _artifact(uri, lineage.MODEL, endpoint.modified_at, endpoint), action)


def replaced(tx: Transaction, endpoint: Resource, data: Iterable[str], call: Call) -> None:
    """The models that an endpoint had were replaced."""
    action = _act(tx, endpoint, lineage.REPLACED, call)
    for uri in data:
        _contribute(tx, _artifact(uri, lineage.MODEL, endpoint.modified_at, endpoint), action)


def _act(tx: Transaction, endpoint: Resource, type: str, call: Call) -> Resource:
    """An action of this type, associated with the endpoint's context."""
    tx.graph.alone()
    uri, at = endpoint.arn, endpoint.modified_at
    source = {"Source": {"SourceUri": uri, "SourceType": "ARN"}}
    context = _made(
        tx,
        _entity(
            Kind.CONTEXT,
            f"{endpoint.name}-aws-endpoint",
            lineage.ENDPOINT,
            uri,
            {**source, "ContextType": lineage.ENDPOINT},
            at,
            endpoint,
        ),
    )
    document = {
        **source,
        "ActionType": type,
        "Status": "Failed" if endpoint.status == "Failed" else "Completed",
        "Properties": {"EndpointConfigName": endpoint.document["EndpointConfigName"]},
    }
    name = f"{endpoint.name}-{call.seed():08x}-aws-endpoint"
    action = _made(tx, _entity(Kind.ACTION, name, type, uri, document, at, endpoint))
    tx.graph.connect(Link(action.id, context.id, lineage.ASSOCIATED), at, is_made=True)
    return action


def _contribute(tx: Transaction, artifact: Entity, action: Resource) -> None:
    link = Link(_made(tx, artifact).id, action.id, lineage.CONTRIBUTED)
    tx.graph.connect(link, artifact.row.created_at, is_made=True)


def _made(tx: Transaction, entity: Entity) -> Resource:
    """The entity, or the one that is there already."""
    try:
        return tx.graph.add(entity)
    except AlreadyExists:
        row = entity.row
        return tx.get(row.account, row.region, row.kind, row.name)
