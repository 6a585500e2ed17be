"""Who works on what: due rows are picked, locked, marked and returned without a gap; leases are renewed and given up.

The statements are made once for a dialect: making one anew costs more than running it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Double,
    and_,
    bindparam,
    case,
    func,
    not_,
    or_,
    select,
    update,
)

from pegbox.store import schema
from pegbox.store.dialects import clock, one_of
from pegbox.store.prepared import Prepared, made_once
from pegbox.store.resources import JOBS, Kind, Resource
from pegbox.store.rows import claimed
from pegbox.store.turns import alone

_rows = schema.resource.c
_live = and_(_rows.kind == Kind.TRAINING_JOB.value, _rows.ended_at.is_(None))
#: a training job that wants a slot; one that is being stopped wants none
_waiting = and_(_live, _rows.host.is_(None), _rows.status == "InProgress")
_not_waiting = or_(_rows.kind != Kind.TRAINING_JOB.value, _rows.host.is_not(None), _rows.status != "InProgress")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a server wants (see Store.claim)."""

    owner: str
    host: str
    near: Collection[str]
    silence: float
    lease: float
    limit: int
    tuning_limit: int
    slots: int
    only: Collection[int]
    without: Collection[int]
    everything: bool

    def given(self) -> dict[str, Any]:
        """The parameters of the statements."""
        return {
            "owner": self.owner,
            "mine": self.host,
            "near": list(self.near),
            "silence": self.silence,
            "lease": self.lease,
            "without": list(self.without),
            **({"only": list(self.only)} if self.only else {}),
        }


class Claims:
    """The statements about leases, for one dialect."""

    def __init__(self, dialect: str) -> None:
        now = clock(dialect)
        self._locks = dialect == "postgresql"
        untaken = and_(_rows.due_at.is_not(None), _rows.lease_until < now, not_(one_of(_rows.id, "without", dialect)))
        due, named = _rows.due_at <= now, one_of(_rows.id, "only", dialect)
        hosts = schema.host.c
        # Silent beside us: after a step of the clock, or a database that was away, everybody's beat is old.
        last = select(hosts.seen_at).where(hosts.id == bindparam("mine")).scalar_subquery()
        alive = select(hosts.id).where(hosts.seen_at > func.coalesce(last, now) - bindparam("silence", type_=Double))
        near = one_of(_rows.host, "near", dialect)
        here = or_(_rows.host.is_(None), _rows.host == bindparam("mine"), near, _rows.host.not_in(alive))
        orphans_first = (_rows.lease_owner.is_(None), _rows.due_at)  # or they wait behind fresh work
        work = and_(untaken, here, _not_waiting)
        waiting = and_(untaken, _waiting)
        self._any = {
            False: Prepared(select(_rows.id).where(work, due).limit(1)),
            True: Prepared(select(_rows.id).where(waiting, due).limit(1)),
        }
        wanted = {(False, True): due, (True, True): or_(named, due), (True, False): named}
        self._work = {
            (kind, *which): _taking(now, and_(work, _rows.kind == kind.value, these), orphans_first)
            for kind in JOBS
            for which, these in wanted.items()
        }
        self._waiting = {
            False: _taking(now, and_(waiting, due), (_rows.id,), host=bindparam("mine")),
            True: _taking(now, and_(waiting, or_(named, due)), (_rows.id,), host=bindparam("mine")),
        }
        self._used = Prepared(select(func.count()).where(_live, _rows.host == bindparam("mine")))
        self._release = _releasing(now)
        self._versions = Prepared(
            select(_rows.id, _rows.epoch, _rows.version).where(
                one_of(_rows.id, "rows", dialect), _rows.lease_owner.is_not(None)
            )
        )
        self._renew = _renewing(now, dialect)

    def anything(self, connection: Connection, asked: Asked) -> bool:
        """Whether there is due work; a look that needs no write lock, so an idle server leaves the database alone."""
        given = made_once(connection, asked.given())
        return any(found.first(connection, given) is not None for found in self._any.values())

    def take(self, connection: Connection, asked: Asked) -> Sequence[Resource]:
        """Due work and `only`; then jobs that wait for a slot, by age, as long as the host has slots."""
        given, named = made_once(connection, asked.given()), bool(asked.only)
        taken: list[Resource] = []
        for kind, limit in ((Kind.TUNING_JOB, asked.tuning_limit), (Kind.TRAINING_JOB, asked.limit)):
            if limit > 0 and (named or asked.everything):
                work = self._work[kind, named, asked.everything]
                taken += claimed(work.rows(connection, given | {"most": limit}))
        room = asked.limit - sum(row.kind is Kind.TRAINING_JOB for row in taken)
        if room > 0:
            alone(connection, asked.host)  # servers of one home count the same slots
            free = asked.slots - int(self._used.rows(connection, given)[0][0])
            if free > 0:
                given["most"] = min(free, room)
                taken += claimed(self._waiting[named].rows(connection, given))
        return taken

    def release(self, connection: Connection, done: Collection[tuple[Resource, float | None]]) -> None:
        """Let go of work, each row to be looked at again in so many seconds or never."""
        given = [
            {"row": row.id, "epoch_then": row.epoch, "due_in": due_in}
            for row, due_in in sorted(done, key=lambda each: each[0].id)
        ]
        self._release.change_each(connection, given)

    def versions(self, connection: Connection, identities: Collection[int]) -> Mapping[int, tuple[int, int]]:
        """Epoch and version of those that are leased."""
        found = self._versions.rows(connection, {"rows": list(identities)})
        return {identity: (epoch, version) for identity, epoch, version in found}

    def hear(self, connection: Connection, held: Collection[Resource]) -> Sequence[Resource]:
        """Work that is held as it is now; who has marked it due needs no other look."""
        found = (_hear.first(connection, {"row": row.id, "epoch_then": row.epoch}) for row in held)
        return list(claimed(row for row in found if row is not None))

    def renew(self, connection: Connection, owner: str, lease: float, identities: Collection[int]) -> None:
        """Hold work for another `lease` seconds."""
        self._renew.change(connection, {"only": list(identities), "owner": owner, "lease": lease})


_hear = Prepared(
    update(schema.resource)
    .where(_rows.id == bindparam("row"), _rows.epoch == bindparam("epoch_then"), _rows.lease_owner.is_not(None))
    .values(due_at=_rows.lease_until)
    .returning(schema.resource)
)


def _taking(now: ColumnElement[float], wanted: ColumnElement[bool], order: Any, **values: Any) -> Prepared:
    picked = select(_rows.id).where(wanted).order_by(*order).limit(bindparam("most"))
    # A common table expression: inside IN (...), PostgreSQL may run the selection again and exceed the limit.
    locked = picked.with_for_update(skip_locked=True).cte("picked")
    until = now + bindparam("lease", type_=Double)
    return Prepared(
        update(schema.resource)
        .where(_rows.id.in_(select(locked.c.id)), _rows.due_at.is_not(None), _rows.lease_until < now)
        # Due again when the lease ends; whoever marks it due meanwhile makes the two times differ.
        .values(lease_owner=bindparam("owner"), lease_until=until, due_at=until, epoch=_rows.epoch + 1, **values)
        .returning(schema.resource)
    )


def _releasing(now: ColumnElement[float]) -> Prepared:
    marked = _rows.due_at != _rows.lease_until
    due = now + bindparam("due_in", type_=Double)  # of NULL: never
    return Prepared(
        update(schema.resource)
        .where(_rows.id == bindparam("row"), _rows.epoch == bindparam("epoch_then"))
        .values(due_at=case((marked, _rows.due_at), else_=due), lease_owner=None, lease_until=0)
    )


def _renewing(now: ColumnElement[float], dialect: str) -> Prepared:
    # In one order and without waiting: a worker may hold some of these rows in a transaction of its own.
    held = (
        select(_rows.id)
        .where(one_of(_rows.id, "only", dialect), _rows.lease_owner == bindparam("owner"))
        .order_by(_rows.id)
        .with_for_update(skip_locked=True)
        .cte("held")
    )
    until = now + bindparam("lease", type_=Double)
    due = case((_rows.due_at == _rows.lease_until, until), else_=_rows.due_at)
    return Prepared(
        update(schema.resource).where(_rows.id.in_(select(held.c.id))).values(lease_until=until, due_at=due)
    )
