"""What of ended jobs is old.  The jobs themselves are their users' record, and stay."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Engine, Select, and_, delete, exists, func, or_, select

from pegbox.store import connections, schema
from pegbox.store.base import Kind

BATCH = 100  #: jobs whose points are removed in one transaction

_rows, _points = schema.resource, schema.point
_parent = schema.resource.alias("parent")


class Retention:
    """Finds and removes what is older than somebody wants to keep."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ended(self, before: float, among: Collection[int]) -> set[int]:
        """Those of the training jobs `among` that ended before a moment (epoch seconds)."""
        found: set[int] = set()
        identities = sorted(among)
        with connections.reading(self._engine) as connection:
            for start in range(0, len(identities), BATCH):
                some = _rows.c.id.in_(identities[start : start + BATCH])
                old = select(_rows.c.id).where(some, _is_old(before))
                found.update(connection.execute(old).scalars())
        return found

    def with_points(self, before: float) -> int:
        """How many training jobs have metric points and ended, with their tuning jobs, before a moment."""
        with connections.reading(self._engine) as connection, connections.unhurried(connection):
            return int(
                connection.execute(select(func.count()).select_from(_with_points(before).subquery())).scalar_one()
            )

    def drop_points(self, before: float) -> int:
        """Remove the metric points of some of these jobs; returns of how many, 0 when none is left.

        A job's final metrics are in its own row, and stay.  A tuning job that goes on may want its children's curves.
        """
        with connections.writing(self._engine) as connection, connections.unhurried(connection):
            some = list(connection.execute(_with_points(before).limit(BATCH)).scalars())
            if some:
                connection.execute(delete(_points).where(_points.c.resource_id.in_(some)))
        return len(some)


def _is_old(before: float) -> ColumnElement[bool]:
    return and_(_rows.c.kind == Kind.TRAINING_JOB.value, _rows.c.ended_at < before)


def _with_points(before: float) -> Select[tuple[int]]:
    lives = or_(_parent.c.ended_at.is_(None), _parent.c.ended_at >= before)
    going_on = exists().where(_parent.c.id == _rows.c.parent_id, lives)
    has_points = exists().where(_points.c.resource_id == _rows.c.id)
    return select(_rows.c.id).where(_is_old(before), ~going_on, has_points).order_by(_rows.c.id)
