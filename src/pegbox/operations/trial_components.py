"""Trial components: one step each, with parameters, artifacts and metrics.  (API reference, CreateTrialComponent.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from pegbox.domain import trial_component
from pegbox.domain.made_of_job import component_name
from pegbox.errors import ResourceNotFound, ValidationException
from pegbox.naming import name_of
from pegbox.operations import automatic, entities
from pegbox.operations.call import Call
from pegbox.operations.experiments_view import component, component_summary
from pegbox.store.base import NotFound, Transaction
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateTrialComponentRequestTypeDef,
        DeleteTrialComponentRequestTypeDef,
        DescribeTrialComponentRequestTypeDef,
        ListTrialComponentsRequestTypeDef,
        UpdateTrialComponentRequestTypeDef,
    )

_ONE_OF = ("ExperimentName", "TrialName", "SourceArn")


@operation
def create_trial_component(request: CreateTrialComponentRequestTypeDef, call: Call) -> dict[str, str]:
    """Make a trial component; training jobs make theirs by themselves."""
    document = trial_component.with_numbers(cast(dict[str, Any], request))
    trial_component.check(document)
    row = entities.new(Kind.TRIAL_COMPONENT, document, call)
    automatic.follow_component(request["TrialComponentName"], call)
    with call.store.transaction() as tx:
        return {"TrialComponentArn": entities.insert(tx, row).arn}


@operation
def describe_trial_component(request: DescribeTrialComponentRequestTypeDef, call: Call) -> dict[str, Any]:
    """Everything about a trial component, with what its metrics come to."""
    given = request["TrialComponentName"]
    name = name_of(given)
    if given != name and not call.owns(Kind.TRIAL_COMPONENT, given):
        raise ResourceNotFound(f"Trial component '{given}' does not exist.")
    automatic.follow_component(name, call)
    with call.store.reading() as tx:
        return component(entities.find(tx, Kind.TRIAL_COMPONENT, name, call), tx)


@operation
def list_trial_components(request: ListTrialComponentsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Trial components: of an experiment, of a trial, or made of a job; newest first unless asked otherwise."""
    wanted = [name for name in _ONE_OF if name in request]
    if len(wanted) > 1:
        raise ValidationException(f"Only one of {', '.join(_ONE_OF)} can be specified, not {' and '.join(wanted)}.")
    if "SourceArn" in request:
        return _of_source(cast(dict[str, Any], request), call)
    automatic.follow(call)
    fixed: dict[str, Any] = {}
    with call.store.reading() as tx:
        if experiment := request.get("ExperimentName"):
            fixed["experiment_id"] = entities.find(tx, Kind.EXPERIMENT, experiment, call).id
        if trial := request.get("TrialName"):
            fixed["trial_id"] = entities.find(tx, Kind.TRIAL, trial, call).id
        return _listed(cast(dict[str, Any], request), tx, call, fixed)


@operation
def update_trial_component(request: UpdateTrialComponentRequestTypeDef, call: Call) -> dict[str, str]:
    """Change a trial component: maps are added to, keys replaced, and those that are named are removed."""
    name = request["TrialComponentName"]
    document = trial_component.with_numbers(cast(dict[str, Any], request))

    def changed(row: Resource) -> Mapping[str, Any]:
        new = trial_component.updated(row.document, document, is_made=row.parent_id is not None)
        trial_component.check(new)
        return new

    return {"TrialComponentArn": entities.update(Kind.TRIAL_COMPONENT, name, changed, call)}


@operation
def delete_trial_component(request: DeleteTrialComponentRequestTypeDef, call: Call) -> dict[str, str]:
    """Delete a trial component; it has to be disassociated from all trials before."""
    why_not = "it is associated with trials: call DisassociateTrialComponent for each of them first"
    return {"TrialComponentArn": entities.delete(Kind.TRIAL_COMPONENT, request["TrialComponentName"], why_not, call)}


def _of_source(request: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """The one that was made of a training job, found by its name."""
    source = request["SourceArn"]
    if not call.owns(Kind.TRAINING_JOB, source):
        return {"TrialComponentSummaries": []}
    automatic.follow_component(component_name(name_of(source)), call)
    with call.store.reading() as tx:
        try:
            job = tx.get(call.account, call.region, Kind.TRAINING_JOB, name_of(source))
        except NotFound:
            gone = tx.deleted.latest(call.account, call.region, [name_of(source)])
            if not gone:
                return {"TrialComponentSummaries": []}
            (job,) = gone.values()
        return _listed(request, tx, call, {"parent_id": job.id})


def _listed(request: Mapping[str, Any], tx: Transaction, call: Call, fixed: Mapping[str, Any]) -> dict[str, Any]:
    found, token = entities.listed(request, Kind.TRIAL_COMPONENT, tx, call, **fixed)
    return {"TrialComponentSummaries": [component_summary(row, tx) for row in found.resources], **token}
