"""The index for Search: properties beside the rows that they were read from.

Whoever writes a resource leaves `indexed_version` NULL with the same statement; the properties follow when somebody
asks or has time.  On PostgreSQL those who write properties take turns, so the counts of names are right.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import ARRAY, Connection, Double, bindparam, case, delete, func, insert, null, select, update

from pegbox.domain.properties import Property
from pegbox.store import dialects, schema
from pegbox.store.dialects import DIALECTS, one_of
from pegbox.store.prepared import Prepared, unless_there
from pegbox.store.resources import Kind, Resource
from pegbox.store.turns import alone

TURN = "properties"  #: whose turn it is to write properties
MOST_INDEXED = 256  #: characters of a text that are in an index; PostgreSQL has room for 2,700 bytes

MOST_ROWS = 1 << 53
MOST_NOTED = 20_000  #: changes that are kept for columns in memory; what has seen less is read anew

LATEST = 1e18  #: epoch seconds; nothing was changed later

COLUMNS = ("resource_id", "name_id", "ordinal", "num", "txt", "more")

Key: TypeAlias = tuple[int, int, int]  #: resource, name, ordinal
Scope: TypeAlias = tuple[str, str, Kind]
Row: TypeAlias = tuple[int, int, int, float | None, str | None, str | None]  #: as `COLUMNS` has it
Value: TypeAlias = tuple[float | None, str | None, str | None]  #: num, txt, more

_rows, _names, _values = schema.resource.c, schema.property_name.c, schema.prop.c
_scope = ("account", "region", "kind")

_old = (
    _rows.kind == bindparam("kind"),
    _rows.indexed_version.is_(None),
    _rows.modified_at < bindparam("before", type_=Double),
)
_unindexed = Prepared(select(schema.resource).where(*_old).order_by(_rows.id.desc()).limit(bindparam("most")))
_any_unindexed = Prepared(select(_rows.id).where(*_old).limit(1))
_known = {
    dialect: Prepared(
        select(_names.name, _names.id, _names.count).where(
            *(_names[name] == bindparam(name) for name in _scope), one_of(_names.name, "names", dialect)
        )
    )
    for dialect in DIALECTS
}
_all_names = Prepared(
    select(_names.name, _names.count)
    .where(*(_names[name] == bindparam(name) for name in _scope), _names.count > 0)
    .order_by(_names.count.desc(), _names.name)
)
_below = Prepared(
    select(_names.id).where(
        *(_names[name] == bindparam(name) for name in _scope),
        func.substr(_names.name, 1, bindparam("length")) == bindparam("begin"),
    )
)
_new_names = unless_there(schema.property_name)
_present = {
    dialect: Prepared(select(schema.prop).where(one_of(_values.resource_id, "rows", dialect))) for dialect in DIALECTS
}
_delete = Prepared(
    delete(schema.prop).where(
        _values.resource_id == bindparam("row"),
        _values.name_id == bindparam("name"),
        _values.ordinal == bindparam("nth"),
    )
)
_counted = Prepared(
    update(schema.property_name).where(_names.id == bindparam("which")).values(count=_names.count + bindparam("by"))
)


def _putting(dialect: str) -> Prepared:
    put = dialects.insert(dialect, schema.prop)
    if dialect == "postgresql":  # all at once, as arrays: a statement for each value takes several times as long
        lists = (bindparam(name, type_=ARRAY(schema.prop.c[name].type)) for name in COLUMNS)
        put = put.from_select(COLUMNS, select(func.unnest(*lists).table_valued(*COLUMNS).render_derived()))
    anew = {name: put.excluded[name] for name in ("num", "txt", "more")}
    return Prepared(put.on_conflict_do_update(index_elements=["resource_id", "name_id", "ordinal"], set_=anew))


def _dirtying(dialect: str) -> Prepared:
    # A row that somebody works on is left to the next time: to wait for it could be to wait for each other.
    parents = one_of(_rows.id, "rows", dialect)
    free = select(_rows.id).where(parents).with_for_update(skip_locked=True, key_share=True).cte("free")
    return Prepared(
        update(schema.resource)
        .where(_rows.id.in_(select(free.c.id)))
        .values(indexed_version=null())
        .returning(_rows.id)
    )


_put = {dialect: _putting(dialect) for dialect in DIALECTS}
_dirty = {dialect: _dirtying(dialect) for dialect in DIALECTS}
_free = (
    select(_rows.id)
    .where(_rows.id == bindparam("row"), _rows.version == bindparam("version_then"))
    .with_for_update(skip_locked=True, key_share=True)
    .cte("free")
)
_done = Prepared(
    update(schema.resource)
    .where(_rows.id.in_(select(_free.c.id)), _rows.version == bindparam("version_then"))
    .values(indexed_version=_rows.version)
)
_note = Prepared(insert(schema.prop_change))
_trim = Prepared(
    delete(schema.prop_change).where(
        schema.prop_change.c.seq < select(func.max(schema.prop_change.c.seq) - bindparam("kept")).scalar_subquery()
    )
)
_there = {dialect: Prepared(select(_rows.id).where(one_of(_rows.id, "rows", dialect))) for dialect in DIALECTS}
_of_one = Prepared(select(_values.name_id).where(_values.resource_id == bindparam("row")).distinct())
_forget = Prepared(delete(schema.prop).where(_values.resource_id == bindparam("row")))


def has_unindexed(connection: Connection, kind: Kind, before: float | None) -> bool:
    """Whether there are such rows."""
    return _any_unindexed.first(connection, {"kind": kind.value, "before": before or LATEST}) is not None


def unindexed(connection: Connection, kind: Kind, limit: int, before: float | None) -> Sequence[Sequence[Any]]:
    """Rows whose properties may be old, the newest first; nobody else writes properties until the transaction ends."""
    alone(connection, TURN)
    return _unindexed.rows(connection, {"kind": kind.value, "most": limit, "before": before or LATEST})


def names(connection: Connection, account: str, region: str, kind: Kind) -> list[tuple[str, int]]:
    """The names that some resource has, the most frequent first."""
    found = _all_names.rows(connection, {"account": account, "region": region, "kind": kind.value})
    return [(name, count) for name, count in found]


def known(
    connection: Connection, account: str, region: str, kind: Kind, wanted: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Those names that there are: their numbers, and how many resources have them."""
    given = {"account": account, "region": region, "kind": kind.value, "names": sorted(wanted)}
    return {name: (number, count) for name, number, count in _known[connection.dialect.name].rows(connection, given)}


def below(connection: Connection, account: str, region: str, kind: Kind, root: str) -> tuple[int, ...]:
    """The numbers of the names of a list's members."""
    begin = f"{root}."
    given = {"account": account, "region": region, "kind": kind.value, "length": len(begin), "begin": begin}
    return tuple(number for (number,) in _below.rows(connection, given))


def put(connection: Connection, entries: Sequence[tuple[Resource, Collection[Property]]]) -> None:
    """Replace the properties of resources that `unindexed` has told in this transaction."""
    after = _wanted(connection, entries)
    before = _written(connection, [row.id for row, _ in entries])
    gone = [{"row": row, "name": name, "nth": nth} for row, name, nth in sorted(before.keys() - after.keys())]
    changed = [key for key in sorted(after) if before.get(key) != after[key]]
    _delete.change_each(connection, gone)
    _put_values(connection, [(*key, *after[key]) for key in changed])
    _count(connection, before.keys(), after.keys())
    _note_changes(connection, {key[0] for key in changed} | {each["row"] for each in gone})
    left_out = _have_parents_indexed(connection, {parent for row, _ in entries if (parent := _counting(row))})
    _done.change_each(
        connection,
        [{"row": row.id, "version_then": row.version} for row, _ in entries if _counting(row) not in left_out],
    )


def of_new(connection: Connection, entries: Sequence[tuple[int, Resource, Collection[Property]]]) -> Iterator[Row]:
    """The rows, as `COLUMNS` has them, of resources that have no properties yet; their names are counted."""
    alone(connection, TURN)
    names = _names_in([(row, found) for _, row, found in entries])
    numbers = {scope: _numbers(connection, scope, wanted) for scope, wanted in names.items()}
    counts = Counter(
        numbers[_scope_of(row)][name] for _, row, found in entries for name in {each.name for each in found}
    )
    _counted.change_each(connection, [{"which": name, "by": by} for name, by in sorted(counts.items())])
    _note_changes(connection, {identity for identity, _, _ in entries})
    return _rows_of(entries, numbers)


def give_up(connection: Connection, identities: Collection[int]) -> None:
    """Let resources count as indexed that cannot be read: they are not to be in the way of all others."""
    if identities:
        connection.execute(
            update(schema.resource).where(_rows.id.in_(identities)).values(indexed_version=_rows.version)
        )


def tell_parents(connection: Connection, parents: set[int]) -> None:
    """Have tuning jobs indexed anew; whoever works on one of them has that done by what it writes."""
    _have_parents_indexed(connection, parents)


def begin(connection: Connection) -> None:
    """Wait for the turn to write properties, before anything that others may wait for."""
    alone(connection, TURN)


def forget(connection: Connection, identity: int) -> None:
    """Remove the properties of a resource, before itself; nobody else indexes until the transaction ends."""
    alone(connection, TURN)
    counts = [{"which": name, "by": -1} for (name,) in _of_one.rows(connection, {"row": identity})]
    _forget.change(connection, {"row": identity})
    _note_changes(connection, {identity})
    _counted.change_each(connection, counts)


def misfits(connection: Connection) -> int:
    """How many names and resources do not fit what is written of them: counts, values, versions.

    Names of another number of resources than is counted, or with values that are nothing; values of no name; resources
    that were written by somebody who knew nothing of the index.
    """
    empty = _values.num.is_(None) & _values.txt.is_(None)
    found = (
        select(
            _values.name_id,
            func.count(_values.resource_id.distinct()).label("found"),
            func.max(case((empty, 1), else_=0)).label("empty"),
        )
        .group_by(_values.name_id)
        .cte("found")
    )
    wrong = (_names.count != func.coalesce(found.c.found, 0)) | (found.c.empty == 1)
    counts = (
        select(func.count())
        .select_from(schema.property_name.outerjoin(found, found.c.name_id == _names.id))
        .where(wrong),
        select(func.count()).select_from(found).where(found.c.name_id.not_in(select(_names.id))),
        select(func.count()).select_from(schema.resource).where(_rows.indexed_version != _rows.version),
    )
    return sum(int(connection.execute(each).scalar_one()) for each in counts)


def drop(connection: Connection) -> int:
    """Remove all properties; returns how many resources have to be indexed anew."""
    alone(connection, TURN)
    connection.execute(delete(schema.prop))
    _note.change(connection, {"first_id": 0, "last_id": MOST_ROWS})
    connection.execute(update(schema.property_name).values(count=0))
    return connection.execute(update(schema.resource).values(indexed_version=null())).rowcount


def _names_in(entries: Sequence[tuple[Resource, Collection[Property]]]) -> Mapping[Scope, set[str]]:
    found: dict[Scope, set[str]] = defaultdict(set)
    for row, properties in entries:
        found[_scope_of(row)].update(each.name for each in properties)
    return found


def _scope_of(row: Resource) -> Scope:
    return row.account, row.region, row.kind


def _rows_of(
    entries: Sequence[tuple[int, Resource, Collection[Property]]], numbers: Mapping[Scope, Mapping[str, int]]
) -> Iterator[Row]:
    for identity, row, found in entries:
        known = numbers[_scope_of(row)]
        values = {(known[name], nth): _value(number, text) for name, nth, number, text in found}
        for (name, nth), (num, txt, more) in sorted(values.items(), key=itemgetter(0)):
            yield identity, name, nth, num, txt, more


def _wanted(connection: Connection, entries: Sequence[tuple[Resource, Collection[Property]]]) -> dict[Key, Value]:
    found: dict[Key, Value] = {}
    scoped = sorted(((row.account, row.region, row.kind), row.id, each) for row, each in entries)
    for scope, some in groupby(scoped, itemgetter(0)):
        here = [(identity, properties) for _, identity, properties in some]
        numbers = _numbers(connection, scope, {each.name for _, properties in here for each in properties})
        for identity, properties in here:
            for name, nth, number, text in properties:
                found[identity, numbers[name], nth] = _value(number, text)
    return found


def _value(number: float | None, text: str | None) -> Value:
    if text is None or len(text) <= MOST_INDEXED:
        return number, text, None
    return number, text[:MOST_INDEXED], text


def _numbers(connection: Connection, scope: tuple[str, str, Kind], wanted: set[str]) -> dict[str, int]:
    account, region, kind = scope
    numbers = known(connection, account, region, kind, wanted)
    if new := wanted - numbers.keys():
        rows = [{"account": account, "region": region, "kind": kind.value, "name": name} for name in sorted(new)]
        _new_names[connection.dialect.name].change_each(connection, rows)
        numbers = known(connection, account, region, kind, wanted)
    return {name: number for name, (number, _) in numbers.items()}


def _written(connection: Connection, identities: list[int]) -> dict[Key, Value]:
    found = _present[connection.dialect.name].rows(connection, {"rows": identities})
    return {(row, name, nth): (num, txt, more) for row, name, nth, num, txt, more in found}


def _note_changes(connection: Connection, identities: Collection[int]) -> None:
    """Tell whose properties are others now: runs of ids, one each."""
    runs = [
        [identity for _, identity in run]
        for _, run in groupby(enumerate(sorted(identities)), lambda each: each[1] - each[0])
    ]
    _note.change_each(connection, [{"first_id": run[0], "last_id": run[-1]} for run in runs])
    if runs:
        _trim.change(connection, {"kept": MOST_NOTED})


def _put_values(connection: Connection, rows: Sequence[Row]) -> None:
    put = _put[connection.dialect.name]
    if connection.dialect.name == "sqlite":
        put.change_each(connection, [dict(zip(COLUMNS, row, strict=True)) for row in rows])
    elif rows:
        put.change(connection, dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True)))


def _count(connection: Connection, before: Collection[Key], after: Collection[Key]) -> None:
    counts: dict[int, int] = {}
    for keys, sign in ((before, -1), (after, 1)):
        for _, name in {(row, name) for row, name, _ in keys}:
            counts[name] = counts.get(name, 0) + sign
    _counted.change_each(connection, [{"which": name, "by": by} for name, by in sorted(counts.items()) if by])


def _counting(row: Resource) -> int | None:
    """Whose record counts it: the tuning job's of a training job."""
    return row.parent_id if row.kind is Kind.TRAINING_JOB else None


def _have_parents_indexed(connection: Connection, parents: set[int]) -> set[int]:
    """A parent shows counts of its children.  Returns those whose rows are busy; their children come again."""
    if not parents:
        return set()
    given = {"rows": sorted(parents)}
    marked = {identity for (identity,) in _dirty[connection.dialect.name].rows(connection, given)}
    there = {identity for (identity,) in _there[connection.dialect.name].rows(connection, given)}
    return there - marked
