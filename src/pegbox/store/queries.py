"""What lists and searches ask of the database, and the pages that it answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pegbox.domain.query import Node
from pegbox.store.resources import Kind, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which resources to list, in which order."""

    account: str
    region: str
    kind: Kind
    sort_by: str = "name"  #: name, created_at, status, objective
    descending: bool = False
    parent_id: int | None = None
    type: str | None = None  #: of an entity of lineage
    source: str | None = None  #: SourceUri of such
    trial_id: int | None = None  #: only its components
    component_id: int | None = None  #: only its trials
    experiment_id: int | None = None  #: only the components of its trials
    with_deleted: bool = False  #: of training jobs, also those that were deleted
    name_contains: str | None = None  #: without regard to case
    status: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    modified_after: float | None = None
    modified_before: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page and where the next one begins: (sort value, id) of the last row, or None at the end."""

    resources: Sequence[Resource]
    after: tuple[Any, int] | None


class Place(NamedTuple):
    """Where a page of a search ended: the value by which it was sorted, what that is, and whose it was."""

    part: str  #: num, txt, or none for what lacks the property
    value: float | str
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for among the properties of resources, in which order.

    Numbers come before text, in both directions before what has neither; of equal values the newest comes first.  A
    list sorts by its first element.  `sort_by` is a property's name, `anchor` one that every resource has.
    """

    account: str
    region: str
    kind: Kind
    wanted: Node
    sort_by: str
    descending: bool
    anchor: str
    lists: Collection[str]  #: the beginnings of names that a resource may have several values of
    limit: int
    after: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of a search; `after` is None at the end.  A page may be short and not the last: time was up,
    or what is on it is large."""

    resources: Sequence[Resource]
    after: Place | None
    total: int  #: of all pages
    exact: bool  #: otherwise there are at least so many
