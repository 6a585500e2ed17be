"""Metrics: those that are put to trial components, and those that training jobs emit.

Values are appended to their series, a row each; what a series comes to is kept beside it, so that nobody has to read
all of them to know the last or the mean.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, bindparam, case, cast, func, literal, null, select, update

from pegbox.domain.curves import Value
from pegbox.store import schema
from pegbox.store.base import NotFound
from pegbox.store.dialects import DIALECTS, one_of
from pegbox.store.prepared import Prepared
from pegbox.store.resources import Kind
from pegbox.store.tracking import Summary, finite, nothing_of

CHUNK = 5_000  #: values that are read at once
LARGEST = 1e140  #: whose square can be summed up, a million times squared once more: so does avg() of PostgreSQL

_rows, _series, _values, _points = (
    schema.resource.c,
    schema.metric_series.c,
    schema.metric_value.c,
    schema.point.c,
)
_named = tuple(_rows[name] == bindparam(f"the_{name}") for name in ("account", "region", "kind", "key"))
_find = Prepared(select(_rows.id, _rows.indexed_version).where(*_named))
#: also locks it: two that put values to one component take turns
_touch = Prepared(
    update(schema.resource).where(*_named).values(version=_rows.version + 1, indexed_version=null()).returning(_rows.id)
)
_numbers = ("count", "mean", "squares", "low", "high", "last", "last_at")
_summary = (_series.id, _series.name, *(_series[name] for name in _numbers))
_of_component = _series.resource_id == bindparam("row")
_all = Prepared(select(*_summary).where(_of_component).order_by(_series.name))
_some = {
    dialect: Prepared(select(*_summary).where(_of_component, one_of(_series.name, "names", dialect)))
    for dialect in DIALECTS
}
_count = Prepared(select(func.count()).where(_of_component))
_begin = Prepared(
    schema.metric_series.insert().returning(_series.id)  # alone: whoever begins one holds the component
)
_go_on = Prepared(
    update(schema.metric_series)
    .where(_series.id == bindparam("which"))
    .values({name: bindparam(f"new_{name}") for name in _numbers})
)
_append = Prepared(schema.metric_value.insert())
_one = Prepared(select(_series.id).where(_of_component, _series.name == bindparam("name")))
_read = Prepared(
    select(_values.nth, _values.step, _values.at, _values.value)
    .where(_values.series_id == bindparam("series"), _values.nth > bindparam("after"))
    .order_by(_values.nth)
    .limit(CHUNK)
)

_last_attempt = (
    select(func.max(_points.attempt)).where(_points.resource_id == bindparam("row")).scalar_subquery()
)  # what came before was thrown away with its attempt
_emitted = (_points.resource_id == bindparam("row"), _points.attempt == _last_attempt)
_curve = Prepared(
    select(_points.offset, _points.at, _points.value)
    .where(*_emitted, _points.metric == bindparam("name"), _points.offset > bindparam("after"))
    .order_by(_points.offset)
    .limit(CHUNK)
)


def _within(value: ColumnElement[float]) -> ColumnElement[float]:
    # PostgreSQL has an error for what is too large
    low, high = literal(-LARGEST, Double), literal(LARGEST, Double)
    return case((value < low, low), (value > high, high), else_=value)


def _summing_up() -> Prepared:
    stats = (
        select(
            _points.metric,
            func.count().label("count"),
            func.avg(_within(_points.value)).label("mean"),
            func.min(_points.value).label("low"),
            func.max(_points.value).label("high"),
            func.max(_points.at).label("last_at"),
        )
        .where(*_emitted)
        .group_by(_points.metric)
        .cte("stats")
    )
    same = (*_emitted, _points.metric == stats.c.metric)
    apart = _within(_points.value - stats.c.mean)
    squares = select(func.sum(apart * apart)).where(*same).scalar_subquery()
    last = select(_points.value).where(*same).order_by(_points.at.desc(), _points.offset.desc()).limit(1)
    return Prepared(
        select(
            stats.c.metric,
            stats.c.count,
            stats.c.mean,
            cast(squares, Double),
            stats.c.low,
            stats.c.high,
            last.scalar_subquery(),
            stats.c.last_at,
        ).order_by(stats.c.metric)
    )


_summed_up = _summing_up()


class Measurements:
    """The part of `Tracking` that is about metrics."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(
        self, account: str, region: str, component: str, values: Mapping[str, Sequence[Value]], most: int
    ) -> Collection[str]:
        """Add values to metrics."""
        row = self._component(account, region, component)
        known = self._known(row, values)
        new = [name for name in values if name not in known]
        room = most - self._count(row) if new else 0
        refused = set(new[max(0, room) :])
        for name in new:
            if name not in refused:
                known[name] = self._begun(row, name)
        appended: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        for name, (series, summary) in known.items():
            appended += [
                {"series_id": series, "nth": summary.count + place, "step": step, "at": at, "value": value}
                for place, (step, at, value) in enumerate(values[name])
            ]
            after = summary.with_values(values[name])
            changed.append({"which": series, **{f"new_{each}": getattr(after, each) for each in _numbers}})
        _go_on.change_each(self._connection, changed)
        _append.change_each(self._connection, appended)
        return refused

    def summaries(self, component_id: int) -> Sequence[Summary]:
        """What the values come to."""
        return [_told(row) for row in _all.rows(self._connection, {"row": component_id})]

    def values(self, component_id: int, metric: str) -> Iterator[Value]:
        """Of a metric that was put."""
        series = _one.first(self._connection, {"row": component_id, "name": metric})
        if series is not None:
            for _, step, at, value in self._chunks(_read, {"series": series[0]}):
                yield Value(step, at, value)

    def emitted(self, job_id: int) -> Sequence[Summary]:
        """What the values of a training job come to."""
        found = _summed_up.rows(self._connection, {"row": job_id})
        return [_told((0, name, count, *map(finite, numbers))) for name, count, *numbers in found]

    def curve(self, job_id: int, metric: str) -> Iterator[Value]:
        """Of a metric of a training job."""
        for step, (_, at, value) in enumerate(self._chunks(_curve, {"row": job_id, "name": metric})):
            yield Value(step, at, value)

    def _chunks(self, wanted: Prepared, given: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """Rows beyond `after`, the first column, from the beginning on."""
        after = -1
        while found := wanted.rows(self._connection, {**given, "after": after}):
            yield from found
            if len(found) < CHUNK:
                return
            after = found[-1][0]

    def _component(self, account: str, region: str, name: str) -> int:
        kind = Kind.TRIAL_COMPONENT.value
        named = {"the_account": account, "the_region": region, "the_kind": kind, "the_key": name.lower()}
        if self._connection.dialect.name == "sqlite":
            # Nobody else writes meanwhile: what is to be indexed anew already needs no other version.
            found = _find.first(self._connection, named)
            if found is not None and found[1] is None:
                return int(found[0])
        touched = _touch.first(self._connection, named)
        if touched is None:
            raise NotFound
        return int(touched[0])

    def _known(self, row: int, names: Collection[str]) -> dict[str, tuple[int, Summary]]:
        some = _some[self._connection.dialect.name]
        return {
            each[1]: (each[0], _told(each)) for each in some.rows(self._connection, {"row": row, "names": [*names]})
        }

    def _count(self, row: int) -> int:
        return int(_count.rows(self._connection, {"row": row})[0][0])

    def _begun(self, row: int, name: str) -> tuple[int, Summary]:
        """A series without values: for a moment, until they are added."""
        empty = dict.fromkeys(_numbers, 0)
        (series,) = _begin.rows(self._connection, {"resource_id": row, "name": name, **empty})[0]
        return series, nothing_of(name)


def _told(row: Sequence[Any]) -> Summary:
    _, name, *numbers = row
    return Summary(name=name, **dict(zip(_numbers, numbers, strict=True)))
