"""What training jobs read: places, and the versions of the objects that were there then."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

MOST_PREFIX = 512  #: characters of a location that are in an index; PostgreSQL has room for 2,700 bytes

Version = tuple[str, str, int]  #: of an object: location, ETag, bytes


class Source(StrEnum):
    """What named the objects: S3DataType of a channel, or what else a job reads before its program starts."""

    PREFIX = "S3Prefix"
    MANIFEST = "ManifestFile"
    AUGMENTED = "AugmentedManifestFile"  #: this and the next of jobs that have run elsewhere
    CONVERSE = "Converse"
    CHECKPOINTS = "Checkpoints"
    CODE = "SourceCode"


LISTS = frozenset({Source.MANIFEST.value, Source.AUGMENTED.value})  #: they name objects, which can lie anywhere


class ReadObject(NamedTuple):
    """An object in the version that was read."""

    location: str  #: s3://bucket/key or file:///path
    etag: str  #: of a file, what stands in for it
    size: int  #: bytes
    instance: int = 0  #: that alone had it so, from 1; 0: all had it


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Objects of one place in their versions; all readings of the same share one."""

    place: str  #: S3Uri, as s3://bucket/key or file:///path
    source: Source
    objects: Sequence[ReadObject] | None  #: sorted; None: nobody knows

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all of it: two datasets are the same if these are."""
        return hashlib.sha256(json.dumps([self.place, self.source, self.objects]).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one channel of a job, or another `channel` of its container, brought."""

    channel: str  #: ChannelName; of checkpoints and source code the folder that they come to
    dataset: Dataset


def merged(instances: Sequence[Sequence[Version]]) -> list[ReadObject]:
    """What the instances have, each object once if all have it in the same version."""
    everywhere = set(instances[0]).intersection(*instances[1:])
    found = [ReadObject(*version) for version in everywhere]
    for number, versions in enumerate(instances, 1):
        found += [ReadObject(*version, number) for version in set(versions) - everywhere]
    return sorted(found)


def plain(location: str) -> str:
    """A location as every database keeps it: names of files may have bytes that are no text."""
    return location.encode(errors="surrogateescape").decode(errors="backslashreplace").replace("\0", "\\x00")


def above(location: str) -> Sequence[str]:
    """Everything that is a prefix of a location, as far as it is in an index: a place may be any of them."""
    begin = location.index("://") + 3
    return [location[:length] for length in range(begin, min(len(location), MOST_PREFIX) + 1)]


def covers(place: str, source: str, location: str) -> bool:
    """Whether somebody who names this place means the object, or what lies in the folder, at a location too."""
    return location.startswith(place) if source not in LISTS else location == place


def is_at(location: str, asked: str) -> bool:
    """Whether an object, or a place, is the one that is asked for, or lies in that folder."""
    return location == asked or location.startswith(folder(asked))


def folder(asked: str) -> str:
    """How the locations begin of what lies in a folder or a bucket."""
    return asked if asked.endswith("/") else f"{asked}/"


class Relation(StrEnum):
    """What a reading says of the objects that somebody asks for, the most telling first."""

    USED = "Used"  #: it has them
    OTHER_VERSION = "OtherVersion"  #: it has them, but not in the version that is asked for
    NOT_RECORDED = "NotRecorded"  #: it is of a place that has them, and what was there then is not known
    NOT_YET = "NotYet"  #: the job names a place that has them, and has not read it so far
    NOT_THERE = "NotThere"  #: it is of a place that has them, and they were not there then


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who has read an object, or what lies in a folder?"""

    account: str
    region: str
    location: str
    etag: str | None = None  #: in this version only


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A reading that has to do with a question."""

    job: str
    job_id: int
    created_at: float
    is_gone: bool  #: the job
    attempt: int
    channel: str
    read_at: float
    dataset: int
    relation: Relation

    @property
    def place(self) -> Sequence[int | float | str]:
        """In the order of all readings, in which the newest come first."""
        return self.job_id, self.created_at, self.attempt, self.channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of a dataset is asked for."""

    place: str
    source: str
    count: int  #: of objects
    objects: Sequence[ReadObject]  #: the first of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """A page; `counts` has the readings of all pages, `jobs`, on the first, how many have used what is asked for."""

    readers: Sequence[Reader]
    parts: dict[int, Part]  #: by dataset
    is_last: bool
    counts: dict[Relation, int]
    jobs: int
