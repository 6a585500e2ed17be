"""What a training job's instances read, noted beside what was brought for them.

Each instance's tree has its own note and comes to its place together with it: where an earlier server has laid out a
tree that stays, its note says what is in there.  The note goes before the program starts, once the database has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pegbox.domain.readings import Dataset, Reading, ReadObject, Source, Version, merged, plain
from pegbox.objects.locations import parse

NOTE = "read.json"  #: in an instance's folder


@dataclass(frozen=True, slots=True)
class Brought:
    """What came to one instance from one place."""

    channel: str  #: or the folder that it came to
    place: str
    source: Source
    versions: Sequence[Version] = ()

    @classmethod
    def of_channel(cls, channel: Mapping[str, Any]) -> Brought:
        """Nothing yet of a channel."""
        asked = channel["DataSource"]["S3DataSource"]
        return cls(channel["ChannelName"], str(parse(asked["S3Uri"])), Source(asked["S3DataType"]))

    def with_versions(self, versions: Sequence[Version]) -> Brought:
        """The same with objects."""
        return replace(self, versions=versions)


def write(folder: Path, brought: Sequence[Brought]) -> None:
    """Note what was brought for the instance whose folder this is."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [[each.channel, each.place, each.source, each.versions] for each in brought]
    (folder / NOTE).write_text(json.dumps(parts), encoding="ascii")


def found(directory: Path, hosts: Sequence[str], document: Mapping[str, Any]) -> list[Reading]:
    """What the instances have whose trees are in their places.

    Without a note, which a power cut may have taken, or if an older version has laid out a tree, it is known that the
    channels were read, and no more.
    """
    notes = [_note(directory / host) for host in hosts]
    if not all(notes):
        channels = map(Brought.of_channel, document.get("InputDataConfig") or [])
        return [_reading(each, None) for each in channels]
    readings = []
    for parts in zip(*notes, strict=True):  # the same on all instances, in the same order
        objects = merged([[(plain(place), *rest) for place, *rest in part.versions] for part in parts])
        if objects:  # most jobs find no checkpoints
            readings.append(_reading(parts[0], objects))
    return readings


def forget(directory: Path, hosts: Sequence[str]) -> None:
    """Remove the notes: programs are not to find them."""
    for host in hosts:
        (directory / host / NOTE).unlink(missing_ok=True)


def _note(folder: Path) -> list[Brought]:
    try:
        return [Brought(*part) for part in json.loads((folder / NOTE).read_bytes())]
    except (FileNotFoundError, ValueError):
        return []


def _reading(part: Brought, objects: Sequence[ReadObject] | None) -> Reading:
    dataset = Dataset(place=plain(part.place), source=Source(part.source), objects=objects)
    return Reading(channel=part.channel, dataset=dataset)
