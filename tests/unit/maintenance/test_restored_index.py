"""A restore leaves the index that a server would make by and by, on both databases."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, select

from jobs import ended_jobs
from pegbox.maintenance import transfer
from pegbox.maintenance.backup import backup
from pegbox.maintenance.progress import Progress
from pegbox.maintenance.restore import restore
from pegbox.maintenance.transfer import Place
from pegbox.operations import search, trial_components
from pegbox.operations.call import Call
from pegbox.operations.catalogs import KINDS
from pegbox.operations.indexing import catch_up, properties_of
from pegbox.operations.tags import add_tags
from pegbox.settings import Settings, load
from pegbox.store import dump, filling, index, schema
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in

ACCOUNT, REGION = "000000000000", "us-east-1"


def found(call: Call, resource: str) -> set[str]:
    request: Any = {"Resource": resource, "MaxResults": 100}
    answer = search.search(request, call)
    told = [result[resource.removeprefix("Experiment")] for result in answer["Results"]]
    return {str(each[f"{resource.removeprefix('Experiment')}Name"]) for each in told}


def is_behind(store: SqlStore) -> set[Kind]:
    """The kinds of which something is not indexed."""
    with store.reading() as tx:
        return {kind for kind in KINDS.values() if tx.has_unindexed(kind)}


def properties(store: SqlStore) -> set[tuple[Any, ...]]:
    """All of the index."""
    values, names = schema.prop.c, schema.property_name.c
    told = select(
        values.resource_id, names.kind, names.name, names.count, values.ordinal, values.num, values.txt, values.more
    ).join(schema.property_name, names.id == values.name_id)
    with store.reading() as tx:
        assert index.misfits(tx.connection) == 0
        return set(map(tuple, tx.connection.execute(told)))


def anew(store: SqlStore) -> set[tuple[Any, ...]]:
    """The same, made by a server."""
    with store.transaction() as tx:
        index.drop(tx.connection)
    for kind in KINDS.values():
        assert catch_up(store, kind, 60.0)
    return properties(store)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Two training jobs, their trial components and one of a user's; tags."""
    settings = load({"home": tmp_path / "home"})
    settings.home.mkdir()
    store = SqlStore(settings.database)
    call = call_in(store, ACCOUNT, REGION)
    transfer.load(Place(store, ACCOUNT, REGION), "jobs", ended_jobs(0, 2), Progress(print))
    component: Any = {"TrialComponentName": "mine", "Parameters": {"eta": {"NumberValue": 0.5}}}
    trial_components.create_trial_component(component, call)
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/job-1"
    add_tags({"ResourceArn": arn, "Tags": [{"Key": "a", "Value": "b"}]}, call)
    assert len(found(call, "ExperimentTrialComponent")) == 3
    store.close()
    return settings


@pytest.fixture
def restored(home: Settings, tmp_path: Path, database_url: str) -> Callable[[], SqlStore]:
    """Backs the home up and restores it."""

    def bring() -> SqlStore:
        backup(home, tmp_path / "backup", time.time, Progress(print))
        settings = replace(load({"home": tmp_path / "other"}), database_url=database_url)
        restore(
            settings, tmp_path / "backup", lambda _: "new", Progress(print), overwrite=True, write_database_url=True
        )
        return SqlStore(database_url)

    return bring


def test_all_is_found_at_once_as_if_a_server_had_indexed_it(home: Settings, restored: Callable[[], SqlStore]) -> None:
    store = restored()
    assert is_behind(store) == set()
    call = call_in(store, ACCOUNT, REGION)
    assert found(call, "TrainingJob") == {"job-0", "job-1"}
    assert len(found(call, "ExperimentTrialComponent")) == 3
    if store.engine.dialect.name == "postgresql":  # whose planner would take any index until it is told
        with store.reading() as tx:
            known = "SELECT count(*) FROM pg_stats WHERE tablename IN ('resource', 'property') AND attname LIKE '%%_id'"
            assert tx.connection.exec_driver_sql(known).scalar_one()
    before = properties(store)
    assert before == anew(store)
    source = SqlStore(home.database)
    indexes = [{each["name"] for each in inspect(one.engine).get_indexes("property")} for one in (store, source)]
    assert indexes[0] == indexes[1]
    source.close()
    store.close()


def test_components_that_were_not_made_yet_are_made(home: Settings, restored: Callable[[], SqlStore]) -> None:
    source = SqlStore(home.database)
    transfer.load(Place(source, ACCOUNT, REGION), "more", ended_jobs(2, 4), Progress(print))
    source.close()
    store = restored()
    call = call_in(store, ACCOUNT, REGION)
    assert found(call, "TrainingJob") == {f"job-{number}" for number in range(4)}
    assert len(found(call, "ExperimentTrialComponent")) == 5
    assert is_behind(store) == set()
    assert properties(store) == anew(store)
    store.close()


def test_rows_of_an_older_schema_are_indexed_too(home: Settings, database_url: str) -> None:
    source = SqlStore(home.database)
    with dump.snapshot(source.engine) as snapshot:
        rows = [row for row in snapshot.rows("resource") if row["kind"] == Kind.TRAINING_JOB]
    source.close()

    def fill(tx: Any) -> None:
        filling.fill(tx, KINDS.values(), properties_of, print)

    store = SqlStore(database_url, migrate=False)
    dump.load(store.engine, "0003", {"resource": lambda: rows}, replace=True, index=fill)
    assert is_behind(store) == set()
    assert properties(store) == anew(store)
    store.close()
