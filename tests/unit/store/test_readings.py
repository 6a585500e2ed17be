"""What jobs read, written down once, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from pegbox.domain.readings import MOST_PREFIX, Dataset, Question, Reading, ReadObject, Source
from pegbox.engine import retention
from pegbox.engine.retention import DAY
from pegbox.settings import Settings
from pegbox.store import schema
from pegbox.store.resources import Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.store_rows import REGION, a_job, insert

JOBS = (("old", 2000.0), ("young", 2000.0), ("living", None))


def of(number: int, etag: str = "e") -> Dataset:
    """So many objects."""
    objects = [ReadObject(f"s3://bucket/data/{nth:06}", etag, nth) for nth in range(number)]
    return Dataset(place="s3://bucket/data/", source=Source.PREFIX, objects=objects)


def read(store: SqlStore, job: Resource, dataset: Dataset, attempt: int = 1, channel: str = "train") -> None:
    with store.transaction() as tx:
        tx.add_readings(job, attempt, [Reading(channel=channel, dataset=dataset)])


def counts(store: SqlStore) -> tuple[int, int, int]:
    """Readings, datasets, objects."""
    tables = (schema.reading, schema.dataset, schema.dataset_object)
    with store.reading() as tx:
        one, two, three = (
            tx.connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        )
    return one, two, three


def test_jobs_that_read_the_same_share_it(store: SqlStore) -> None:
    jobs = [insert(store, a_job(f"job-{number}")) for number in range(5)]
    for job in jobs:
        read(store, job, of(30))
    assert counts(store) == (5, 1, 30)
    read(store, jobs[0], of(30, "another"), attempt=2)
    assert counts(store) == (6, 2, 60)


def test_accounts_share_nothing(store: SqlStore) -> None:
    for account in ("111122223333", "444455556666"):
        read(store, insert(store, a_job("job", account=account)), of(3))
    assert counts(store) == (2, 2, 6)
    for account, found in (("111122223333", 1), ("444455556666", 1), ("777788889999", 0)):
        asked = Question(account=account, region=REGION, location="s3://bucket/data/000001")
        assert len(store.audit.readers(asked, None, 10).readers) == found


def test_a_repeated_step_writes_nothing_twice(store: SqlStore) -> None:
    job = insert(store, a_job("job"))
    for _ in range(2):
        read(store, job, of(3))
    assert counts(store) == (1, 1, 3)


def test_it_stays_when_the_job_is_gone_and_its_number_is_given_again(store: SqlStore) -> None:
    job = insert(store, a_job("job"))
    read(store, job, of(3))
    with store.transaction() as tx:
        tx.delete(job.id)
    read(store, replace(job, created_at=2000.5), of(3))  # as after a backup was restored
    assert counts(store) == (2, 1, 3)


def test_what_was_begun_beforehand_is_completed(store: SqlStore) -> None:
    """Also when whoever began it died in the middle."""
    job, dataset = insert(store, a_job("job")), of(25)
    for start in (0, 10):
        for _ in range(2):
            with store.transaction() as tx:
                tx.begin_dataset(job, dataset, start, start + 10)
    with store.reading() as tx:
        assert not tx.is_known(job, dataset)
    assert counts(store) == (0, 1, 20)
    read(store, job, dataset)
    with store.reading() as tx:
        assert tx.is_known(job, dataset)
    assert counts(store) == (1, 1, 25)


def test_several_servers_write_the_same_dataset_at_once(store: SqlStore) -> None:
    jobs = [insert(store, a_job(f"job-{number}")) for number in range(6)]
    together = threading.Barrier(len(jobs))
    datasets = [of(40), of(40, "f"), of(41)]

    def go(job: Resource) -> None:
        together.wait()
        with store.transaction() as tx:
            found = [Reading(channel=f"c{nth}", dataset=each) for nth, each in enumerate(datasets)]
            tx.add_readings(job, 1, found if job.id % 2 else found[::-1])

    threads = [threading.Thread(target=go, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counts(store) == (18, 3, 121)


def test_locations_of_any_length_are_kept(store: SqlStore) -> None:
    job = insert(store, a_job("job"))
    longest = "file:///" + "/".join(["ü" * 80] * 50)
    dataset = Dataset(place=longest, source=Source.PREFIX, objects=[ReadObject(longest, "e", 1)])
    read(store, job, dataset)
    columns = schema.dataset_object.c
    with store.reading() as tx:
        ((begin, rest),) = tx.connection.execute(select(columns.location, columns.rest)).all()
    assert begin + rest == longest
    assert len(begin) == MOST_PREFIX


def test_a_dataset_that_nobody_knows_has_no_objects(store: SqlStore) -> None:
    job = insert(store, a_job("job"))
    read(store, job, replace(of(0), objects=None))
    read(store, job, of(0), channel="empty")
    with store.reading() as tx:
        found = tx.connection.execute(select(schema.dataset.c.objects, schema.dataset.c.is_whole)).all()
    assert sorted(map(tuple, found), key=str) == [(0, 1), (None, 1)]


def test_what_is_old_is_forgotten_with_datasets_that_nobody_has_read(store: SqlStore, tmp_path: Path) -> None:
    old, young, living = (insert(store, a_job(name, ended_at=ended)) for name, ended in JOBS)
    for job, at, dataset in ((old, 1000.0, of(5)), (young, 9 * DAY, of(6)), (living, 1000.0, of(7))):
        read(store, replace(job, modified_at=at), dataset)
    with store.transaction() as tx:
        tx.begin_dataset(old, of(8), 0, 4)  # whoever did so has died
        tx.delete(old.id)
    settings = Settings(home=tmp_path, keep_readings_days=5)
    assert retention.find(settings, store.old, 10 * DAY).readings == 1
    assert retention.sweep(settings, store.old, 10 * DAY, threading.Event()).readings == 1
    assert counts(store) == (2, 2, 13)
    assert retention.find(settings, store.old, 10 * DAY).readings == 0
    read(store, young, of(5), attempt=2)
    assert counts(store) == (3, 3, 18)


def test_a_dataset_is_not_removed_while_somebody_is_about_to_read_it(store: SqlStore) -> None:
    job = insert(store, a_job("job"))
    with store.transaction() as tx:
        tx.begin_dataset(job, of(5), 0, 5)
    if store.engine.dialect.name == "sqlite":  # writers take turns
        return
    with store.transaction() as tx:
        tx.add_readings(job, 1, [Reading(channel="train", dataset=of(5))])
        assert store.old.drop_datasets() == 0
    assert counts(store) == (1, 1, 5)
    assert store.old.drop_datasets() == 0


def test_large_datasets_are_removed_piece_by_piece(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pegbox.store.retention.PIECE", 4)
    job, other = insert(store, a_job("job")), insert(store, a_job("other"))
    for dataset in (of(10), of(7, "f")):
        read(store, job, dataset)
        with store.transaction() as tx:
            tx.connection.execute(delete(schema.reading))
    assert store.old.drop_datasets() == 4
    assert counts(store) == (0, 2, 13)
    with store.reading() as tx:
        assert not tx.is_known(job, of(10))
    read(store, other, of(10))
    assert counts(store) == (1, 2, 17)
    while store.old.drop_datasets():
        pass
    assert counts(store) == (1, 1, 10)
