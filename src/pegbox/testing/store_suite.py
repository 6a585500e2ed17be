"""What every Store must do; subclass with a fixture `store` that gives an empty one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pegbox.store.base import AlreadyExists, NotFound, Stale, Store, Transaction, changing
from pegbox.store.queries import Query
from pegbox.store.resources import Kind, MetricPoint
from pegbox.testing.lease_suite import LeaseSuite
from pegbox.testing.store_rows import ACCOUNT, REGION, a_job, insert


class StoreSuite(LeaseSuite):
    """Inherit; the tests use nothing but the interface."""

    def test_what_was_inserted_is_found(self, store: Store) -> None:
        """By name in any case, and by id; whole."""
        row = insert(store, a_job("Ab"))
        with store.reading() as tx:
            assert tx.get(ACCOUNT, REGION, Kind.TRAINING_JOB, "aB") == tx.by_id(row.id)
            assert tx.by_id(row.id) == replace(row, version=0)

    def test_names_are_unique_without_regard_to_case(self, store: Store) -> None:
        """And only within an account, a region and a kind."""
        insert(store, a_job("Ab"))
        with pytest.raises(AlreadyExists) as caught:
            insert(store, a_job("aB"))
        assert caught.value.existing == "Ab"
        insert(store, a_job("ab", account="000000000000"))
        insert(store, a_job("ab", region="us-east-1"))
        insert(store, a_job("ab", kind=Kind.TUNING_JOB))

    def test_other_accounts_see_nothing(self, store: Store) -> None:
        """Not by name, not in lists."""
        insert(store, a_job("ab"))
        with store.reading() as tx:
            with pytest.raises(NotFound):
                tx.get("000000000000", REGION, Kind.TRAINING_JOB, "ab")
            query = Query(account="000000000000", region=REGION, kind=Kind.TRAINING_JOB)
            assert tx.select(query, None, 10).resources == []

    def test_a_rolled_back_transaction_leaves_nothing(self, store: Store) -> None:
        """All or nothing."""
        with pytest.raises(ZeroDivisionError), store.transaction() as tx:
            tx.insert(a_job("ab"))
            _ = 1 / 0
        with store.reading() as tx, pytest.raises(NotFound):
            tx.get(ACCOUNT, REGION, Kind.TRAINING_JOB, "ab")

    def test_a_stale_change_is_refused(self, store: Store) -> None:
        """Whoever read an older version writes nothing."""
        row = insert(store, a_job("ab"))
        with store.transaction() as tx:
            tx.save(replace(row, status="Stopping"))
        with pytest.raises(Stale), store.transaction() as tx:
            tx.save(replace(row, status="Failed"))
        with store.reading() as tx:
            assert tx.by_id(row.id).status == "Stopping"

    def test_a_change_is_made_again_when_somebody_was_quicker(self, store: Store) -> None:
        """Reading and writing belong together."""
        row = insert(store, a_job("ab"))
        tries: list[str] = []

        def change(tx: Transaction) -> str:
            found = tx.by_id(row.id)
            tries.append(found.status)
            if len(tries) == 1:
                found = replace(found, version=found.version - 1)  # as if it had been read before another's change
            return tx.save(replace(found, status="Stopping")).status

        assert changing(store, change) == "Stopping"
        assert tries == ["InProgress", "InProgress"]

    def test_what_has_not_ended_is_counted(self, store: Store) -> None:
        """By account, region and kind."""
        insert(store, a_job("a", kind=Kind.TUNING_JOB))
        insert(store, a_job("b", kind=Kind.TUNING_JOB, ended_at=5.0))
        insert(store, a_job("c"))
        with store.reading() as tx:
            assert tx.live(ACCOUNT, REGION, Kind.TUNING_JOB) == 1
            assert tx.live("000000000000", REGION, Kind.TUNING_JOB) == 0

    def test_a_reading_sees_one_moment(self, store: Store) -> None:
        """What is committed meanwhile is seen by the next one."""
        row = insert(store, a_job("ab"))
        with store.reading() as tx:
            assert tx.by_id(row.id).status == "InProgress"
            with store.transaction() as other:
                other.save(replace(row, status="Stopping"))
            assert tx.by_id(row.id).status == "InProgress"

    def test_points_are_kept_once_and_in_order(self, store: Store) -> None:
        """A repeated import changes nothing."""
        row = insert(store, a_job("ab"))
        points = [
            MetricPoint(attempt=1, offset=offset, host="algo-1", metric=metric, value=value, at=100.0 + offset)
            for offset, metric, value in ((0, "loss", 0.5), (40, "loss", 1e300), (80, "auc", 0.25))
        ]
        for _ in range(2):
            with store.transaction() as tx:
                tx.add_points(row.id, points)
        with store.reading() as tx:
            assert [value for *_, value in tx.curve(row.id, "loss")] == [0.5, 1e300]

    def test_children_are_counted_and_ranked(self, store: Store) -> None:
        """Without reading their documents."""
        parent = insert(store, a_job("parent", kind=Kind.TUNING_JOB))
        for number, objective in ((1, 0.5), (2, 0.9), (3, 0.9), (4, None)):
            changes = {"outcome": "Completed", "status": "Completed"} if objective is not None else {}
            insert(store, a_job(f"c{number}", parent_id=parent.id, number=number, objective=objective, **changes))
        with store.reading() as tx:
            assert [row.number for row in tx.children(parent.id)] == [1, 2, 3, 4]
            assert sum(tally.count for tally in tx.tally([parent.id])[parent.id]) == 4
            best, worst = tx.best(parent.id, True), tx.best(parent.id, False)
            assert best is not None
            assert worst is not None
            assert (best.name, worst.name) == ("c2", "c1")

    @pytest.mark.parametrize("sort_by", ["name", "created_at", "status", "objective"])
    @pytest.mark.parametrize("descending", [False, True])
    def test_pages_lose_and_repeat_nothing_while_rows_are_inserted(
        self, store: Store, sort_by: str, descending: bool
    ) -> None:
        """Keyset paging, ties included."""
        for number in range(10):
            insert(store, a_job(f"m{number}", created_at=float(number // 3), objective=float(number % 4)))
        query = Query(account=ACCOUNT, region=REGION, kind=Kind.TRAINING_JOB, sort_by=sort_by, descending=descending)
        names: list[str] = []
        after = None
        for turn in range(20):
            with store.reading() as tx:
                page = tx.select(query, after, 3)
            names += [row.name for row in page.resources]
            after = page.after
            if after is None:
                break
            insert(store, a_job(f"new{turn}", created_at=float(turn), objective=0.5 * turn))
        old = [name for name in names if name.startswith("m")]
        assert sorted(old) == [f"m{number}" for number in range(10)]
        assert len(set(names)) == len(names)

    def test_filters(self, store: Store) -> None:
        """Names by part and without regard to case, with no wildcards; times beyond their bounds."""
        insert(store, a_job("Alpha-1", created_at=1.0))
        insert(store, a_job("beta-1", created_at=2.0, status="Failed"))
        assert names(store, name_contains="PHA") == ["Alpha-1"]
        assert names(store, name_contains="%") == []
        assert names(store, name_contains="_") == []
        assert names(store, status="Failed") == ["beta-1"]
        assert names(store, created_after=1.0) == ["beta-1"]
        assert names(store, created_before=2.0) == ["Alpha-1"]

    def test_a_deleted_resource_is_gone_with_its_points(self, store: Store) -> None:
        """And its name is free."""
        row = insert(store, a_job("ab"))
        with store.transaction() as tx:
            tx.add_points(row.id, [MetricPoint(attempt=1, offset=0, host="algo-1", metric="m", value=1.0, at=1.0)])
        with store.transaction() as tx:
            tx.delete(row.id)
        again = insert(store, a_job("ab"))
        assert again.id != row.id


def names(store: Store, **filters: Any) -> list[str]:
    """The names that a query finds."""
    query = Query(account=ACCOUNT, region=REGION, kind=Kind.TRAINING_JOB, **filters)
    with store.reading() as tx:
        return [row.name for row in tx.select(query, None, 100).resources]
