"""Trials: the steps of one way to a model, in an experiment.  (API reference, CreateTrial and so on.)"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pegbox.errors import ResourceNotFound
from pegbox.operations import automatic, entities
from pegbox.operations.call import Call
from pegbox.operations.experiments_view import trial
from pegbox.store.base import Transaction, changing
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        AssociateTrialComponentRequestTypeDef,
        CreateTrialRequestTypeDef,
        DeleteTrialRequestTypeDef,
        DescribeTrialRequestTypeDef,
        DisassociateTrialComponentRequestTypeDef,
        ListTrialsRequestTypeDef,
        UpdateTrialRequestTypeDef,
    )


@operation
def create_trial(request: CreateTrialRequestTypeDef, call: Call) -> dict[str, str]:
    """Make a trial in an experiment."""
    row = entities.new(Kind.TRIAL, cast(dict[str, Any], request), call)
    automatic.follow_named(Kind.EXPERIMENT, request["ExperimentName"], call)

    def create(tx: Transaction) -> str:
        experiment = entities.held(tx, Kind.EXPERIMENT, request["ExperimentName"], call)
        document = {**row.document, "ExperimentName": experiment.name}
        return entities.insert(tx, replace(row, parent_id=experiment.id, document=document)).arn

    return {"TrialArn": changing(call.store, create)}


@operation
def describe_trial(request: DescribeTrialRequestTypeDef, call: Call) -> dict[str, Any]:
    """Everything about a trial."""
    automatic.follow_named(Kind.TRIAL, request["TrialName"], call)
    with call.store.reading() as tx:
        return trial(entities.find(tx, Kind.TRIAL, request["TrialName"], call))


@operation
def list_trials(request: ListTrialsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Trials, of an experiment or with a component if wanted; newest first unless asked otherwise."""
    automatic.follow(call)
    fixed: dict[str, Any] = {}
    with call.store.reading() as tx:
        if experiment := request.get("ExperimentName"):
            fixed["parent_id"] = entities.find(tx, Kind.EXPERIMENT, experiment, call).id
        if component := request.get("TrialComponentName"):
            fixed["component_id"] = entities.find(tx, Kind.TRIAL_COMPONENT, component, call).id
        found, token = entities.listed(cast(dict[str, Any], request), Kind.TRIAL, tx, call, **fixed)
    return {"TrialSummaries": [trial(row) for row in found.resources], **token}


@operation
def update_trial(request: UpdateTrialRequestTypeDef, call: Call) -> dict[str, str]:
    """Give a trial another display name."""
    new = entities.unnamed(Kind.TRIAL, request)
    name = request["TrialName"]
    return {"TrialArn": entities.update(Kind.TRIAL, name, lambda row: {**row.document, **new}, call)}


@operation
def delete_trial(request: DeleteTrialRequestTypeDef, call: Call) -> dict[str, str]:
    """Delete a trial; its trial components have to be disassociated before."""
    why_not = "trial components are associated with it: call DisassociateTrialComponent for each of them first"
    return {"TrialArn": entities.delete(Kind.TRIAL, request["TrialName"], why_not, call)}


@operation
def associate_trial_component(request: AssociateTrialComponentRequestTypeDef, call: Call) -> dict[str, str]:
    """Put a trial component into a trial; it may be in several."""
    _follow_both(request["TrialName"], request["TrialComponentName"], call)

    def associate(tx: Transaction) -> dict[str, str]:
        trial, component = _both(tx, request["TrialName"], request["TrialComponentName"], call)
        tx.tracking.join(trial.id, component.id)
        return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}

    return changing(call.store, associate)


@operation
def disassociate_trial_component(request: DisassociateTrialComponentRequestTypeDef, call: Call) -> dict[str, str]:
    """Take a trial component out of a trial."""
    _follow_both(request["TrialName"], request["TrialComponentName"], call)

    def disassociate(tx: Transaction) -> dict[str, str]:
        trial, component = _both(tx, request["TrialName"], request["TrialComponentName"], call)
        if not tx.tracking.leave(trial.id, component.id):
            raise ResourceNotFound(
                f"Trial component '{component.name}' is not associated with the trial '{trial.name}'."
            )
        return {"TrialComponentArn": component.arn, "TrialArn": trial.arn}

    return changing(call.store, disassociate)


def _follow_both(trial: str, component: str, call: Call) -> None:
    automatic.follow_named(Kind.TRIAL, trial, call)
    automatic.follow_named(Kind.TRIAL_COMPONENT, component, call)


def _both(tx: Transaction, trial: str, component: str, call: Call) -> tuple[Resource, Resource]:
    """A trial and a component; nobody else deletes them before the transaction ends."""
    return entities.held(tx, Kind.TRIAL, trial, call), entities.held(tx, Kind.TRIAL_COMPONENT, component, call)
