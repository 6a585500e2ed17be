"""Access keys: made at first start, kept in the database, the first one also in a file for its owner's clients."""

from __future__ import annotations

import configparser
import fcntl
import os
import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pegbox.settings import Settings
from pegbox.store.credentials import AccessKey, Credentials
from pegbox.wire.sigv4 import Key

_ID_SIGNS = string.ascii_uppercase + "234567"


def new_key(account: str, description: str, now: float) -> AccessKey:
    """A fresh key of an account, in the form that AWS clients expect."""
    return AccessKey(
        id="AKIA" + "".join(secrets.choice(_ID_SIGNS) for _ in range(16)),
        secret=secrets.token_urlsafe(30),
        account=account,
        description=description,
        created_at=now,
    )


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait for the others that start on this home."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of an installation, looked up for each request and remembered for a moment."""

    _credentials: Credentials
    _settings: Settings
    _clock: Callable[[], float]
    _known: dict[str, tuple[float, Key | None]] = field(default_factory=dict)

    MOMENT = 2.0  #: seconds until a removed key stops working
    MOST_KNOWN = 1000

    @property
    def file(self) -> Path:
        """The first key as an AWS credentials file, readable by its owner only."""
        return self._settings.home / "credentials"

    def first(self) -> AccessKey:
        """The key that this home's clients use; made, and written to the file, when there is none."""
        with _alone(self._settings.home / "run" / "credentials.lock"):
            return self._first()

    def _first(self) -> AccessKey:
        keys = {key.id: key for key in self._credentials.all()}
        written = self._written()
        if written in keys:
            return keys[written]
        key = new_key(self._settings.account_id, "made at first start", self._clock())
        self._credentials.add(key)
        self._write(key)
        return key

    def find(self, identity: str) -> Key | None:
        """The key with this id, for the verifier of signatures."""
        now = self._clock()
        known = self._known.get(identity)
        if known is not None and 0 <= now - known[0] < self.MOMENT:
            return known[1]
        found = self._credentials.find(identity)
        key = Key(found.id, found.secret, found.account) if found else None
        if len(self._known) >= self.MOST_KNOWN:
            self._known.clear()
        self._known[identity] = (now, key)
        return key

    def _written(self) -> str | None:
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(self.file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):  # damaged: it is put aside, as one of another database
            return None
        return parser.get("default", "aws_access_key_id", fallback=None)

    def _write(self, key: AccessKey) -> None:
        text = f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n"
        scratch = self.file.with_suffix(".new")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if self.file.exists():  # its key is of another database: the secret is nowhere else
            self.file.replace(self.file.with_suffix(".before"))
        scratch.replace(self.file)
