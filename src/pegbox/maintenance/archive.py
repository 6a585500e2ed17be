"""The form of a backup: a folder that only its owner may read.

    manifest.json            what is in it: written last, and atomically.  Without it a backup is incomplete
    database/<table>.jsonl   one JSON object a row, of whichever database
    objects/index.db         buckets, objects and uploads
    objects/content/ab/...   their bytes, as in the home; hard links where the home is on the same file system
    attempts/<job>/<n>/...   logs and metric points of training jobs
    credentials, pegbox.toml

Content files are never changed by anybody, so a link is as good as a copy until the disk itself fails.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pegbox.small_files import sync_folder

FORMAT = 1
MANIFEST = "manifest.json"
STEP = 1 << 20
SETTINGS_FILE, CREDENTIALS_FILE = "pegbox.toml", "credentials"
FULL = {errno.ENOSPC, errno.EDQUOT}
NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.EACCES}


class MaintenanceError(Exception):
    """It cannot be done; the message says why and what to do."""


@contextmanager
def blaming(folder: Path, what_to_do: str, written: Path) -> Iterator[None]:
    """Raise MaintenanceError for trouble with what is in `folder`, and for a full disk of the folder `written`."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise MaintenanceError(f"{written}: {error.strerror}: make room on its disk, then try again") from error
        named = error.filename2 or error.filename
        blamed = folder if named is None else Path(os.fsdecode(named))
        if named is None or not (blamed.is_relative_to(folder) or folder.is_relative_to(blamed)):
            raise
        raise MaintenanceError(f"{blamed}: {error.strerror}: {what_to_do}") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a backup."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds."""

    format: int
    pegbox: str  #: version that made it
    made: float  #: epoch seconds, when the database was read
    schema: str  #: revision of the tables
    home: str  #: whose it is
    rows: Mapping[str, int]  #: table -> rows
    files: Mapping[str, Entry]  #: path below the folder -> what it is

    def write(self, folder: Path) -> None:
        """Make the backup complete."""
        scratch = folder / f".{MANIFEST}"
        with private(scratch) as file:
            file.write(json.dumps(asdict(self)).encode())
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(folder / MANIFEST)
        sync_folder(folder)

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a complete backup.  Raises MaintenanceError."""
        try:
            document: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
            if document["format"] > FORMAT:
                raise MaintenanceError(f"{folder} is of a newer form of backup: install a newer pegbox")
            files = {_inside(path): Entry(**entry) for path, entry in document.pop("files").items()}
            return cls(**document, files=files)
        except (FileNotFoundError, NotADirectoryError):
            raise MaintenanceError(f"{folder} is no complete backup: it has no {MANIFEST}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise MaintenanceError(f"{folder / MANIFEST} is damaged") from None


def _inside(path: str) -> str:
    """A path of a manifest.  Raises ValueError for one that may lead out of the folder."""
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise ValueError(path)
    return path


def private(path: Path) -> Any:
    """Open a new file for writing bytes that only its owner may read; missing folders are made."""
    private_folder(path.parent)
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags | os.O_CLOEXEC, 0o600))


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only."""
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(exist_ok=True, mode=0o700)


def digest(path: Path) -> Entry:
    """Size and digest of a file."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
        return Entry(file.tell(), found.hexdigest())


def copy(source: Path, target: Path) -> None:
    """Copy a file, whole or not at all; what is appended meanwhile may or may not be in it.  FileNotFoundError."""
    scratch = target.with_name(f".{target.name}.part")
    with source.open("rb") as file, private(scratch) as into:
        shutil.copyfileobj(file, into, STEP)
    scratch.replace(target)


def link_or_copy(source: Path, target: Path) -> None:
    """Give an unchangeable file a second name, on another file system a copy.  FileNotFoundError.

    What an interrupted try has brought stays, if it is whole: a power cut may have left a name without its bytes.
    """
    private_folder(target.parent)
    try:
        os.link(source, target)
    except FileExistsError:
        if not (source.samefile(target) or _is_copy(source, target)):
            copy(source, target)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        copy(source, target)


def _is_copy(source: Path, target: Path) -> bool:
    return source.stat().st_size == target.stat().st_size and digest(source) == digest(target)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file, in an order that is always the same."""
    for found in sorted(folder.rglob("*")):
        if not found.is_dir() or found.is_symlink():
            yield found


def sync_all() -> None:
    """Bring what was written to disk."""
    os.sync()
