"""The part of a Transaction that is about lineage: artifacts, actions and contexts, and what is associated with what.

Entities:     resources with a type and the URI of what they stand for.  Of a training job there is none: the job itself
              is in the place of its trial component.
Associations: from one resource to another, at most one each way; they go with either of them.
Tracing:      training jobs leave no lineage when they are written.  It is read off them when somebody asks, once for
              each job when it is there, and once more when it has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pegbox.domain.lineage import Link
from pegbox.store.resources import Kind, Resource

#: kind -> type, of what has none of its own; a training job, deleted or not, is in the place of its trial component
TYPES: Mapping[str, str] = {
    "training-job": "TrainingJob",
    "deleted-training-job": "TrainingJob",
    "experiment-trial-component": "TrialComponent",
    "experiment": "Experiment",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A resource before it is added, and what can be asked of it."""

    row: Resource
    type: str  #: ArtifactType, ActionType or ContextType
    source: str  #: SourceUri
    is_made: bool = False  #: by the service, not by a request


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An artifact that a training job read or wrote."""

    artifact: Entity
    job: int
    is_input: bool
    type: str  #: AssociationType
    at: float  #: epoch seconds


class Ends(NamedTuple):
    """An association with what is known of both ends."""

    source: Resource
    destination: Resource
    source_type: str | None
    destination_type: str | None
    type: str | None
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationQuery:
    """Which associations to list, in which order."""

    account: str
    region: str
    source: int | None = None
    destination: int | None = None
    source_type: str | None = None
    destination_type: str | None = None
    type: str | None = None
    created_after: float | None = None
    created_before: float | None = None
    sort_by: str = "CreationTime"  #: also SourceArn, DestinationArn, SourceType, DestinationType
    descending: bool = True


class Graph(Protocol):
    """What a Transaction knows of lineage."""

    def add(self, entity: Entity) -> Resource:
        """Add an entity.  Raises AlreadyExists."""
        ...

    def types(self, identities: Collection[int]) -> Mapping[int, str]:
        """The types of those that have one."""
        ...

    def rows(self, identities: Collection[int]) -> Mapping[int, Resource]:
        """Those of these resources that there are."""
        ...

    def made_by_requests(self, account: str, region: str, kind: Kind) -> int:
        """How many entities of a kind were made by requests."""
        ...

    def connect(self, edge: Link, at: float, *, is_made: bool = False) -> bool:
        """Associate two resources; False if they are.  Raises NotFound for one that was deleted just now."""
        ...

    def disconnect(self, source: int, destination: int) -> bool:
        """End an association; False if there is none."""
        ...

    def connected_by_requests(self, account: str, region: str) -> int:
        """How many associations were made by requests."""
        ...

    def is_connected(self, identity: int) -> bool:
        """Whether a resource has associations."""
        ...

    def links(self, identities: Collection[int], down: bool, most: int) -> Sequence[Link]:
        """Some associations whose sources these are; without `down` those whose destinations they are."""
        ...

    def associations(
        self, query: AssociationQuery, after: tuple[Any, int, int] | None, limit: int
    ) -> tuple[Sequence[Ends], tuple[Any, int, int] | None]:
        """A page by keyset, and where the next one begins: the value sorted by, source and destination."""
        ...

    def has_untraced(self, account: str, region: str) -> bool:
        """Whether lineage of some training job has not been read yet."""
        ...

    def alone(self) -> None:
        """Let nobody else trace, or delete entities, until the transaction ends."""
        ...

    def untraced(self, account: str, region: str, limit: int) -> Sequence[Resource]:
        """Some of these, the oldest first; nobody else traces until the transaction ends."""
        ...

    def trace(self, jobs: Sequence[Resource], steps: Sequence[Step]) -> None:
        """Add what was read off jobs that `untraced` has told; artifacts that are there are left as they are.

        Raises Stale if one of the jobs was deleted meanwhile.
        """
        ...
