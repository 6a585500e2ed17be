"""From S3Uri to files: which objects a channel has, under which names, on which instance.

(SageMaker developer guide, "Access Training Data"; API reference, S3DataSource.)
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pegbox.domain.readings import Version
from pegbox.engine.faults import ClientFault
from pegbox.objects.base import Location, NoSuchObject, ObjectInfo, ObjectStore, unseen
from pegbox.objects.locations import parse

AT_ONCE = 8  #: objects fetched side by side: most of the time of a small one from an outside S3 is waiting
_BATCH = 1000
#: by scheme of a location: what is not there, and what to look at
_WHERE = {
    "s3": ("S3 objects found under S3 URL", "Check the bucket, the prefix and the account."),
    "file": ("files found under file URL", "Check that the folder is there and that the server's user may read it."),
}
MOST_MANIFEST = 64 << 20  #: bytes of a manifest file
MOST_ENTRIES = 1_000_000
LONGEST_ENTRY = 4096  #: characters of the first entry
_BEGIN = re.compile(r"\s*\[\s*")
_ENTRY = re.compile(r'\s*,\s*("(?:[^"\\\x00-\x1f]|\\.)*+")')
_END = re.compile(r"\s*\]\s*")


@dataclass(frozen=True, slots=True)
class Input:
    """One object of a channel and its path below the channel's directory."""

    location: Location
    path: PurePosixPath


def inputs(
    objects: ObjectStore, account: str, channel: Mapping[str, Any], seen: Callable[[ObjectInfo], None] = unseen
) -> list[Input]:
    """All objects of a channel, sorted by key; `seen` is told of a manifest.  Raises ClientFault when there is none."""
    source = channel["DataSource"]["S3DataSource"]
    location = parse(source["S3Uri"])
    try:
        if source["S3DataType"] == "ManifestFile":
            found = list(_manifest(objects, account, location, seen))
        else:
            found = list(below(objects, account, location))
    except NoSuchObject:
        found = []
    if not found:
        what, look = _WHERE[location.scheme]
        raise ClientFault(
            f"Data download failed: No {what} [{source['S3Uri']}] given in input data source "
            f"of channel [{channel['ChannelName']}]. {look}"
        )
    return found


def share(found: Sequence[Input], channel: Mapping[str, Any], instance: int, count: int) -> Sequence[Input]:
    """The part that one of `count` instances gets: everything, or every count-th object (ShardedByS3Key)."""
    distribution = channel["DataSource"]["S3DataSource"].get("S3DataDistributionType")
    return found[instance::count] if distribution == "ShardedByS3Key" else found


def fetch(objects: ObjectStore, account: str, found: Sequence[Input], into: Path) -> list[Version]:
    """Write the objects below the directory `into`; returns in which versions.

    Raises ClientFault when one is gone, or is a file and a folder at once.
    """
    into.mkdir(parents=True, exist_ok=True)

    def one(item: Input) -> Version:
        return version(item.location, _fetch(objects, account, item, into / item.path))

    written: list[Version] = []
    with ThreadPoolExecutor(AT_ONCE, "fetch") as pool:
        for start in range(0, len(found), _BATCH):
            written += pool.map(one, found[start : start + _BATCH])
    return written


def version(location: Location, info: ObjectInfo) -> Version:
    """An object as it was read."""
    return str(location), info.etag, info.size


def _fetch(objects: ObjectStore, account: str, item: Input, target: Path) -> ObjectInfo:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return objects.fetch(account, item.location, target)
    except NoSuchObject:
        raise ClientFault(f"Data download failed: [{item.location}] does not exist.") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ClientFault(
            f"Data download failed: [{item.location}] is both a file and a folder in the channel."
        ) from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise ClientFault(f"Data download failed: [{item.location}] is too long for the name of a file.") from None


def folder(location: Location) -> Location:
    """The prefix of everything in the folder that a location names; of a whole bucket, the empty one."""
    key = location.key.rstrip("/")
    return replace(location, key=f"{key}/" if key or location.scheme == "file" else "")


def below(objects: ObjectStore, account: str, prefix: Location) -> Iterator[Input]:
    """All objects under a prefix and their paths below it.  Raises NoSuchObject for a missing bucket."""
    for info in objects.list(account, prefix):
        if info.key.endswith("/"):
            continue  # a marker of an empty folder
        yield Input(replace(prefix, key=info.key), _safe(_tail(prefix.key, info.key), info.key))


def _tail(prefix: str, key: str) -> str:
    """The path of a key below its channel: a prefix that names a folder drops the folder, a part of a name stays."""
    rest = key[len(prefix) :]
    if prefix.endswith("/") or not prefix:
        return rest
    if rest.startswith("/"):
        return rest[1:]
    return prefix.rsplit("/", 1)[-1] + rest


def _manifest(
    objects: ObjectStore, account: str, location: Location, seen: Callable[[ObjectInfo], None]
) -> Iterator[Input]:
    with objects.open(account, location, seen) as file:
        data = file.read(MOST_MANIFEST + 1)
    if len(data) > MOST_MANIFEST:
        raise ClientFault(f"Data download failed: the manifest [{location}] is longer than {MOST_MANIFEST} bytes.")
    try:
        base, names = _entries(data.decode())
        prefix = parse(base)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ClientFault(
            f"Data download failed: the manifest [{location}] is not of the form "
            '[{"prefix": "s3://..."}, "key", ...].'
        ) from None
    if len(names) > MOST_ENTRIES:
        raise ClientFault(f"Data download failed: the manifest [{location}] has more than {MOST_ENTRIES} entries.")
    for name in sorted(names):
        yield Input(replace(prefix, key=prefix.key + name), _safe(name, name))


def _entries(text: str) -> tuple[str, set[str]]:
    """The prefix and the names of a manifest, read one by one: JSON of a quarter of this size can fill a memory.

    Raises ValueError and others for what is no manifest; stops behind MOST_ENTRIES.
    """
    begin = _BEGIN.match(text)
    if begin is None:
        raise ValueError("no list")
    first, length = json.JSONDecoder().raw_decode(text[begin.end() : begin.end() + LONGEST_ENTRY])
    names: set[str] = set()
    at = begin.end() + length
    while (entry := _ENTRY.match(text, at)) and len(names) <= MOST_ENTRIES:
        name = json.loads(entry[1]) if "\\" in entry[1] else entry[1][1:-1]
        name.encode()  # an escape may be half of a sign, which is no key
        names.add(name)
        at = entry.end()
    if len(names) <= MOST_ENTRIES and not _END.fullmatch(text, at):
        raise ValueError("no list of strings")
    return str(first["prefix"]), names


def _safe(path: str, key: str) -> PurePosixPath:
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\x00" in path:
        raise ClientFault(f"Data download failed: the S3 key [{key}] can't be the name of a file.")
    return PurePosixPath(*parts)
