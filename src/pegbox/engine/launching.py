"""A tuning job's training jobs as rows: the same again when a launch is repeated."""

from __future__ import annotations

from collections.abc import Mapping

from pegbox.domain import training
from pegbox.domain.children import child_document, child_name
from pegbox.domain.instances import prioritized
from pegbox.domain.searches import Search
from pegbox.domain.tuning import TuningJob
from pegbox.engine import limits
from pegbox.store.resources import Kind, Resource


def child_row(
    parent: Resource,
    job: TuningJob,
    search: Search,
    number: int,
    values: Mapping[str, str],
    now: float,
    *,
    watched: bool,
) -> Resource:
    """The row of the tuning job's training job of this number."""
    name = child_name(parent.name, job.seed, job.created, number)
    child = training.created(now, tuned=values, objective=search.metric, definition=search.name, watched=watched)
    document = child_document(search.definition, parent.document.get("Tags", []), parent.arn, name, values)
    wanted = search.definition.get("HyperParameterTuningResourceConfig")
    if wanted and (selected := prioritized(wanted, limits.machine())):
        document["ResourceConfig"] = selected
    return Resource(
        account=parent.account,
        region=parent.region,
        kind=Kind.TRAINING_JOB,
        name=name,
        parent_id=parent.id,
        number=number,
        status=child.status,
        created_at=now,
        modified_at=now,
        document=document,
        state=child.dump(),
        due_at=0.0,
    )
