"""ExperimentConfig: where the trial component of a new training job is put.  (API reference, ExperimentConfig.)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pegbox.domain import made_of_job
from pegbox.errors import ValidationException
from pegbox.operations import automatic, entities
from pegbox.operations.call import Call
from pegbox.store.base import Transaction
from pegbox.store.resources import Kind, Resource

_NAMED = {Kind.EXPERIMENT: "ExperimentName", Kind.TRIAL: "TrialName", Kind.TRIAL_COMPONENT: "RunName"}


def prepare(config: Mapping[str, Any], call: Call) -> None:
    """Have what the config names made, as far as other jobs make it."""
    for kind, member in _NAMED.items():
        if name := config.get(member):
            automatic.follow_named(kind, name, call)


def place(tx: Transaction, job: Resource, config: Mapping[str, Any], call: Call) -> None:
    """Put the component where the config says.  Raises ResourceNotFound, ValidationException."""
    component = automatic.make_of(job, tx)
    trial = _trial(tx, job, config, call)
    if trial is not None and component is not None:
        tx.tracking.join(trial.id, component.id)
    if run := config.get("RunName"):
        _add_source(tx, entities.held(tx, Kind.TRIAL_COMPONENT, run, call), job)


def _trial(tx: Transaction, job: Resource, config: Mapping[str, Any], call: Call) -> Resource | None:
    """The one that is named, or a new one in the experiment that is named."""
    named, within = config.get("TrialName"), config.get("ExperimentName")
    experiment = entities.held(tx, Kind.EXPERIMENT, within, call) if within else None
    if named:
        trial = entities.held(tx, Kind.TRIAL, named, call)
    elif experiment is not None:
        trial = automatic.trial_of(tx, job, made_of_job.trial_name(job.name), experiment)
    else:
        return None
    if experiment is not None and trial.parent_id != experiment.id:
        raise ValidationException(f"Trial '{trial.name}' is not part of the experiment '{within}'.")
    return trial


def _add_source(tx: Transaction, run: Resource, job: Resource) -> None:
    """The job is part of the run."""
    source = {"SourceArn": job.arn, "SourceType": made_of_job.SOURCE_TYPE}
    tx.rewrite(replace(run, document={**run.document, "Sources": [*(run.document.get("Sources") or []), source]}))
