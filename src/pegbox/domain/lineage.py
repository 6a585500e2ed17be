"""What made what: the artifacts of a training job, and walks from one entity to those around it.

(SageMaker developer guide, "Lineage Tracking Entities", "Querying Lineage Entities"; API reference, QueryLineage.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

#: ArtifactType, and the other types of what the service itself makes
IMAGE, DATA_SET, CHECKPOINT, MODEL = "Image", "DataSet", "Checkpoint", "Model"
ENDPOINT, DEPLOYMENT, REPLACED = "Endpoint", "ModelDeployment", "ModelReplaced"
#: AssociationType
CONTRIBUTED, PRODUCED, ASSOCIATED = "ContributedTo", "Produced", "AssociatedWith"

DEEPEST = 10  #: MaxDepth, and its default
AT_ONCE = 500  #: entities whose associations are looked up together
MOST_LINKS = 200_000  #: associations that a walk may go over


class TooMany(Exception):
    """The walk came to more associations than it may go over."""


class Link(NamedTuple):
    """An association, by the ids of both ends."""

    source: int
    destination: int
    type: str | None  #: AssociationType


#: the associations that lead down from some entities (True) or up (False), at most so many
Look = Callable[[Collection[int], bool, int], Sequence[Link]]


def inputs(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(URI, type) of everything that a training job is made of."""
    if image := document["AlgorithmSpecification"].get("TrainingImage"):
        yield image, IMAGE
    for channel in document.get("InputDataConfig") or []:
        if source := channel["DataSource"].get("S3DataSource"):  # elsewhere there are file systems as well
            yield source["S3Uri"], DATA_SET
    if checkpoints := document.get("CheckpointConfig"):
        yield checkpoints["S3Uri"], CHECKPOINT


def artifact_name(uri: str, source_types: Sequence[Mapping[str, str]] = ()) -> str:
    """The name of an artifact: 32 hexadecimal digits, the same for the same source."""
    identity = [uri, *sorted(f"{each['SourceIdType']}={each['Value']}" for each in source_types)]
    return hashlib.sha256("\0".join(identity).encode()).hexdigest()[:32]


class Walk:
    """From entity to entity, in one way or both: down (True), up (False).

    `distances` and `links` are where it has come to, and over what.
    """

    def __init__(self, start: int, ways: Collection[bool]) -> None:
        self.distances: dict[int, int] = {start: 0}
        self.links: dict[Link, None] = {}
        self._ways = ways

    def levels(self, look: Look, depth: int) -> Iterator[list[int]]:
        """What it comes to first after one association, two and so on.

        Both ways, the direction may change at every entity.  Raises TooMany.
        """
        frontier = list(self.distances)
        for distance in range(1, depth + 1):
            found: list[int] = []
            for link in self._around(frontier, look):
                for end in (link.source, link.destination):
                    if end not in self.distances:
                        self.distances[end] = distance
                        found.append(end)
            if not found:
                return
            yield found
            frontier = found

    def _around(self, frontier: Sequence[int], look: Look) -> Iterator[Link]:
        for down in self._ways:
            for first in range(0, len(frontier), AT_ONCE):
                found = look(frontier[first : first + AT_ONCE], down, MOST_LINKS + 1 - len(self.links))
                self.links.update(dict.fromkeys(found))
                if len(self.links) > MOST_LINKS:
                    raise TooMany
                yield from found

    def keep(self, wanted: Collection[int], depth: int) -> None:
        """Keep what lies on a way of at most `depth` associations from the start to one of those that are wanted.

        Where the direction may change at every entity, only the shortest ways count: others would go to and fro.
        """
        left = self._left(wanted, depth)
        self.links = {
            link: None
            for link in self.links
            if any(
                following in left and self.distances[one] + 1 + left[following] <= depth
                for one, following in self._steps(link)
            )
        }
        self.distances = {each: self.distances[each] for each in left}

    def _left(self, wanted: Collection[int], depth: int) -> dict[int, int]:
        """How far it is from each entity to the nearest one that is wanted."""
        before: dict[int, list[int]] = {}
        for link in self.links:
            for one, following in self._steps(link):
                before.setdefault(following, []).append(one)
        left = dict.fromkeys(wanted, 0)
        frontier = list(wanted)
        while frontier:
            nearer = []
            for each in frontier:
                for one in before.get(each, ()):
                    if one not in left and self.distances[one] + left[each] < depth:
                        left[one] = left[each] + 1
                        nearer.append(one)
            frontier = nearer
        return left

    def _steps(self, link: Link) -> Iterator[tuple[int, int]]:
        """How the walk may have gone over an association."""
        for down in self._ways:
            one, following = (link.source, link.destination) if down else (link.destination, link.source)
            if len(self._ways) == 1 or self.distances[one] < self.distances[following]:
                yield one, following
