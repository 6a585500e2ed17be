"""Access keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, delete, insert, select

from pegbox.store import connections, schema

_keys = schema.access_key


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """Who may call."""

    id: str
    secret: str = field(repr=False)
    account: str
    description: str = ""
    created_at: float


class Credentials:
    """The access keys of the installation; secrets are kept as they are, since SigV4 needs them to compute with."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, identity: str) -> AccessKey | None:
        """The key with this id."""
        with connections.reading(self._engine) as connection:
            row = connection.execute(select(_keys).where(_keys.c.id == identity)).first()
        return AccessKey(**row._mapping) if row else None

    def all(self) -> Sequence[AccessKey]:
        """Every key, oldest first."""
        with connections.reading(self._engine) as connection:
            found = connection.execute(select(_keys).order_by(_keys.c.created_at, _keys.c.id)).all()
        return [AccessKey(**row._mapping) for row in found]

    def add(self, key: AccessKey) -> None:
        """Keep a new key."""
        values = {name: getattr(key, name) for name in ("id", "secret", "account", "description", "created_at")}
        with connections.writing(self._engine) as connection:
            connection.execute(insert(_keys).values(**values))

    def remove(self, identity: str) -> bool:
        """Forget a key; False if there is none of this id."""
        with connections.writing(self._engine) as connection:
            return connection.execute(delete(_keys).where(_keys.c.id == identity)).rowcount == 1
