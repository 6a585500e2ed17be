"""The parents that a warm started tuning job names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.domain import warm_start
from pegbox.domain.parents import Parent, record
from pegbox.domain.searches import searches_of
from pegbox.errors import ValidationException
from pegbox.operations.call import Call
from pegbox.operations.training_jobs import built_in
from pegbox.store.base import NotFound, Transaction
from pegbox.store.resources import Kind


def parents_record(document: dict[str, Any], call: Call) -> dict[str, Any]:
    """What the document keeps of the parents, if it names any and may begin with them."""
    names = warm_start.parent_names(document)
    if not names:
        return {}
    with call.store.reading() as tx:
        parents = [_parent(tx, name, call) for name in names]
    warm_start.check(document, _algorithm(document, call), parents, call.most_warm_start_changes)
    return record(parents)


def _parent(tx: Transaction, name: str, call: Call) -> Parent:
    try:
        row = tx.get(call.account, call.region, Kind.TUNING_JOB, name)
    except NotFound:
        raise ValidationException(
            f"The parent hyperparameter tuning job [{name}] can't be found. Make sure that the name is correct."
        ) from None
    return Parent(
        id=row.id,
        name=row.name,
        status=row.status,
        document=row.document,
        launched=sum(tally.count for tally in tx.tally([row.id])[row.id]),
        algorithm=_algorithm(row.document, call),
    )


def _algorithm(document: Mapping[str, Any], call: Call) -> str:
    """What the image of a tuning job's first definition means: an image of a built-in has many names."""
    definition = searches_of(document)[0].definition
    specification = definition["AlgorithmSpecification"]
    image: str | None = specification.get("TrainingImage")
    if image is None:  # of an account of AWS
        return f"algorithm {specification.get('AlgorithmName')}"
    algorithm = built_in(dict(definition), call)
    return image if algorithm is None else f"built-in {algorithm.name}"
