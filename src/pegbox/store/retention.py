"""What of ended jobs is old.  The jobs themselves are their users' record, and stay."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from pegbox.store import connections, schema
from pegbox.store.resources import TRAINED

BATCH = 100  #: jobs whose points, or datasets that, are removed in one transaction
PIECE = 20_000  #: objects of such datasets that are

_rows, _points, _readings, _sets = schema.resource, schema.point, schema.reading, schema.dataset
_objects = schema.dataset_object
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

    def with_readings(self, before: float) -> int:
        """How many jobs read something before a moment, and are not under way."""
        with connections.reading(self._engine) as connection, connections.unhurried(connection):
            return int(
                connection.execute(select(func.count()).select_from(_with_readings(before).subquery())).scalar_one()
            )

    def drop_readings(self, before: float) -> int:
        """Remove what some of these jobs read then; returns of how many, 0 when none is left."""
        with connections.writing(self._engine) as connection, connections.unhurried(connection):
            some = [tuple(row) for row in connection.execute(_with_readings(before).limit(BATCH))]
            for job, created in some:
                of_it = and_(_readings.c.job_id == job, _readings.c.created_at == created)
                connection.execute(delete(_readings).where(of_it, _readings.c.read_at < before))
        return len(some)

    def drop_datasets(self) -> int:
        """Remove some datasets without a reading, or objects of theirs; not those that somebody is about to read."""
        is_read = exists().where(_readings.c.dataset_id == _sets.c.id)
        free = select(_sets.c.id).where(~is_read).order_by(_sets.c.id).limit(BATCH)
        with connections.writing(self._engine) as connection, connections.unhurried(connection):
            some = list(connection.execute(free.with_for_update(skip_locked=True)).scalars())
            # Nobody can begin to read them now; somebody may have, just before.
            gone = and_(_sets.c.id.in_(some), ~is_read)
            some = list(connection.execute(select(_sets.c.id).where(gone)).scalars()) if some else []
            if not some:
                return 0
            if count := _drop_objects(connection, some):
                connection.execute(update(_sets).where(gone).values(is_whole=0))
                return count
            return connection.execute(delete(_sets).where(gone)).rowcount


def _drop_objects(connection: Connection, datasets: Sequence[int]) -> int:
    """Remove as many objects as other writers can wait for, if there are more; else 0, they go with their datasets."""
    key = (_objects.c.dataset_id, _objects.c.nth)
    some = select(*key).where(_objects.c.dataset_id.in_(datasets)).order_by(*key).limit(PIECE)
    if connection.execute(select(func.count()).select_from(some.subquery())).scalar_one() < PIECE:
        return 0
    return connection.execute(delete(_objects).where(tuple_(*key).in_(some))).rowcount


def _is_old(before: float) -> ColumnElement[bool]:
    return and_(_rows.c.kind.in_(sorted(TRAINED)), _rows.c.ended_at < before)


def _with_points(before: float) -> Select[tuple[int]]:
    lives = or_(_parent.c.ended_at.is_(None), _parent.c.ended_at >= before)
    going_on = exists().where(_parent.c.id == _rows.c.parent_id, lives)
    has_points = exists().where(_points.c.resource_id == _rows.c.id)
    return select(_rows.c.id).where(_is_old(before), ~going_on, has_points).order_by(_rows.c.id)


def _with_readings(before: float) -> Select[tuple[int, float]]:
    same = and_(_rows.c.id == _readings.c.job_id, _rows.c.created_at == _readings.c.created_at)
    is_under_way = exists().where(same, _rows.c.ended_at.is_(None))
    columns = select(_readings.c.job_id, _readings.c.created_at).distinct()
    return columns.where(_readings.c.read_at < before, ~is_under_way).order_by(*columns.selected_columns)
