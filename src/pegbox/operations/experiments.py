"""Experiments: collections of trials that are compared.  (API reference, CreateExperiment and so on.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pegbox.operations import automatic, entities
from pegbox.operations.call import Call
from pegbox.operations.experiments_view import experiment
from pegbox.store.resources import Kind
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        CreateExperimentRequestTypeDef,
        DeleteExperimentRequestTypeDef,
        DescribeExperimentRequestTypeDef,
        ListExperimentsRequestTypeDef,
        UpdateExperimentRequestTypeDef,
    )


@operation
def create_experiment(request: CreateExperimentRequestTypeDef, call: Call) -> dict[str, str]:
    """Make an experiment; trials are put into it."""
    row = entities.new(Kind.EXPERIMENT, cast(dict[str, Any], request), call)
    with call.store.transaction() as tx:
        return {"ExperimentArn": entities.insert(tx, row).arn}


@operation
def describe_experiment(request: DescribeExperimentRequestTypeDef, call: Call) -> dict[str, Any]:
    """Everything about an experiment."""
    automatic.follow_named(Kind.EXPERIMENT, request["ExperimentName"], call)
    with call.store.reading() as tx:
        return experiment(entities.find(tx, Kind.EXPERIMENT, request["ExperimentName"], call))


@operation
def list_experiments(request: ListExperimentsRequestTypeDef, call: Call) -> dict[str, Any]:
    """Experiments, newest first unless asked otherwise."""
    automatic.follow(call)
    with call.store.reading() as tx:
        found, token = entities.listed(cast(dict[str, Any], request), Kind.EXPERIMENT, tx, call)
    return {"ExperimentSummaries": [experiment(row) for row in found.resources], **token}


@operation
def update_experiment(request: UpdateExperimentRequestTypeDef, call: Call) -> dict[str, str]:
    """Give an experiment another display name or description."""
    new = entities.unnamed(Kind.EXPERIMENT, request)
    name = request["ExperimentName"]
    return {"ExperimentArn": entities.update(Kind.EXPERIMENT, name, lambda row: {**row.document, **new}, call)}


@operation
def delete_experiment(request: DeleteExperimentRequestTypeDef, call: Call) -> dict[str, str]:
    """Delete an experiment; its trials have to be deleted before."""
    why_not = "it has trials: delete each of them first"
    return {"ExperimentArn": entities.delete(Kind.EXPERIMENT, request["ExperimentName"], why_not, call)}
