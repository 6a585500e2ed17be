"""What a transaction knows of experiments, on both databases."""

from __future__ import annotations

import math
import statistics
import sys
import tracemalloc
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.curves import Value
from pegbox.store.base import NotFound
from pegbox.store.measurements import CHUNK
from pegbox.store.resources import Kind, MetricPoint, Resource
from pegbox.store.sql import SqlStore
from pegbox.store.tracking import Parent, Summary, nothing_of
from pegbox.testing.store_suite import ACCOUNT, REGION, a_job

HERE = (ACCOUNT, REGION)


def insert(store: SqlStore, kind: Kind, name: str, **changes: Any) -> Resource:
    with store.transaction() as tx:
        return tx.insert(replace(a_job(name), kind=kind, ended_at=1.0, **changes))


def index(store: SqlStore, kind: Kind = Kind.TRIAL_COMPONENT) -> list[str]:
    """Count all that may be old as indexed; returns their names."""
    with store.transaction() as tx:
        rows = tx.unindexed(kind, 100)
        tx.index([(row, ()) for row in rows])
        return [row.name for row in rows]


def put(store: SqlStore, name: str, most: int = 10, **values: Sequence[Value]) -> set[str]:
    with store.transaction() as tx:
        return set(tx.tracking.put(*HERE, name, values, most))


def test_components_join_and_leave_trials(store: SqlStore) -> None:
    experiment = insert(store, Kind.EXPERIMENT, "e")
    trials = [insert(store, Kind.TRIAL, name, parent_id=experiment.id) for name in ("t1", "t2")]
    component = insert(store, Kind.TRIAL_COMPONENT, "c")
    assert index(store) == ["c"]
    for trial in (*trials, trials[0]):
        with store.transaction() as tx:
            tx.tracking.join(trial.id, component.id)
    assert index(store) == ["c"]
    with store.reading() as tx:
        assert tx.tracking.parents(component.id) == [Parent("t1", "e"), Parent("t2", "e")]
        assert [part.name for part in tx.tracking.parts(trials[0].id, 10)] == ["c"]
        assert all(tx.tracking.in_use(row.id) for row in (experiment, *trials, component))
    with store.transaction() as tx:
        assert tx.tracking.leave(trials[0].id, component.id)
        assert not tx.tracking.leave(trials[0].id, component.id)
    assert index(store) == ["c"]
    with store.reading() as tx:
        assert not tx.tracking.in_use(trials[0].id)
        assert tx.tracking.in_use(component.id)
    with store.transaction() as tx:
        tx.delete(trials[1].id)
    with store.reading() as tx:
        assert tx.tracking.parents(component.id) == []


def test_a_trial_tells_its_newest_components(store: SqlStore) -> None:
    trial = insert(store, Kind.TRIAL, "t")
    for number in range(5):
        component = insert(store, Kind.TRIAL_COMPONENT, f"c{number}")
        with store.transaction() as tx:
            tx.tracking.join(trial.id, component.id)
    with store.reading() as tx:
        assert [part.name for part in tx.tracking.parts(trial.id, 3)] == ["c2", "c3", "c4"]


def test_what_is_gone_cannot_be_held(store: SqlStore) -> None:
    row = insert(store, Kind.TRIAL, "t")
    with store.transaction() as tx:
        tx.tracking.hold(row.id)
        tx.delete(row.id)
    with pytest.raises(NotFound), store.transaction() as tx:
        tx.tracking.hold(row.id)


def test_values_are_kept_in_their_order(store: SqlStore) -> None:
    component = insert(store, Kind.TRIAL_COMPONENT, "C")
    assert index(store) == ["C"]
    first, second = [Value(0, 5.0, 1.0), Value(None, 6.0, 3.0)], [Value(1, 6.0, 2.0), Value(2, 4.0, 0.0)]
    put(store, "c", m=first, other=[Value(None, 1.0, 7.0)])
    assert index(store) == ["C"]
    put(store, "c", m=second)
    assert index(store) == ["C"]
    with store.reading() as tx:
        assert list(tx.tracking.values(component.id, "m")) == [*first, *second]
        assert list(tx.tracking.values(component.id, "other")) == [Value(None, 1.0, 7.0)]
        assert list(tx.tracking.values(component.id, "missing")) == []
        m, other = tx.tracking.summaries(component.id)
    assert (m.name, m.count, m.low, m.high, m.last, m.last_at) == ("m", 4, 0.0, 3.0, 2.0, 6.0)
    assert (m.mean, m.deviation) == (1.5, pytest.approx(statistics.pstdev([1, 3, 2, 0])))
    assert (other.name, other.count, other.last) == ("other", 1, 7.0)
    with store.transaction() as tx:
        tx.delete(component.id)
    with store.reading() as tx:
        assert tx.tracking.summaries(component.id) == []


def test_metrics_beyond_the_limit_are_not_taken(store: SqlStore) -> None:
    component = insert(store, Kind.TRIAL_COMPONENT, "c")
    value = [Value(None, 1.0, 1.0)]
    assert put(store, "c", 2, a=value, b=value, c=value) == {"c"}
    assert put(store, "c", 2, a=value, d=value) == {"d"}
    with store.reading() as tx:
        assert [(each.name, each.count) for each in tx.tracking.summaries(component.id)] == [("a", 2), ("b", 1)]
    with pytest.raises(NotFound):
        put(store, "nobody-knows", 2, a=value)


def points(*values: float, attempt: int = 1, metric: str = "m") -> list[MetricPoint]:
    return [
        MetricPoint(attempt=attempt, offset=offset, host="algo-1", metric=metric, value=value, at=10.0 + offset)
        for offset, value in enumerate(values)
    ]


def test_what_a_job_emitted_comes_from_its_last_attempt(store: SqlStore) -> None:
    with store.transaction() as tx:
        job = tx.insert(a_job("j"))
        tx.add_points(job.id, [*points(9.0, 9.0), *points(3.0, 1.0, 2.0, attempt=2)])
    with store.reading() as tx:
        (found,) = tx.tracking.emitted(job.id)
        assert (found.count, found.mean, found.low, found.high, found.last, found.last_at) == (3, 2, 1, 3, 2, 12)
        assert found.deviation == pytest.approx(statistics.pstdev([3, 1, 2]))
        assert list(tx.tracking.curve(job.id, "m")) == [Value(0, 10.0, 3.0), Value(1, 11.0, 1.0), Value(2, 12.0, 2.0)]
        assert tx.tracking.emitted(job.id + 1) == []


def test_equal_values_are_their_own_average(store: SqlStore) -> None:
    same = [0.81] * 5
    component = insert(store, Kind.TRIAL_COMPONENT, "c")
    put(store, "c", m=[Value(None, 1.0, value) for value in same])
    with store.transaction() as tx:
        job = tx.insert(a_job("j"))
        tx.add_points(job.id, points(*same))
    with store.reading() as tx:
        for summary in (*tx.tracking.summaries(component.id), *tx.tracking.emitted(job.id)):
            assert (summary.average, summary.deviation) == (0.81, 0.0)


def test_many_values_are_read_some_at_a_time(store: SqlStore) -> None:
    count = 4 * CHUNK
    component = insert(store, Kind.TRIAL_COMPONENT, "c")
    put(store, "c", m=[Value(step, step / 2, float(step)) for step in range(count)])
    with store.transaction() as tx:
        job = tx.insert(a_job("j"))
        tx.add_points(job.id, points(*map(float, range(count))))
    with store.reading() as tx:
        for many in (tx.tracking.values(component.id, "m"), tx.tracking.curve(job.id, "m")):
            tracemalloc.start()
            try:
                sum(1 for _ in zip(many, range(CHUNK), strict=False))
                some = tracemalloc.get_traced_memory()[1]
                last = deque(many, maxlen=1)
                assert tracemalloc.get_traced_memory()[1] < 2 * some
            finally:
                tracemalloc.stop()
            assert (last[0].step, last[0].value) == (count - 1, count - 1.0)


def test_very_large_values_do_no_harm(store: SqlStore) -> None:
    component = insert(store, Kind.TRIAL_COMPONENT, "c")
    large = [1e308, -1e308, 1e308, 5e-324]
    for value in large:
        put(store, "c", m=[Value(None, 1.0, value)] * 2)
    with store.transaction() as tx:
        job = tx.insert(a_job("j"))
        tx.add_points(job.id, points(*large))
    with store.reading() as tx:
        for summary in (*tx.tracking.summaries(component.id), *tx.tracking.emitted(job.id)):
            assert (summary.low, summary.high, summary.last) == (-1e308, 1e308, 5e-324)
            assert math.isfinite(summary.mean) and math.isfinite(summary.deviation)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5), min_size=1, max_size=5))
def test_a_summary_is_that_of_all_values(batches: list[list[float]]) -> None:
    summary = nothing_of("m")
    for batch in batches:
        summary = summary.with_values([Value(None, 0.0, value) for value in batch])
    values = [value for batch in batches for value in batch]
    assert summary == Summary(
        name="m",
        count=len(values),
        mean=pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6),
        squares=pytest.approx(statistics.pvariance(values) * len(values), rel=1e-6, abs=1e-3),
        low=min(values),
        high=max(values),
        last=values[-1],
        last_at=0.0,
    )


def test_jobs_are_followed_once_somebody_asks(store: SqlStore) -> None:
    kind = Kind.TRAINING_JOB.value
    with store.transaction() as tx:
        jobs = [tx.insert(replace(a_job(f"j{number}"), created_at=float(number))) for number in range(5)]
    with store.reading() as tx:
        assert not tx.tracking.begun(*HERE)
        assert tx.tracking.unseen(kind, 10, None) == []
    with store.transaction() as tx:
        tx.tracking.begin(*HERE, [kind])
        tx.tracking.begin(*HERE, [kind])
    with store.reading() as tx:
        assert tx.tracking.begun(*HERE) and tx.tracking.scopes() == {HERE}
        assert tx.tracking.behind() == [(*HERE, kind)]
        assert tx.tracking.unseen(kind, 2, None) == [(jobs[4].id, 0), (jobs[3].id, 0)]
        assert tx.tracking.unseen(kind, 2, jobs[0].modified_at) == []
    walked: list[int] = []
    for expected in (2, 2, 1, 0):
        with store.transaction() as tx:
            some = tx.tracking.older(*HERE, kind, 2)
        walked += some
        assert len(some) == expected
    assert walked == [job.id for job in reversed(jobs)]
    with store.transaction() as tx:
        assert tx.tracking.behind() == []
        tx.tracking.made(jobs[1].id)
        tx.tracking.made(jobs[1].id)
        assert tx.tracking.unmade([job.id for job in jobs]) == {job.id for job in jobs} - {jobs[1].id}
        assert jobs[1].id not in tx.tracking.new(*HERE, kind, 10)
        assert len(tx.tracking.new(*HERE, kind, 10)) == 4


def test_a_component_follows_its_job(store: SqlStore) -> None:
    with store.transaction() as tx:
        job = tx.insert(a_job("j"))
    insert(store, Kind.TRIAL_COMPONENT, "c", parent_id=job.id)
    insert(store, Kind.TRIAL_COMPONENT, "other")
    assert set(index(store)) == {"c", "other"}
    with store.transaction() as tx:
        tx.tracking.follow([job.id])
        tx.tracking.follow([])
    assert index(store) == ["c"]


def test_the_largest_number_is_told_for_one_that_is_larger() -> None:
    summary = nothing_of("m").with_values([Value(None, 0.0, 1e308)] * 10)
    assert (summary.mean, summary.squares) == (sys.float_info.max, sys.float_info.max)
