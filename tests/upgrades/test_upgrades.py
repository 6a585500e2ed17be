"""Databases as every released schema wrote them become databases of this version, and a server goes on with them.

<revision>.json holds what a server of that schema left; tests/upgrades/record.py writes the next one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, func, insert, select, text

from jobs import training_ended
from pegbox.objects.files import FileStore
from pegbox.store import connections, schema
from pegbox.store.sql import SqlStore
from pegbox.store.upgrade import HEAD, SchemaTooNew, revision_of, run, upgrade
from running import RunningServer, clean_environment

HERE = Path(__file__).parent
VERSIONS = Path(schema.__file__).parent / "migrations" / "versions"
REVISIONS = sorted(path.name.split("_")[0].removeprefix("v") for path in VERSIONS.glob("v*.py"))
OLDER = [revision for revision in REVISIONS if revision != HEAD]
DATABASES = ["sqlite", "postgresql"]
ACCOUNT = "000000000000"

#: dies when the new schema is complete, but for the commit
DYING = """
import os, signal, sys
from sqlalchemy import event
from pegbox.store.sql import SqlStore
from pegbox.store.upgrade import upgrade

def die(connection, cursor, statement, *rest):
    if "alembic_version" in statement and statement.split()[0] in ("INSERT", "UPDATE"):
        os.kill(os.getpid(), signal.SIGKILL)

store = SqlStore(sys.argv[1], migrate=False)
event.listen(store.engine, "after_cursor_execute", die)
upgrade(store.engine)
"""


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'old.db'}"
    found: str = request.getfixturevalue("postgres").database(f"old_{uuid.uuid4().hex[:8]}")
    return found


@pytest.fixture
def serve(url: str, tmp_path: Path) -> Iterator[Callable[[], RunningServer]]:
    servers: list[RunningServer] = []

    def start() -> RunningServer:
        home = tmp_path / "home"
        home.mkdir(mode=0o700)
        store = FileStore(home / "objects")
        store.buckets.create(ACCOUNT, "kept", "us-east-1")
        store.close()
        servers.append(RunningServer(home, environment={"PEGBOX_DATABASE_URL": url, "PEGBOX_TICK": "0.2"}))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


def recorded(revision: str) -> dict[str, list[dict[str, Any]]]:
    file = HERE / f"{revision}.json"
    assert file.exists(), f"run tests/upgrades/record.py and keep what it writes: {file.name} is missing"
    found: dict[str, list[dict[str, Any]]] = json.loads(file.read_text())
    return found


def fill(url: str, revision: str) -> None:
    """Make the database that a server of this revision has left."""
    store = SqlStore(url, migrate=False)
    with connections.writing(store.engine) as connection:
        run(connection, revision)
        found = MetaData()
        found.reflect(connection)
        tables = recorded(revision)
        for table in found.sorted_tables:
            if tables.get(table.name):
                connection.execute(insert(table), tables[table.name])
        if connection.dialect.name == "postgresql":
            for table in found.sorted_tables:
                (key, *more) = table.primary_key.columns
                counter = connection.execute(select(func.pg_get_serial_sequence(table.name, key.name))).scalar_one()
                if counter and not more and tables.get(table.name):
                    connection.execute(select(func.setval(counter, max(row[key.name] for row in tables[table.name]))))
    store.close()


def state(url: str) -> tuple[str | None, int]:
    """Schema and number of resources."""
    engine = create_engine(url)
    with engine.connect() as connection:
        revision = revision_of(connection)
        rows = connection.execute(text("SELECT count(*) FROM resource")).scalar_one() if revision else 0
    engine.dispose()
    return revision, rows


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_server_goes_on_with_a_database_of(revision: str, url: str, serve: Callable[[], RunningServer]) -> None:
    fill(url, revision)
    before = recorded(revision)
    server = serve()
    mine = next(key for key in before["access_key"] if key["account"] == ACCOUNT)
    sagemaker = server.client("sagemaker", aws_access_key_id=mine["id"], aws_secret_access_key=mine["secret"])

    tuned = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="Tuned")
    assert tuned["HyperParameterTuningJobStatus"] == "Completed"
    assert tuned["ObjectiveStatusCounters"]["Succeeded"] == 2
    assert tuned["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == 0.25
    for row in before["resource"]:
        document = json.loads(row["document"])
        if row["kind"] == "training-job" and row["ended_at"] is not None:
            job = sagemaker.describe_training_job(TrainingJobName=row["name"])
            assert job["TrainingJobStatus"] == row["status"]
            assert job["AlgorithmSpecification"]["TrainingImage"] == document["AlgorithmSpecification"]["TrainingImage"]
            assert job["CreationTime"].timestamp() == pytest.approx(row["created_at"], abs=0.01)
    assert training_ended(sagemaker, "waiting")["TrainingJobStatus"] == "Completed"
    lost = training_ended(sagemaker, "running")
    assert (lost["TrainingJobStatus"], lost["FailureReason"].split(":")[0]) == ("Failed", "InternalServerError")

    counters = tuned["TrainingJobStatusCounters"], tuned["ObjectiveStatusCounters"]
    sagemaker.delete_training_job(TrainingJobName=tuned["BestTrainingJob"]["TrainingJobName"])
    tuned = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="Tuned")
    assert (tuned["TrainingJobStatusCounters"], tuned["ObjectiveStatusCounters"]) == counters

    store = SqlStore(url)
    assert {image.name for image in store.images.all()} == {"broken", "quick", "slow"}
    assert {image.environment["COLOUR"] for image in store.images.all()} == {"blue"}
    assert {(key.id, key.description) for key in store.keys.all()} >= {
        (key["id"], key["description"]) for key in before["access_key"]
    }
    with store.reading() as tx:
        ids = [row["id"] for row in before["resource"]]
        curves = {identity: tx.curve(identity, "loss") for identity in ids}
    assert {i: len(curves[i]) for i in ids if curves[i]} == {
        i: len([p for p in before["point"] if (p["resource_id"], p["metric"]) == (i, "loss")])
        for i in {p["resource_id"] for p in before["point"]}
    }
    store.close()


@pytest.mark.parametrize("revision", [None, *OLDER])
def test_an_upgrade_that_is_killed_has_not_happened(revision: str | None, url: str) -> None:
    if revision:
        fill(url, revision)
    before = state(url)
    died = subprocess.run([sys.executable, "-c", DYING, url], timeout=60, capture_output=True)
    assert died.returncode == -9, died.stderr.decode()
    assert state(url) == before
    SqlStore(url).close()
    assert state(url) == (HEAD, before[1])


@pytest.mark.parametrize("revision", [None, *OLDER])
def test_servers_that_upgrade_at_once_do_it_once(revision: str | None, url: str) -> None:
    if revision:
        fill(url, revision)
    rows = state(url)[1]
    stores = [SqlStore(url, migrate=False) for _ in range(4)]
    together = threading.Barrier(len(stores))
    done: list[bool] = []

    def go(store: SqlStore) -> None:
        together.wait()
        done.append(upgrade(store.engine))

    threads = [threading.Thread(target=go, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for store in stores:
        store.close()
    assert sorted(done) == [False, False, False, True]
    assert state(url) == (HEAD, rows)


def test_an_upgrade_that_takes_long_says_what_it_does(url: str, tmp_path: Path) -> None:
    fill(url, OLDER[0])
    home = tmp_path / "home"
    engine = create_engine(url)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("LOCK TABLE image IN ACCESS SHARE MODE"))
        with subprocess.Popen(
            [sys.executable, "-m", "pegbox", "migrate", "--home", str(home)],
            env=clean_environment() | {"PEGBOX_DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as command:
            assert command.stderr is not None
            first = command.stderr.readline()
            connection.rollback()
            out, rest = command.communicate(timeout=60)
    engine.dispose()
    assert (command.returncode, out) == (0, f"The database is at schema {HEAD}.\n"), rest
    assert first.startswith("pegbox: upgrading the database, 2")
    doing = "waiting for others" if "sqlite" in url else f"step 1 of {len(OLDER)}: 0002, "
    assert doing in first
    assert rest.startswith("pegbox: upgrading the database, ")
    assert rest.endswith(" s: done\n")


def test_a_newer_schema_is_refused(url: str) -> None:
    fill(url, HEAD)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(SchemaTooNew, match="9999"):
        SqlStore(url)
    assert state(url)[0] == "9999"
