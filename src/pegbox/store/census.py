"""Counting resources, cheaply enough to be asked again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from pegbox.store import connections, schema
from pegbox.store.dialects import clock

_rows = schema.resource.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many resources are alike."""

    kind: str
    status: str
    host: str | None  #: whose slot they hold; None also for all that have ended
    count: int


class Census:
    """The counts of a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def has_servers(self, seconds: float) -> bool:
        """Whether some server has given a sign of life in so many seconds."""
        hosts = schema.host.c
        living = select(hosts.id).where(hosts.seen_at > clock(self._engine.dialect.name) - seconds).limit(1)
        with connections.reading(self._engine) as connection:
            return connection.execute(living).first() is not None

    def living(self) -> Sequence[Counted]:
        """What has not ended, by kind, status and host: read by the index of the living alone."""
        alike = (_rows.kind, _rows.status, _rows.host)
        counted = select(*alike, func.count()).where(_rows.ended_at.is_(None)).group_by(*alike)
        with connections.reading(self._engine) as connection:
            found = connection.execute(counted).all()
        return [Counted(kind=kind, status=status, host=host, count=count) for kind, status, host, count in found]

    def ended(self) -> Sequence[Counted]:
        """What has ended, by kind and status.  It looks at every row."""
        counted = (
            select(_rows.kind, _rows.status, func.count())
            .where(_rows.ended_at.is_not(None))
            .group_by(_rows.kind, _rows.status)
        )
        with connections.reading(self._engine) as connection:
            found = connection.execute(counted).all()
        return [Counted(kind=kind, status=status, host=None, count=count) for kind, status, count in found]
