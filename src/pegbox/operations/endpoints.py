"""Endpoints.  Nothing serves them here yet: they are kept, and Failed with a reason that says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import structlog

from pegbox.domain import endpoint_request, model_request
from pegbox.errors import ValidationException
from pegbox.operations import hosting, tags, tracing
from pegbox.operations.call import Call
from pegbox.operations.endpoint_view import ARTIFACTS, CONFIG, DESIRED, IMAGES, description, summary
from pegbox.operations.model_view import SERVED_BY
from pegbox.store.base import NotFound, Transaction, changing
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateEndpointInputTypeDef,
        DeleteEndpointInputTypeDef,
        DescribeEndpointInputTypeDef,
        ListEndpointsInputTypeDef,
        UpdateEndpointInputTypeDef,
        UpdateEndpointWeightsAndCapacitiesInputTypeDef,
    )

NOT_SERVED = (
    "Nothing serves endpoints in this version of pegbox: the endpoint is kept with its configuration and its models, "
    "and no request to it is answered."
)

log = structlog.get_logger()


@operation
def create_endpoint(request: CreateEndpointInputTypeDef, call: Call) -> dict[str, str]:
    """Make an endpoint with a configuration; nothing serves it yet, so it is Failed."""
    labels = tags.checked(cast(dict[str, Any], request))
    endpoint_request.check_deployment(request.get("DeploymentConfig"))

    def create(tx: Transaction) -> Resource:
        config = hosting.get(tx, Kind.ENDPOINT_CONFIG, request["EndpointConfigName"], call)
        models = _models(tx, config, call)
        document = _document(request.get("DeploymentConfig"), config) | {"Tags": labels}
        row = hosting.new(Kind.ENDPOINT, request["EndpointName"], document, call)
        row = hosting.insert(tx, replace(row, status="Failed", state=_state(config, models)))
        _serve(tx, row, models)
        tracing.deployed(tx, row, *_uris(row), call)
        return row

    row = changing(call.store, create)
    log.info("endpoint created", endpoint=row.name)
    return {"EndpointArn": row.arn}


@operation
def update_endpoint(request: UpdateEndpointInputTypeDef, call: Call) -> dict[str, str]:
    """Give an endpoint another configuration."""
    deployment = request.get("DeploymentConfig")
    endpoint_request.check_deployment(deployment)
    if deployment and request.get("RetainDeploymentConfig"):
        raise ValidationException("RetainDeploymentConfig can't be set together with a DeploymentConfig.")
    if request.get("ExcludeRetainedVariantProperties") and not request.get("RetainAllVariantProperties"):
        raise ValidationException("ExcludeRetainedVariantProperties needs RetainAllVariantProperties.")

    def update(tx: Transaction) -> Resource:
        row = hosting.get(tx, Kind.ENDPOINT, request["EndpointName"], call)
        config = hosting.get(tx, Kind.ENDPOINT_CONFIG, request["EndpointConfigName"], call)
        _serve_no_more(tx, row, call)
        models = _models(tx, config, call)
        before, state = row, _state(config, models) | {DESIRED: _retained(row, config, request)}
        kept = row.document.get("LastDeploymentConfig") if request.get("RetainDeploymentConfig") else deployment
        document = {**_document(kept, config), "Tags": tags.tags_of(row)}
        now = round(call.clock(), 3)
        row = tx.save(replace(row, state=state, modified_at=now))
        row = tx.rewrite(replace(row, document=document))
        _serve(tx, row, models)
        images, data = _uris(row)
        if gone := [uri for uri in _uris(before)[1] if uri not in data]:
            tracing.replaced(tx, row, gone, call)
        tracing.deployed(tx, row, images, data, call)
        return row

    row = changing(call.store, update)
    log.info("endpoint updated", endpoint=row.name)
    return {"EndpointArn": row.arn}


@operation
def update_endpoint_weights_and_capacities(
    request: UpdateEndpointWeightsAndCapacitiesInputTypeDef, call: Call
) -> dict[str, str]:
    """Say what share of requests variants of an endpoint should get, and on how many instances they should run."""

    def update(tx: Transaction) -> Resource:
        row = hosting.get(tx, Kind.ENDPOINT, request["EndpointName"], call)
        known = {each["VariantName"].lower(): each for each in endpoint_request.variants(row.state[CONFIG])}
        desired = dict(row.state.get(DESIRED, {}))
        for each in request["DesiredWeightsAndCapacities"]:
            name = each["VariantName"]
            if name.lower() not in known:
                raise ValidationException(f'The endpoint "{row.arn}" has no variant [{name}].')
            variant = known[name.lower()]
            name = variant["VariantName"]
            changed = endpoint_request.desired(variant, cast(dict[str, Any], each))
            desired[name] = {**desired.get(name, {}), **changed}
        now = round(call.clock(), 3)
        return tx.save(replace(row, state={**row.state, DESIRED: desired}, modified_at=now))

    return {"EndpointArn": changing(call.store, update).arn}


@operation
def describe_endpoint(request: DescribeEndpointInputTypeDef, call: Call) -> dict[str, Any]:
    """Everything about an endpoint."""
    return description(hosting.found(Kind.ENDPOINT, request["EndpointName"], call))


@operation
def list_endpoints(request: ListEndpointsInputTypeDef, call: Call) -> dict[str, Any]:
    """Endpoints, the newest first unless asked otherwise."""
    found, token = hosting.listed(request, Kind.ENDPOINT, call)
    return {"Endpoints": [summary(row) for row in found.resources], **token}


@operation
def delete_endpoint(request: DeleteEndpointInputTypeDef, call: Call) -> None:
    """Remove an endpoint; its configuration and its models stay."""

    def delete(tx: Transaction) -> None:
        tx.alone()
        row = hosting.get(tx, Kind.ENDPOINT, request["EndpointName"], call)
        _serve_no_more(tx, row, call)
        tx.delete(row.id)

    changing(call.store, delete)
    log.info("endpoint deleted", endpoint=request["EndpointName"])


def _models(tx: Transaction, config: Resource, call: Call) -> list[Resource]:
    """The models of a configuration; one may have been deleted since that was made."""
    return [hosting.get(tx, Kind.MODEL, name, call) for name in endpoint_request.model_names(config.document)]


def _document(deployment: Any, config: Resource) -> dict[str, Any]:
    document: dict[str, Any] = {"EndpointConfigName": config.name, "FailureReason": NOT_SERVED}
    return document | ({"LastDeploymentConfig": deployment} if deployment else {})


def _state(config: Resource, models: Iterable[Resource]) -> dict[str, Any]:
    """What has to be known when configuration and models are deleted."""
    containers = {_named(config, model): model_request.containers(model.document) for model in models}
    return {
        CONFIG: {name: value for name, value in config.document.items() if name != "Tags"},
        IMAGES: {name: [each["Image"] for each in several] for name, several in containers.items()},
        ARTIFACTS: {
            name: [data.uri for each in several for data in model_request.model_data(each)]
            for name, several in containers.items()
        },
    }


def _named(config: Resource, model: Resource) -> str:
    """A model's name as the configuration writes it."""
    names = endpoint_request.model_names(config.document)
    return next(name for name in names if name.lower() == model.name.lower())


def _retained(row: Resource, config: Resource, request: UpdateEndpointInputTypeDef) -> dict[str, Any]:
    """What was desired of variants, of those that the new configuration has, too."""
    if not request.get("RetainAllVariantProperties"):
        return {}
    excluded = {each["VariantPropertyType"] for each in request.get("ExcludeRetainedVariantProperties") or ()}
    names = {each["VariantName"] for each in endpoint_request.variants(config.document)}
    desired: dict[str, dict[str, Any]] = row.state.get(DESIRED, {})
    return {
        name: {member: value for member, value in changed.items() if member not in excluded}
        for name, changed in desired.items()
        if name in names
    }


def _uris(row: Resource) -> tuple[list[str], list[str]]:
    """The images and the data of an endpoint's models."""
    images, data = ([uri for uris in row.state[name].values() for uri in uris] for name in (IMAGES, ARTIFACTS))
    return images, data


def _serve(tx: Transaction, row: Resource, models: Iterable[Resource]) -> None:
    """Let models know the endpoint: it is in their records."""
    for model in {model.id: model for model in models}.values():
        served = model.state.get(SERVED_BY, [])
        tx.save(replace(model, state={**model.state, SERVED_BY: [*served, row.id]}))


def _serve_no_more(tx: Transaction, row: Resource, call: Call) -> None:
    for name in endpoint_request.model_names(row.state[CONFIG]):
        try:
            model = tx.get(call.account, call.region, Kind.MODEL, name)
        except NotFound:
            continue
        left = [identity for identity in model.state.get(SERVED_BY, []) if identity != row.id]
        if left != model.state.get(SERVED_BY, []):
            tx.save(replace(model, state={**model.state, SERVED_BY: left}))
