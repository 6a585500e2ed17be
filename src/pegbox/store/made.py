"""Of which jobs trial components and the like were made."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Double, bindparam, exists, null, select, tuple_, update

from pegbox.store import schema
from pegbox.store.dialects import DIALECTS, insert, one_of
from pegbox.store.prepared import Prepared, unless_there
from pegbox.store.resources import Kind
from pegbox.store.turns import alone

BEGINNING = "tracking"  #: whose turn it is to begin with an account and region, or to rely on its not being begun
LATEST = 1e18  #: epoch seconds; nothing was made later

_rows, _scopes, _done = schema.resource.c, schema.tracking.c, schema.tracked.c
_scope = ("account", "region", "kind")
_here = tuple(_scopes[name] == bindparam(f"the_{name}") for name in _scope)
_begin = unless_there(schema.tracking)
_begun = Prepared(
    select(_scopes.kind).where(_scopes.account == bindparam("account"), _scopes.region == bindparam("region")).limit(1)
)
_all_scopes = Prepared(select(_scopes.account, _scopes.region).distinct())
_behind = Prepared(select(_scopes.account, _scopes.region, _scopes.kind).where(_scopes.before_time > 0))
_place = Prepared(select(_scopes.before_time, _scopes.before_id).where(*_here).with_for_update())
_move = Prepared(
    update(schema.tracking).where(*_here).values(before_time=bindparam("time"), before_id=bindparam("last"))
)
_older = Prepared(
    select(_rows.created_at, _rows.id)
    .where(
        *(_rows[name] == bindparam(name) for name in _scope),
        tuple_(_rows.created_at, _rows.id) < tuple_(bindparam("time", type_=Double), bindparam("last")),
    )
    .order_by(_rows.created_at.desc(), _rows.id.desc())
    .limit(bindparam("most"))
)
_is_unmade = ~exists().where(_done.job_id == _rows.id)
_unseen = Prepared(
    select(_rows.id, _rows.version)
    .where(
        _rows.kind == bindparam("kind"),
        _rows.indexed_version.is_(None),
        _rows.modified_at < bindparam("before", type_=Double),
        exists().where(
            _scopes.account == _rows.account, _scopes.region == _rows.region, _scopes.kind == bindparam("kind")
        ),
    )
    .order_by(_rows.id.desc())
    .limit(bindparam("most"))
)
_new = Prepared(
    select(_rows.id)
    .where(
        _rows.kind == bindparam("kind"),
        _rows.indexed_version.is_(None),
        # by the index of what is not indexed, and by no other: that has few rows
        _rows.account.concat("") == bindparam("account"),
        _rows.region.concat("") == bindparam("region"),
        _is_unmade,
    )
    .order_by(_rows.id.desc())
    .limit(bindparam("most"))
)
_unmade = {
    dialect: Prepared(select(_rows.id).where(one_of(_rows.id, "rows", dialect), _is_unmade)) for dialect in DIALECTS
}
#: of a job that is there, and is not deleted before the transaction ends; who works on it is not held up
_job = select(_rows.id).where(_rows.id == bindparam("row")).with_for_update(read=True, key_share=True)
_made = {
    dialect: Prepared(insert(dialect, schema.tracked).from_select(["job_id"], _job).on_conflict_do_nothing())
    for dialect in DIALECTS
}
_follow = {
    dialect: Prepared(
        update(schema.resource)
        .where(one_of(_rows.parent_id, "rows", dialect), _rows.kind == Kind.TRIAL_COMPONENT.value)
        .values(version=_rows.version + 1, indexed_version=null())
    )
    for dialect in DIALECTS
}


class Made:
    """The part of `Tracking` that is about what is made of jobs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name

    def begin(self, account: str, region: str, kinds: Collection[str]) -> None:
        """Begin with the newest of those that are there, also of those that are just being loaded."""
        alone(self._connection, BEGINNING)
        for kind in sorted(kinds):
            given = {"account": account, "region": region, "kind": kind, "before_time": LATEST, "before_id": 0}
            _begin[self._dialect].change(self._connection, given)

    def begun(self, account: str, region: str) -> bool:
        """Whether components are made here."""
        return _begun.first(self._connection, {"account": account, "region": region}) is not None

    def scopes(self) -> Collection[tuple[str, str]]:
        """Where they are."""
        return {(account, region) for account, region in _all_scopes.rows(self._connection)}

    def behind(self) -> Sequence[tuple[str, str, str]]:
        """Where older jobs are left."""
        return [(account, region, kind) for account, region, kind in _behind.rows(self._connection)]

    def older(self, account: str, region: str, kind: str, limit: int) -> Sequence[int]:
        """The next ones."""
        scope = {"account": account, "region": region, "kind": kind}
        here: dict[str, Any] = {f"the_{name}": value for name, value in scope.items()}
        place = _place.first(self._connection, here)
        if place is None or place[0] <= 0:
            return []
        found = _older.rows(self._connection, {**scope, "time": place[0], "last": place[1], "most": limit})
        time, last = found[-1] if len(found) == limit else (0.0, 0)
        _move.change(self._connection, {**here, "time": time, "last": last})
        return [identity for _, identity in found]

    def unseen(self, kind: str, limit: int, before: float | None) -> Sequence[tuple[int, int]]:
        """Jobs that will be indexed next."""
        given = {"kind": kind, "most": limit, "before": before or LATEST}
        return [(identity, version) for identity, version in _unseen.rows(self._connection, given)]

    def new(self, account: str, region: str, kind: str, limit: int) -> Sequence[int]:
        """New jobs."""
        given = {"account": account, "region": region, "kind": kind, "most": limit}
        return [identity for (identity,) in _new.rows(self._connection, given)]

    def unmade(self, job_ids: Collection[int]) -> Collection[int]:
        """Jobs of which nothing was made."""
        found = _unmade[self._dialect].rows(self._connection, {"rows": sorted(job_ids)})
        return {identity for (identity,) in found}

    def made(self, job_id: int) -> None:
        """Note it."""
        _made[self._dialect].change(self._connection, {"row": job_id})

    def follow(self, job_ids: Collection[int]) -> None:
        """Have components indexed anew."""
        if job_ids:
            _follow[self._dialect].change(self._connection, {"rows": sorted(job_ids)})
