"""Rules for trial components beyond the model's.  (API reference, CreateTrialComponent, UpdateTrialComponent.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.domain.made_of_job import MAPS, REMOVED
from pegbox.errors import ValidationException

MOST = {"Parameters": 300, "InputArtifacts": 60, "OutputArtifacts": 60}  #: keys, also after an update


def check(document: Mapping[str, Any]) -> None:
    """Raise ValidationException for what the shapes alone cannot refuse."""
    for name, value in (document.get("Parameters") or {}).items():
        if len(value) != 1:
            raise ValidationException(
                f"The parameter [{name}] must have one of StringValue and NumberValue, not both and not none."
            )
    for name, most in MOST.items():
        count = len(document.get(name) or {})
        if count > most:
            raise ValidationException(
                f"The trial component would have {count} {name}: their number must be less than or equal to {most}."
            )


def with_numbers(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with numbers as the service tells them: 3.0 also where 3 was given."""
    given = document.get("Parameters") or {}
    told = {
        name: {kind: float(each) if kind == "NumberValue" else each for kind, each in value.items()}
        for name, value in given.items()
    }
    return {**document, "Parameters": told}


def updated(document: Mapping[str, Any], request: Mapping[str, Any], *, is_made: bool) -> dict[str, Any]:
    """The document of a component after an UpdateTrialComponent request.

    `is_made`: of a job, from which it has parts that are not in the document; what is removed of them is noted there.
    """
    found = dict(document)
    for name in ("DisplayName", "Status", "StartTime", "EndTime"):
        if name in request:
            found[name] = request[name]
    removed: dict[str, list[str]] = dict(document.get(REMOVED) or {})
    for name in MAPS:
        added, gone = request.get(name) or {}, request.get(f"{name}ToRemove") or []
        values = {**(document.get(name) or {}), **added}
        found[name] = {key: value for key, value in values.items() if key not in gone}
        if is_made:
            before = [key for key in removed.get(name) or [] if key not in added]
            removed[name] = [*before, *(key for key in gone if key not in before)]
    return {**found, REMOVED: removed} if is_made else found
