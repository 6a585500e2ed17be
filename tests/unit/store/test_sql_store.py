"""The SQL store on SQLite and on PostgreSQL."""

from __future__ import annotations

import tracemalloc
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from pegbox.store import schema
from pegbox.store.base import Unavailable
from pegbox.store.credentials import AccessKey
from pegbox.store.image import Image
from pegbox.store.queries import Page, Query
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.store.upgrade import HEAD, SchemaTooNew, upgrade
from pegbox.testing.store_rows import ACCOUNT, HOST, REGION, a_job, held
from pegbox.testing.store_suite import StoreSuite
from postgres import Cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'pegbox.db'}"
    return str(request.getfixturevalue("postgres").database(f"t{uuid.uuid4().hex[:12]}"))


@pytest.fixture
def store(url: str) -> Iterator[SqlStore]:
    store = SqlStore(url)
    yield store
    store.close()


class TestSqlStore(StoreSuite):
    """All of the contract."""

    @pytest.fixture
    def store(self, url: str) -> Iterator[SqlStore]:  # type: ignore[override]
        store = SqlStore(url)
        yield store
        store.close()


@pytest.mark.parametrize("column", ["state", "document"])
def test_a_row_that_is_spoilt_is_not_in_the_way_of_others(store: SqlStore, column: str) -> None:
    with store.transaction() as tx:
        rows = [tx.insert(a_job(name)) for name in ("a", "b", "c")]
    with store.engine.begin() as connection:
        spoil = text(f"update resource set {column} = '{{' where name in ('a', 'c')")
        connection.execute(spoil)
    query = Query(account=ACCOUNT, region=REGION, kind=Kind.TRAINING_JOB, sort_by="name")
    with store.reading() as tx:
        page = tx.select(query, None, 1)
        assert [row.name for row in page.resources] == ["b"]
        assert tx.select(query, page.after, 1) == Page([], None)
    for only in (None, [row.id for row in rows]):
        found = store.claim("me", HOST, 0.0, 10, only)
        assert [row.name for row in found] == ["b"]
        store.release(found[0], 0.0)


def test_the_best_job_that_can_be_read_stands_for_one_that_is_spoilt(store: SqlStore) -> None:
    with store.transaction() as tx:
        parent = tx.insert(replace(a_job("search"), kind=Kind.TUNING_JOB))
        for number, objective in enumerate((3.0, 1.0, 2.0), 1):
            child = replace(a_job(f"child-{number}"), parent_id=parent.id, number=number, objective=objective)
            tx.insert(child)
    with store.engine.begin() as connection:
        connection.execute(text("update resource set state = '{' where name = 'child-2'"))
    with store.reading() as tx:
        best = [tx.best(parent.id, maximize=maximize) for maximize in (False, True)]
    assert [row.name if row else None for row in best] == ["child-3", "child-1"]
    with store.engine.begin() as connection:
        connection.execute(text("update resource set document = '' where parent_id is not null"))
    with store.reading() as tx:
        assert tx.best(parent.id, maximize=True) is None


def test_documents_of_claimed_rows_take_bounded_memory(tmp_path: Path) -> None:
    store = SqlStore(f"sqlite:///{tmp_path / 'pegbox.db'}")
    with store.transaction() as tx:
        for number in range(20):
            tx.insert(a_job(str(number), document={"Large": str(number) * (1 << 20)}))
    tracemalloc.start()
    try:
        for _ in range(20):
            (claimed,) = store.claim("me", HOST, 60, 1)
            store.release(claimed, None)
        del claimed
        assert tracemalloc.get_traced_memory()[0] < 4 << 20
    finally:
        tracemalloc.stop()
    store.close()


def test_the_migrations_make_the_tables_that_the_code_knows(url: str) -> None:
    store = SqlStore(url)
    found = inspect(store.engine)
    for table in schema.metadata.sorted_tables:
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert set(columns) == {column.name for column in table.columns}
        for column in table.columns:
            assert columns[column.name]["nullable"] == (column.nullable and not column.primary_key), column
        indexes = {index["name"] for index in found.get_indexes(table.name)}
        assert {index.name for index in table.indexes} <= indexes
    store.close()


def test_the_newest_migration_is_the_head() -> None:
    versions = Path(schema.__file__).parent / "migrations" / "versions"
    newest = max(path.name for path in versions.glob("v*.py"))
    assert newest.startswith(f"v{HEAD}_")


def test_an_upgrade_is_made_once(url: str) -> None:
    store = SqlStore(url, migrate=False)
    assert upgrade(store.engine)
    assert not upgrade(store.engine)
    store.close()


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    SqlStore(url).close()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(SchemaTooNew):
        SqlStore(url)


def test_a_host_that_died_before_the_clock_was_put_back_is_silent_soon(store: SqlStore) -> None:
    row = held(store, "ab", "dead")
    store.beat("dead")
    with store.transaction() as tx:  # the clock was 300 s ahead when it beat
        tx.connection.exec_driver_sql("UPDATE host SET seen_at = seen_at + 300")
    assert store.silent(-1) == []
    store.pull_in(60)
    assert [silent.id for silent in store.silent(-1)] == [row.id]


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Cluster:
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster


def test_a_database_that_is_read_only_is_unavailable_until_another_takes_its_place(cluster: Cluster) -> None:
    """As a standby is, or a primary that has become one; connections to it are left."""
    name = f"t{uuid.uuid4().hex[:12]}"
    SqlStore(cluster.database(name)).close()
    cluster.sql("postgres", f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store = SqlStore(cluster.url(name))
    assert store.owners() == []
    with pytest.raises(Unavailable, match="read-only"):
        store.beat("here")
    cluster.sql("postgres", f"ALTER DATABASE {name} RESET default_transaction_read_only")
    store.beat("here")
    store.close()


@pytest.mark.parametrize("last", ["a statement", "the commit"])
def test_a_transaction_that_the_database_has_ended_is_trouble_of_the_database(cluster: Cluster, last: str) -> None:
    store = SqlStore(cluster.database(f"t{uuid.uuid4().hex[:12]}"))

    def sleep() -> None:
        with store.transaction() as tx:
            pid = tx.connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            tx.connection.exec_driver_sql("SET idle_in_transaction_session_timeout = '1ms'")
            while cluster.sql("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") != "0":
                pass
            if last == "a statement":
                tx.connection.exec_driver_sql("SELECT 1")

    with pytest.raises(Unavailable):
        sleep()
    store.beat("here")
    store.close()


def test_keys_are_kept_and_their_secrets_not_shown(store: SqlStore) -> None:
    key = AccessKey(id="AKIA1", secret="very-secret", account="123456789012", created_at=1.0)
    store.keys.add(key)
    assert store.keys.find("AKIA1") == key
    assert "very-secret" not in repr(key)
    assert store.keys.remove("AKIA1")
    assert not store.keys.remove("AKIA1")
    assert store.keys.find("AKIA1") is None


def test_images_are_replaced_by_name(store: SqlStore) -> None:
    image = Image(
        name="mine", command=("python", "a b.py"), environment={"K": "V"}, arguments=("--lr", "{lr}"), created_at=1.0
    )
    store.images.put(image)
    store.images.put(image)
    assert list(store.images.all()) == [image]
    assert store.images.find("mine") == image
    assert store.images.remove("mine")
    assert store.images.find("mine") is None


def test_an_image_that_two_register_at_once_is_registered_once(store: SqlStore) -> None:
    images = [Image(name="mine", command=(f"program-{number}",), created_at=1.0) for number in range(4)]
    for _ in range(10):
        with ThreadPoolExecutor(4) as people:
            for done in [people.submit(store.images.put, image) for image in images]:
                done.result()
        (found,) = store.images.all()
        assert found in images


def test_what_is_counted_to_be_limited_is_counted_one_after_the_other(store: SqlStore) -> None:
    """Between a count and its commit nobody else counts."""

    def create(number: int) -> bool:
        with store.transaction() as tx:
            if tx.live("123456789012", "us-east-1", Kind.TUNING_JOB) >= 5:
                return False
            tx.insert(
                Resource(
                    account="123456789012",
                    region="us-east-1",
                    kind=Kind.TUNING_JOB,
                    name=f"job-{number}",
                    status="InProgress",
                    created_at=1.0,
                    modified_at=1.0,
                )
            )
            return True

    with ThreadPoolExecutor(8) as people:
        assert sum(people.map(create, range(40))) == 5
