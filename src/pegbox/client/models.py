"""The models that training jobs have saved: whether they are there, and fetching them."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from pegbox.objects.locations import parse

if TYPE_CHECKING:
    from pegbox.client.connection import Connection

MOST_EMPTY = 512  #: bytes; an archive that is larger has a file in it, and is not looked into
MISSING = ("404", "NoSuchKey", "NoSuchBucket")
LONGEST_PATH = 3800  #: bytes; Linux takes 4,095, and the name of one more member has to fit
NOTHING = "nothing was saved in SM_MODEL_DIR"
#: what tarfile and what it reads with raise for no archive, or a damaged one; KeyError is a link to nothing
DAMAGED = (
    tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError, KeyError, ValueError, OverflowError,
    RecursionError,
)  # fmt: skip


class NoModel(Exception):
    """There is nothing to fetch, or no place for it; the message says why."""


def shown(connection: Connection, uri: str) -> str:
    """The URI of a model for people, or a word on why there is none."""
    try:
        return NOTHING if _is_empty(*_store(connection, uri)) else uri
    except (NoModel, OSError):
        return uri  # there is something, or nobody can tell from here
    except Exception as error:
        if not type(error).__module__.startswith("botocore."):
            raise
        return uri  # a store that is not there, or of which this user has no key, keeps no report from being made


def _is_empty(store: _Store, key: str) -> bool:
    """Whether there is nothing, or an archive of nothing."""
    if key.endswith("/"):
        return next(store.below(key), None) is None
    size = store.size(key)
    if size is None or size > MOST_EMPTY:
        return size is None
    content = io.BytesIO()
    store.copy(key, content)
    content.seek(0)
    with _unpacking(), tarfile.open(fileobj=content) as archive:
        return archive.next() is None


def fetch(connection: Connection, uri: str, into: Path) -> int:
    """Put the files of a model into a folder that is new or empty; returns how many.  Raises NoModel, OSError."""
    store, key = _store(connection, uri)
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise NoModel(f"{into} is there already: name a folder that is new or empty with --output")
    is_there, folder = into.exists(), into.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder if is_there else folder.parent) as scratch:
        whole = Path(scratch) / "model"
        whole.mkdir()
        (_copy_all if uri.endswith("/") else _unpack)(store, key, whole)
        count = sum(not each.is_dir() for each in whole.rglob("*"))
        if not count:
            raise NoModel(f"{NOTHING}: {uri}")
        if is_there:  # it may be mounted, or somebody stand in it
            for each in list(whole.iterdir()):
                each.replace(folder / each.name)
        else:
            whole.replace(folder)
    return count


def _unpack(store: _Store, key: str, folder: Path) -> None:
    """The program made the archive: nothing in it may lead out of the folder."""
    if store.size(key) is None:
        raise NoModel(NOTHING)
    with tempfile.TemporaryFile(dir=folder.parent) as content:
        store.copy(key, content)
        content.seek(0)
        with _unpacking(), tarfile.open(fileobj=content) as archive:
            _check_names(archive, folder)
            archive.extractall(folder, filter="data")


@contextmanager
def _unpacking() -> Iterator[None]:
    """Raises NoModel for an archive that cannot be unpacked."""
    try:
        yield
    except DAMAGED as error:
        why = str(error).partition("\n")[0].rstrip(":")
        raise NoModel(f"the archive cannot be unpacked: {why or type(error).__name__}") from None


def _check_names(archive: tarfile.TarFile, folder: Path) -> None:
    """Refuse what tarfile's filter is not up to in all versions of Python: paths too long for the system, and members
    behind links (CVE-2025-4517).  Raises TarError.
    """
    links: set[PurePosixPath] = set()
    for member in archive:
        path = PurePosixPath(member.name.lstrip("/"))
        if len(os.fsencode(folder / path)) > LONGEST_PATH:
            raise tarfile.TarError(f"the name [{member.name[:200]}] is too long")
        if not links.isdisjoint((path, *path.parents)) or ".." in path.parts:
            raise tarfile.TarError(f"[{member.name[:200]}] lies behind a link")
        if member.issym():
            links.add(path)
        elif member.islnk() and not links.isdisjoint(PurePosixPath(member.linkname).parents):
            raise tarfile.TarError(f"[{member.name[:200]}] is a link to what lies behind a link")


def _copy_all(store: _Store, prefix: str, folder: Path) -> None:
    for key in store.below(prefix):
        target = folder / key.removeprefix(prefix)
        if ".." in target.parts or target == folder or not target.is_relative_to(folder):
            raise NoModel(f"{key} does not lie below {prefix}")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as content:
            store.copy(key, content)


class _Store(Protocol):
    """Where a model lies."""

    def size(self, key: str) -> int | None:
        """Bytes; None where there is nothing."""
        ...

    def below(self, prefix: str) -> Iterator[str]:
        """The keys of all files."""
        ...

    def copy(self, key: str, into: BinaryIO) -> None:
        """Write the content of a file."""
        ...


class _Bucket:
    def __init__(self, s3: Any, name: str) -> None:
        self._s3, self._name = s3, name

    def size(self, key: str) -> int | None:
        try:
            return int(self._s3.head_object(Bucket=self._name, Key=key)["ContentLength"])
        except self._s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            return None

    def below(self, prefix: str) -> Iterator[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
        keys = (each["Key"] for page in pages for each in page.get("Contents", []))
        return (key for key in keys if not key.endswith("/"))  # else it stands for a folder

    def copy(self, key: str, into: BinaryIO) -> None:
        self._s3.download_fileobj(self._name, key, into)


class _Disk:
    def size(self, key: str) -> int | None:
        path = Path(key)
        return path.stat().st_size if path.is_file() else None

    def below(self, prefix: str) -> Iterator[str]:
        return (str(path) for path in Path(prefix).rglob("*") if path.is_file())

    def copy(self, key: str, into: BinaryIO) -> None:
        with Path(key).open("rb") as content:
            shutil.copyfileobj(content, into)


def _store(connection: Connection, uri: str) -> tuple[_Store, str]:
    """Where it lies, and its key there.  Raises NoModel where that is out of reach."""
    try:
        at = parse(uri)
    except ValueError as error:  # what was imported may lie anywhere
        raise NoModel(str(error)) from None
    if at.scheme == "s3":
        return _Bucket(connection.client("s3"), at.bucket), at.key
    if not connection.is_ours:
        raise NoModel(f"the model is on the machine of the server: {uri}")
    return _Disk(), at.key
