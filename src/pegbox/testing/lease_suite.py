"""What every Store must do about work: who has it, for how long, on which host, in how many slots."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from pegbox.store.base import Fenced, Store
from pegbox.store.resources import JOBS, Kind
from pegbox.testing.store_rows import HOST, a_job, held, insert


class LeaseSuite:
    """A part of StoreSuite, which is to be inherited."""

    @pytest.fixture
    def store(self) -> Store:
        """An empty store."""
        raise NotImplementedError

    def test_due_work_is_claimed_once(self, store: Store) -> None:
        """Until it is released and due again."""
        row = insert(store, a_job("ab"))
        (claimed,) = store.claim("one", HOST, 60, 10)
        assert claimed.id == row.id
        assert store.claim("two", HOST, 60, 10) == []
        assert store.claim("two", HOST, 60, 10, [row.id]) == []
        store.release(claimed, 1000)
        assert store.claim("two", HOST, 60, 10) == []
        assert [again.id for again in store.claim("two", HOST, 60, 10, [row.id])] == [row.id]

    def test_between_two_ticks_only_what_was_named_is_taken(self, store: Store) -> None:
        """And what waits for a slot; what is due without a word is found by the next look at everything."""
        due, named = insert(store, a_job("ab")), insert(store, a_job("cd"))
        for row in store.claim("one", HOST, 60, 10):
            store.release(row, 0.0)
        waiting = insert(store, a_job("ef"))
        taken = store.claim("one", HOST, 60, 10, [named.id], everything=False)
        assert sorted(row.id for row in taken) == [named.id, waiting.id]
        assert store.claim("one", HOST, 60, 10, done=[(taken[0], None)], everything=False) == []
        assert [row.id for row in store.claim("one", HOST, 60, 10)] == [due.id]

    def test_work_that_became_due_under_a_lease_is_not_forgotten(self, store: Store) -> None:
        """A stop request that arrives while a server works on the job must be seen."""
        row = insert(store, a_job("ab"))
        (claimed,) = store.claim("one", HOST, 60, 10)
        with store.transaction() as tx:
            tx.mark_due([row.id])
        store.release(claimed, 1000)
        assert len(store.claim("one", HOST, 60, 10)) == 1

    def test_work_that_is_held_is_looked_at_again(self, store: Store) -> None:
        """As it was while nobody changes it; a change and the mark that came with it are heard once."""
        insert(store, a_job("ab"))
        (held,) = store.claim("one", HOST, 60, 10)
        (same,) = store.look_again([held])
        assert same is held
        with store.transaction() as tx:
            tx.save(replace(tx.by_id(held.id), status="Stopping"))
            tx.mark_due([held.id])
        (now,) = store.look_again([held])
        assert (now.status, now.epoch, now.version) == ("Stopping", held.epoch, held.version + 1)
        assert store.look_again([now]) == [now]
        store.release(now, 1000)
        assert store.claim("one", HOST, 60, 10) == []

    def test_work_that_another_has_or_nobody_is_not_held(self, store: Store) -> None:
        """Also if it was changed there."""
        insert(store, a_job("ab"))
        (asleep,) = store.claim("one", HOST, 0.0, 10)
        (taken,) = store.claim("two", HOST, 60, 10, [asleep.id])
        assert store.look_again([asleep]) == []
        with store.transaction() as tx:
            changed = tx.save(replace(taken, status="Stopping"), leased=True)
        assert store.look_again([asleep]) == []
        store.release(changed, 1000)
        assert store.look_again([changed]) == []

    def test_a_lost_lease_is_fenced(self, store: Store) -> None:
        """A server that slept past its lease writes nothing, and its release does nothing."""
        insert(store, a_job("ab"))
        (asleep,) = store.claim("one", HOST, 0.0, 10)
        (taken,) = store.claim("two", HOST, 60, 10, [asleep.id])
        with pytest.raises(Fenced), store.transaction() as tx:
            tx.save(replace(asleep, status="Failed"), leased=True)
        store.release(asleep, 0)
        assert store.claim("three", HOST, 60, 10) == []
        with store.transaction() as tx:
            tx.save(replace(taken, status="Stopping"), leased=True)

    def test_the_leases_of_a_dead_owner_can_be_ended(self, store: Store) -> None:
        """Its work need not wait until they run out."""
        insert(store, a_job("ab"))
        assert store.owners() == []
        (held,) = store.claim("dead", HOST, 60, 10)
        assert store.owners() == ["dead"]
        store.expire("dead")
        assert store.owners() == []
        assert [row.id for row in store.claim("one", HOST, 60, 10)] == [held.id]

    def test_orphans_come_first(self, store: Store) -> None:
        """Work whose server died does not wait behind fresh work."""
        for kind in sorted(JOBS):
            orphan = insert(store, a_job("orphan", kind=kind, due_at=5.0))
            assert len(store.claim("dead", HOST, -1.0, 1)) == 1  # it is due again since its lease has ended
            fresh = insert(store, a_job("fresh", kind=kind, due_at=1.0, host=HOST))
            first = store.claim("one", HOST, 60, 1, [orphan.id, fresh.id])
            assert [row.name for row in first] == ["orphan"], kind
            store.release(first[0], None)
            for row in store.claim("one", HOST, 60, 1):
                store.release(row, None)

    def test_work_on_another_host_is_left_alone(self, store: Store) -> None:
        """Its files are there."""
        held(store, "ab", "there")
        store.beat("there")
        assert store.claim("one", HOST, 60, 10) == []
        assert len(store.claim("two", "there", 60, 10)) == 1

    def test_work_on_a_host_that_was_never_heard_of_is_anybodys(self, store: Store) -> None:
        """A machine that is gone for good must not hold its jobs for ever."""
        row = held(store, "ab", "gone")
        assert [claimed.id for claimed in store.claim("one", HOST, 60, 10)] == [row.id]

    def test_work_of_a_host_that_is_near_is_ours(self, store: Store) -> None:
        """Even while it beats: the caller knows best."""
        row = held(store, "ab", "there")
        store.beat("there")
        assert store.claim("one", HOST, 60, 10) == []
        assert [claimed.id for claimed in store.claim("one", HOST, 60, 10, near=["there"])] == [row.id]

    def test_work_of_a_host_that_was_silent_for_long_is_anybodys(self, store: Store) -> None:
        """How long is the caller's to say."""
        row = held(store, "ab", "there")
        store.beat("there")
        assert store.claim("one", HOST, 60, 10, silence=60) == []
        assert [claimed.id for claimed in store.claim("one", HOST, 60, 10, silence=0)] == [row.id]

    def test_silent_hosts_are_known_by_their_jobs(self, store: Store) -> None:
        """By all that have not ended."""
        for number, host in enumerate(("silent", "silent", "alive", "gone")):
            held(store, f"job-{number}", host)
        for host in ("silent", "alive", "idle"):
            store.beat(host)
        assert {row.host for row in store.silent(60)} == {"gone"}
        assert sorted(str(row.host) for row in store.silent(0)) == ["alive", "gone", "silent", "silent"]

    def test_a_beat_tells_how_long_it_was_silent(self, store: Store) -> None:
        """None at first."""
        first = store.beat("here")
        second = store.beat("here")
        assert first.since is None
        assert second.since == pytest.approx(second.at - first.at)
        assert first.at <= second.at <= store.now() < first.at + 60

    def test_what_is_put_off_can_be_brought_back(self, store: Store) -> None:
        """A clock that was put back leaves due times in the future, near or far."""
        for name in ("near", "far", "never", "leased"):
            insert(store, a_job(name))
        taken = {row.name: row for row in store.claim("dead", HOST, 10_000, 10)}
        for name, due_in in (("near", 100), ("far", 10_000), ("never", None)):
            store.release(taken[name], due_in)
        assert store.claim("one", HOST, 60, 10) == []
        for _ in range(2):
            store.pull_in(60)
        assert sorted(row.name for row in store.claim("one", HOST, 60, 10)) == ["far", "near"]
        store.renew("dead", 10_000, [taken["leased"].id])
        store.confirm(taken["leased"])

    def test_a_lease_that_ends_in_the_far_future_can_be_cut(self, store: Store) -> None:
        """Its server may be gone.  One that lives has renewed it before."""
        row = insert(store, a_job("ab"))
        (taken,) = store.claim("dead", HOST, 10_000, 10)
        store.pull_in(0.0)
        store.renew("dead", 60, [row.id])
        assert store.claim("two", HOST, 60, 10, [row.id]) == []
        store.pull_in(60)
        assert store.claim("two", HOST, 60, 10, [row.id]) == []
        store.pull_in(0.0)
        end = time.monotonic() + 10
        while not store.claim("two", HOST, 60, 10):
            assert time.monotonic() < end
            time.sleep(0.01)
        with pytest.raises(Fenced):
            store.confirm(taken)

    def test_a_lease_can_be_confirmed(self, store: Store) -> None:
        """Until another server has the work, or it was released."""
        insert(store, a_job("ab"))
        (held,) = store.claim("one", HOST, 0.0, 10)
        store.confirm(held)
        (taken,) = store.claim("two", HOST, 60, 10, [held.id])
        store.confirm(taken)
        with pytest.raises(Fenced):
            store.confirm(held)
        store.release(taken, 60)
        with pytest.raises(Fenced):
            store.confirm(taken)

    def test_work_in_hand_is_not_claimed_again(self, store: Store) -> None:
        """Not even when its lease has run out."""
        row = insert(store, a_job("ab"))
        assert len(store.claim("one", HOST, 0.0, 10)) == 1
        assert store.claim("one", HOST, 60, 10, without=[row.id]) == []
        assert store.claim("one", HOST, 60, 10, [row.id], without=[row.id]) == []

    def test_a_renewed_lease_is_no_request_to_look_again(self, store: Store) -> None:
        """After long work the pause that it asked for is kept, unless somebody marked it meanwhile."""
        row = insert(store, a_job("ab"))
        (claimed,) = store.claim("one", HOST, 0.2, 10)
        store.renew("one", 60, [row.id])
        assert store.claim("two", HOST, 60, 10, [row.id]) == []
        store.release(claimed, 1000)
        assert store.claim("one", HOST, 60, 10) == []
        (claimed,) = store.claim("one", HOST, 60, 10, [row.id])
        store.renew("one", 60, [row.id])
        with store.transaction() as tx:
            tx.mark_due([row.id])
        store.renew("one", 60, [row.id])
        store.release(claimed, 1000)
        assert len(store.claim("one", HOST, 60, 10)) == 1

    def test_concurrent_claims_share_the_work(self, store: Store) -> None:
        """Every row to exactly one."""
        with store.transaction() as tx:
            ids = {tx.insert(a_job(f"job-{number}")).id for number in range(40)}
        taken: list[int] = []

        def take(owner: str) -> None:
            while rows := store.claim(owner, HOST, 60, 3):
                taken.extend(row.id for row in rows)

        threads = [threading.Thread(target=take, args=(f"server-{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == sorted(ids)

    def test_slots_are_given_in_order_of_age(self, store: Store) -> None:
        """No more than there are, the oldest first, back when a job ends."""
        rows = [insert(store, a_job(f"job-{number}")) for number in range(3)]
        poked = [row.id for row in reversed(rows)]
        taken = sorted(store.claim("one", HOST, 60, 10, poked, slots=2), key=lambda row: row.id)
        assert [(row.id, row.host) for row in taken] == [(rows[0].id, HOST), (rows[1].id, HOST)]
        assert store.claim("one", HOST, 60, 10, poked, slots=2) == []
        with store.transaction() as tx:
            tx.save(replace(taken[0], host=None, ended_at=5.0), leased=True)
        assert [row.id for row in store.claim("one", HOST, 60, 10, slots=2)] == [rows[2].id]

    def test_servers_of_one_host_share_its_slots(self, store: Store) -> None:
        """However many ask in the same moment."""
        for turn in range(10):
            host = f"host-{turn}"
            for number in range(8):
                insert(store, a_job(f"job-{turn}-{number}"))
            taken: list[int] = []
            together = threading.Barrier(4)

            def take(owner: str, host: str, taken: list[int], together: threading.Barrier) -> None:
                together.wait(30)
                taken.extend(row.id for row in store.claim(owner, host, 60, 10, slots=2))

            threads = [
                threading.Thread(target=take, args=(f"server-{number}", host, taken, together)) for number in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(taken) == 2

    def test_two_hosts_have_slots_of_their_own(self, store: Store) -> None:
        """Each takes as many as it has."""
        for number in range(4):
            insert(store, a_job(f"job-{number}"))
        taken = [store.claim("any", host, 60, 10, slots=1) for host in ("here", "there", "here")]
        assert [[row.name for row in rows] for rows in taken] == [["job-0"], ["job-1"], []]

    def test_a_job_that_is_stopped_while_it_waits_needs_no_slot(self, store: Store) -> None:
        """It only has to end."""
        insert(store, a_job("first"))
        insert(store, a_job("stopped", status="Stopping"))
        taken = store.claim("one", HOST, 60, 10, slots=0)
        assert [(row.name, row.host) for row in taken] == [("stopped", None)]

    def test_each_kind_of_work_has_its_own_limit(self, store: Store) -> None:
        """Many tuning jobs leave room for training jobs, and the other way."""
        for number in range(3):
            insert(store, a_job(f"search-{number}", kind=Kind.TUNING_JOB))
            insert(store, a_job(f"job-{number}"))
        taken = store.claim("one", HOST, 60, 2, tuning_limit=1)
        assert sorted(row.kind for row in taken) == [Kind.TUNING_JOB, Kind.TRAINING_JOB, Kind.TRAINING_JOB]
        assert [row.kind for row in store.claim("one", HOST, 60, 0, tuning_limit=9)] == [Kind.TUNING_JOB] * 2
        assert [row.kind for row in store.claim("one", HOST, 60, 9, tuning_limit=0)] == [Kind.TRAINING_JOB]

    def test_two_servers_may_say_at_once_that_a_host_is_alive(self, store: Store) -> None:
        """The first time as well."""
        faults: list[Exception] = []

        def beat() -> None:
            try:
                store.beat("new")
            except Exception as error:
                faults.append(error)

        threads = [threading.Thread(target=beat) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert faults == []

    def test_work_is_given_up_and_taken_in_one_step(self, store: Store) -> None:
        """What is done is taken again if it is due, and left until then if not."""
        insert(store, a_job("ab"))
        (taken,) = store.claim("one", HOST, 60, 10)
        assert store.claim("one", HOST, 60, 10, done=[(taken, 1000)]) == []
        (taken,) = store.claim("one", HOST, 60, 10, [taken.id])
        (again,) = store.claim("two", HOST, 60, 10, done=[(taken, 0.0)])
        assert (again.id, again.epoch) == (taken.id, taken.epoch + 1)
        assert store.claim("two", HOST, 60, 10, done=[(again, None)]) == []
        assert store.claim("two", HOST, 60, 10, [again.id]) == []
