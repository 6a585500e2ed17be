"""Trial components, trials and experiments that jobs make by themselves.

Nobody who creates a job pays for them: they are made when somebody first asks for experiments in an account and
region, and from then on of every job, before it is indexed for Search.  docs/design/experiments.md says more.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

from pegbox.domain import made_of_job
from pegbox.errors import ServiceUnavailable
from pegbox.naming import tuning_job_of
from pegbox.operations.call import Call
from pegbox.store.base import AlreadyExists, NotFound, Store, Transaction, changing
from pegbox.store.resources import JOBS, Kind, Resource

MADE = frozenset({Kind.EXPERIMENT, Kind.TRIAL, Kind.TRIAL_COMPONENT})
BATCH = 50  #: jobs in one transaction
SECONDS = 5.0  #: that a request spends on jobs of which nothing has been made


def follow(call: Call) -> None:
    """Have everything made of the jobs of the caller's account and region.

    Raises ServiceUnavailable if those are too many at once: a list with a part of it would be a wrong one.
    """
    with call.store.reading() as tx:
        begun = tx.tracking.begun(call.account, call.region)
    if not begun:
        with call.store.transaction() as tx:
            tx.tracking.begin(call.account, call.region, JOBS)
    until = time.monotonic() + SECONDS
    while _make_new(call) or make_older(call.store, (call.account, call.region)):
        if time.monotonic() > until:
            raise ServiceUnavailable("Trial components of many jobs are being made. Please try your request again.")


def follow_named(kind: Kind, name: str, call: Call) -> None:
    """Have the experiment, the trial or the component of this name made, if a job makes one."""
    if kind is Kind.TRIAL_COMPONENT:
        follow_component(name, call)
    elif kind in MADE and made_of_job.may_be_made(name):
        follow(call)


def follow_component(name: str, call: Call) -> None:
    """Have the component of this name made, if it is that of a job."""
    job = made_of_job.job_name(name)
    if job is None:
        return
    with call.store.reading() as tx:
        try:
            row = tx.get(call.account, call.region, Kind.TRAINING_JOB, job)
        except NotFound:
            return
        if not tx.tracking.unmade([row.id]):
            return
    _make(call.store, [row.id])


def make_older(store: Store, only: tuple[str, str] | None = None) -> bool:
    """Make what is missing of some jobs that were there before; False when all has been."""
    with store.reading() as tx:
        behind = [each for each in tx.tracking.behind() if only is None or each[:2] == only]
    for account, region, kind in behind:

        def older(tx: Transaction, scope: tuple[str, str, str] = (account, region, kind)) -> None:
            make(tx, tx.tracking.older(*scope, BATCH))

        changing(store, older)
    return bool(behind)


def prepare(store: Store, kind: Kind, batch: int, before: float | None) -> Collection[tuple[int, int]]:
    """Make what is missing of jobs that are to be indexed, and have what was made of them indexed after them.

    Returns their ids and versions.
    """
    with store.reading() as tx:
        found = tx.tracking.unseen(kind.value, batch, before) if kind in JOBS else []
    if found:
        _make(store, [identity for identity, _ in found])
    return set(found)


def make(tx: Transaction, job_ids: Collection[int]) -> None:
    """Make what is missing of these jobs."""
    for identity in sorted(tx.tracking.unmade(job_ids)):
        tx.tracking.made(identity)
        with suppress(NotFound, ValueError):  # deleted just now; or its JSON is spoilt, and it is in nobody's way
            make_of(tx.by_id(identity), tx)
    tx.tracking.follow(job_ids)


def _make_new(call: Call) -> bool:
    with call.store.reading() as tx:
        new = [id for kind in sorted(JOBS) for id in tx.tracking.new(call.account, call.region, kind.value, BATCH)]
    if new:
        _make(call.store, new)
    return bool(new)


def _make(store: Store, job_ids: Collection[int]) -> None:
    changing(store, lambda tx: make(tx, job_ids))


def make_of(job: Resource, tx: Transaction) -> Resource | None:
    """Make what a job makes.  Returns its component; None of a tuning job, and where a user's has the name."""
    tx.tracking.made(job.id)
    if job.kind is Kind.TUNING_JOB:
        _experiment(tx, job, job.name, job.arn)
        return None
    component = _insert(tx, _entity(job, Kind.TRIAL_COMPONENT, made_of_job.component_name(job.name), {}, job.id))
    if component.parent_id != job.id:
        return None
    if launcher := job.document.get("TuningJobArn"):
        tuning_job = tuning_job_of(job.name)
        experiment = _experiment(tx, job, tuning_job, launcher)
        trial = trial_of(tx, job, made_of_job.trial_name(job.name, tuning_job, job.number), experiment)
        if trial.parent_id == experiment.id:  # otherwise a user's has the name
            tx.tracking.join(trial.id, component.id)
    return component


def _experiment(tx: Transaction, job: Resource, tuning_job: str, launcher: str) -> Resource:
    source = {"SourceArn": launcher, "SourceType": made_of_job.TUNING_SOURCE_TYPE}
    return _kept(tx, _entity(job, Kind.EXPERIMENT, made_of_job.experiment_name(tuning_job), {"Source": source}))


def trial_of(tx: Transaction, job: Resource, name: str, experiment: Resource) -> Resource:
    """The trial of this name, made for a job if it is not there; a user's of this name may be of another experiment."""
    source = {"SourceArn": job.arn, "SourceType": made_of_job.SOURCE_TYPE}
    return _kept(
        tx, _entity(job, Kind.TRIAL, name, {"ExperimentName": experiment.name, "Source": source}, experiment.id)
    )


def _entity(
    job: Resource, kind: Kind, name: str, document: Mapping[str, Any], parent_id: int | None = None
) -> Resource:
    """A row as old as the job."""
    return Resource.kept(kind, name, document, job, job.created_at, parent_id)


def _insert(tx: Transaction, row: Resource) -> Resource:
    """The row, or the one that has its name."""
    try:
        return tx.insert(row)
    except AlreadyExists:
        return tx.get(row.account, row.region, row.kind, row.name)


def _kept(tx: Transaction, row: Resource) -> Resource:
    """The same; nobody deletes it before the transaction ends."""
    while True:
        with suppress(NotFound):  # deleted just now: the name is free
            found = _insert(tx, row)
            tx.tracking.keep(found.id)
            return found
