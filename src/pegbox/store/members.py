"""Trials and their components: who belongs to whom."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, bindparam, delete, exists, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pegbox.store import schema
from pegbox.store.base import NotFound
from pegbox.store.prepared import Prepared
from pegbox.store.resources import Kind
from pegbox.store.tracking import Parent, Part

_rows, _members = schema.resource.c, schema.trial_member.c
_trial = schema.resource.alias("trial")
_experiment = schema.resource.alias("experiment")
_component = schema.resource.alias("component")
_job = schema.resource.alias("job")

_hold = Prepared(select(_rows.id).where(_rows.id == bindparam("row")).with_for_update())
#: as many as want to; who works on it is not held up
_keep = Prepared(select(_rows.id).where(_rows.id == bindparam("row")).with_for_update(read=True, key_share=True))
#: a new version, or who is just reading its properties would take what he has read for the newest
_touch = Prepared(
    update(schema.resource)
    .where(_rows.id == bindparam("row"))
    .values(version=_rows.version + 1, indexed_version=null())
)
_join = {
    name: Prepared(dialect.insert(schema.trial_member).on_conflict_do_nothing())
    for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
}
_this = and_(_members.trial_id == bindparam("trial"), _members.component_id == bindparam("component"))
_leave = Prepared(delete(schema.trial_member).where(_this))
_parents = Prepared(
    select(_trial.c.name, _experiment.c.name)
    .select_from(schema.trial_member)
    .join(_trial, _trial.c.id == _members.trial_id)
    .join(_experiment, _experiment.c.id == _trial.c.parent_id)
    .where(_members.component_id == bindparam("component"))
    .order_by(_members.trial_id)
)
_parts = Prepared(
    select(_component.c.id, _component.c.name, _component.c.created_at, _job.c.name)
    .select_from(schema.trial_member)
    .join(_component, _component.c.id == _members.component_id)
    .outerjoin(_job, _job.c.id == _component.c.parent_id)
    .where(_members.trial_id == bindparam("trial"))
    .order_by(_members.component_id.desc())
    .limit(bindparam("most"))
)
_in_use = Prepared(
    select(_rows.id).where(
        _rows.id == bindparam("row"),
        or_(
            exists().where(_trial.c.parent_id == bindparam("row"), _trial.c.kind == Kind.TRIAL.value),
            exists().where(_members.trial_id == bindparam("row")),
            exists().where(_members.component_id == bindparam("row")),
        ),
    )
)


class Members:
    """The part of `Tracking` that is about what belongs to what."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hold(self, identity: int) -> None:
        """Lock a row; SQLite's writers wait for each other anyway."""
        if _hold.first(self._connection, {"row": identity}) is None:
            raise NotFound

    def keep(self, identity: int) -> None:
        """Lock a row against deletion."""
        if _keep.first(self._connection, {"row": identity}) is None:
            raise NotFound

    def join(self, trial_id: int, component_id: int) -> None:
        """Put a component into a trial."""
        given = {"trial_id": trial_id, "component_id": component_id}
        _join[self._connection.dialect.name].change(self._connection, given)
        _touch.change(self._connection, {"row": component_id})

    def leave(self, trial_id: int, component_id: int) -> bool:
        """Take a component out of a trial."""
        given = {"trial": trial_id, "component": component_id}
        if not _leave.change(self._connection, given):
            return False
        _touch.change(self._connection, {"row": component_id})
        return True

    def parents(self, component_id: int) -> Sequence[Parent]:
        """The trials of a component."""
        return [Parent(*row) for row in _parents.rows(self._connection, {"component": component_id})]

    def parts(self, trial_id: int, most: int) -> Sequence[Part]:
        """The components of a trial."""
        found = _parts.rows(self._connection, {"trial": trial_id, "most": most})
        return [Part(*row) for row in reversed(found)]

    def in_use(self, identity: int) -> bool:
        """Whether something belongs to it, or it to something."""
        return _in_use.first(self._connection, {"row": identity}) is not None
