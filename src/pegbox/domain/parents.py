"""What a warm started tuning job keeps of its parents, whatever becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.domain.autotune import OF_THE_SDK
from pegbox.domain.range_request import parse_ranges
from pegbox.domain.ranges import OBJECTIVE_HYPERPARAMETER, Space
from pegbox.domain.searches import Search, searches_of

IDENTICAL = "IdenticalDataAndAlgorithm"

_RECORD = "WarmStartParents"  #: member of the tuning job's document; not one of the API's
_ORIGIN = "ImportedFrom"  #: another one


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A tuning job that is named as a parent."""

    id: int
    name: str
    status: str
    document: Mapping[str, Any]
    launched: int  #: how many training jobs it has had
    algorithm: str  #: what its image means

    @property
    def is_foreign(self) -> bool:
        """Whether it was no tuning job: nobody knows its data and its algorithm but whoever names it as a parent."""
        return is_foreign(self.document)

    @property
    def search(self) -> Search:
        """Its only search, or the first."""
        return searches_of(self.document)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A parent as its child knows it; its training jobs are found by its id."""

    id: int
    name: str
    space: Space
    static: Mapping[str, str]  #: StaticHyperParameters that are the program's


def record(parents: Sequence[Parent]) -> dict[str, Any]:
    """What is added to the document of a tuning job with these parents."""
    kept = [
        {"id": parent.id, "name": parent.name, "ranges": parent.search.ranges, "static": parent.search.static}
        for parent in parents
    ]
    return {_RECORD: kept} if kept else {}


def imported(origin: str | None) -> dict[str, Any]:
    """What is added to the document of a tuning job that was none."""
    return {_ORIGIN: origin} if origin else {}


def is_foreign(document: Mapping[str, Any]) -> bool:
    """Whether a tuning job was something else before it was imported."""
    return _ORIGIN in document


def remembered(document: Mapping[str, Any]) -> Sequence[Remembered]:
    """The parents of a tuning job."""
    return [
        Remembered(
            id=kept["id"],
            name=kept["name"],
            space=parse_ranges(kept["ranges"], kept["static"]),
            static=of_the_program(kept["static"]),
        )
        for kept in document.get(_RECORD) or ()
    ]


def of_the_program(static: Mapping[str, str]) -> dict[str, str]:
    """Static hyperparameters without those that the service and the SDK add."""
    return {
        name: value
        for name, value in static.items()
        if name != OBJECTIVE_HYPERPARAMETER and not name.startswith(OF_THE_SDK)
    }


def is_identical(document: Mapping[str, Any]) -> bool:
    """Whether a tuning job has parents with the same data and algorithm."""
    return bool((document.get("WarmStartConfig") or {}).get("WarmStartType") == IDENTICAL)
