"""Training jobs that were deleted.

The row stays, as one of another kind: a tuning job goes on to count it, a trial component to show what it was, lineage
what came of it, and logs lie under its number.  Its key ends with a slash, so the name is free; once another job of the
name is deleted, with a slash and its id.  Without a trial component the row has no more than counts and logs need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Double, String, and_, bindparam, cast, delete, null, or_, select, update

from pegbox.store import index, schema
from pegbox.store.base import Stale
from pegbox.store.dialects import DIALECTS, one_of
from pegbox.store.made import Made
from pegbox.store.prepared import Prepared
from pegbox.store.resources import Kind, Resource
from pegbox.store.rows import readable, to_json

KEPT = ("ResourceConfig",)  #: how many logs there may be

_rows, _points, _edges, _read = (schema.resource.c, schema.point.c, schema.association.c, schema.reading.c)
_gone = Kind.DELETED_JOB.value
_retire = Prepared(
    update(schema.resource)
    .where(_rows.id == bindparam("row"), _rows.version == bindparam("version_then"))
    .values(
        kind=_gone,
        key=bindparam("new_key"),
        document=bindparam("document"),
        due_at=null(),
        version=_rows.version + 1,
        indexed_version=_rows.version + 1,
    )
)
_here = (*(_rows[name] == bindparam(f"the_{name}") for name in ("account", "region")), _rows.kind == _gone)
_make_way = Prepared(
    update(schema.resource)
    .where(*_here, _rows.key == bindparam("taken"))
    .values(key=_rows.key.concat(cast(_rows.id, String)))
)
_latest = {
    dialect: Prepared(select(schema.resource).where(*_here, one_of(_rows.key, "keys", dialect))) for dialect in DIALECTS
}
_among = {
    dialect: Prepared(select(_rows.id).where(one_of(_rows.id, "rows", dialect), _rows.kind == _gone))
    for dialect in DIALECTS
}
_component = and_(_rows.parent_id == bindparam("row"), _rows.kind == Kind.TRIAL_COMPONENT.value)
_has_component = Prepared(select(_rows.id).where(_component).limit(1))
_adopt = Prepared(
    update(schema.resource)
    .where(_component)
    .values(parent_id=bindparam("heir"), version=_rows.version + 1, indexed_version=null())
)
_leave = Prepared(
    update(schema.resource)
    .where(_rows.id == bindparam("row"), _rows.parent_id == bindparam("launcher"))
    .values(parent_id=null(), number=null())
)
_inherit = [
    Prepared(
        update(schema.association)
        .where(_edges[end] == bindparam("row"), _edges.is_made == 0)
        .values({end: bindparam("heir")})
    )
    for end in ("source_id", "destination_id")
]
_unlink = Prepared(
    delete(schema.association).where(
        or_(_edges.source_id == bindparam("row"), _edges.destination_id == bindparam("row"))
    )
)
_drop_points = Prepared(delete(schema.point).where(_points.resource_id == bindparam("row")))
_shorten = Prepared(
    update(schema.resource)
    .where(_rows.id == bindparam("row"), _rows.kind == _gone)
    .values(document=bindparam("document"), version=_rows.version + 1, indexed_version=_rows.version + 1)
)
_document = Prepared(select(schema.resource).where(_rows.id == bindparam("row"), _rows.kind == _gone))
_has_readings = Prepared(
    select(_read.job_id)
    .where(_read.job_id == bindparam("row"), _read.created_at == bindparam("created", type_=Double))
    .limit(1)
)


class Deleted:
    """The part of a transaction that is about training jobs which were deleted."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def retire(self, job: Resource) -> None:
        """Let a training job count as deleted.  Raises Stale."""
        document = {name: value for name, value in job.document.items() if name != "Tags"}
        given = {
            "row": job.id,
            "version_then": job.version,
            "new_key": _key(job.name),
            "document": to_json(document),
        }
        # First: whoever indexes the job waits for its row, and would be waited for.
        index.forget(self._connection, job.id)
        scope = {"the_account": job.account, "the_region": job.region}
        _make_way.change(self._connection, {**scope, "taken": _key(job.name)})
        if _retire.change(self._connection, given) != 1:
            raise Stale(f"{job.kind} {job.name}")
        if _has_component.first(self._connection, {"row": job.id}):
            Made(self._connection).follow([job.id])
        else:
            self.strip(job.id)
        if job.parent_id is not None:
            index.tell_parents(self._connection, {job.parent_id})

    def strip(self, identity: int) -> None:
        """Remove all that only the trial component of a deleted job was read from; of other rows nothing."""
        for row in readable(_document.rows(self._connection, {"row": identity})):
            kept: Mapping[str, Any] = {name: row.document[name] for name in KEPT if name in row.document}
            _shorten.change(self._connection, {"row": identity, "document": to_json(kept)})
            _unlink.change(self._connection, {"row": identity})
            _drop_points.change(self._connection, {"row": identity})

    def latest(self, account: str, region: str, names: Iterable[str]) -> Mapping[str, Resource]:
        """Of each of these names the one that was deleted last, by the name in lower case."""
        given = {"the_account": account, "the_region": region, "keys": sorted({_key(name) for name in names})}
        found = readable(_latest[self._connection.dialect.name].rows(self._connection, given))
        return {row.name.lower(): row for row in found}

    def among(self, identities: Collection[int]) -> Collection[int]:
        """Those of these training jobs that were deleted."""
        found = _among[self._connection.dialect.name].rows(self._connection, {"rows": sorted(identities)})
        return {identity for (identity,) in found}

    def succeed(self, jobs: Sequence[Resource]) -> None:
        """New jobs take over the trial components, and users' associations, of deleted ones that had their names."""
        for account, region in {(job.account, job.region) for job in jobs}:
            own = [job for job in jobs if (job.account, job.region) == (account, region)]
            gone = self.latest(account, region, [job.name for job in own])
            for job in own if gone else ():
                if old := gone.get(job.name.lower()):
                    self._hand_over(old, job)

    def _hand_over(self, old: Resource, job: Resource) -> None:
        given = {"row": old.id, "heir": job.id}
        _adopt.change(self._connection, given)
        for inherit in _inherit:
            inherit.change(self._connection, given)
        self.strip(old.id)
        if job.parent_id is not None:  # imported once more: it counts once
            _leave.change(self._connection, {"row": old.id, "launcher": job.parent_id})

    def has_readings(self, job: Resource) -> bool:
        """Whether it is known of a job what it has read."""
        return _has_readings.first(self._connection, {"row": job.id, "created": job.created_at}) is not None


def _key(name: str) -> str:
    return f"{name.lower()}/"
