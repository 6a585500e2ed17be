"""The database is away, locked, full of connections, or another one; what trains goes on, and nothing is lost."""

from __future__ import annotations

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from jobs import in_training, new_name, register, training_ended, tuning_ended
from pegbox.testing.requests import LOSS, training_request
from pegbox.testing.requests import tuning_request as search
from postgres import Cluster, find_binaries
from running import RunningServer, wait_for

QUICK = {"PEGBOX_TICK": "0.2", "PEGBOX_LEASE": "2", "PEGBOX_STOP_GRACE": "1"}
NO_ANSWER = "The database does not answer. Please try your request again."

#: prints a value every 20 ms until the test's word
TALKING = """
    import pathlib, time
    number = 0
    while not pathlib.Path("go").exists():
        print(f"loss={number};", flush=True)
        number += 1
        time.sleep(0.02)
    pathlib.Path("count").write_text(str(number))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster of these tests' own, which they stop and start, with few connections."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    cluster = Cluster(binaries, connections=20)
    yield cluster
    cluster.close()


@pytest.fixture
def database(cluster: Cluster) -> str:
    name = new_name("trouble").replace("-", "_")
    cluster.database(name)
    return name


@pytest.fixture
def own(start_server: Callable[..., RunningServer], cluster: Cluster, database: str) -> Iterator[RunningServer]:
    server = start_server(environment={**QUICK, "PEGBOX_DATABASE_URL": cluster.url(database)})
    server.client("s3").create_bucket(Bucket="kept")
    yield server
    server.kill()


def talking(server: RunningServer, folder: Path) -> str:
    """A job that trains and prints; returns its name."""
    name = new_name()
    request = training_request(name, register(server, folder, TALKING), "s3://kept/out")
    request["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**request)
    in_training(sagemaker, name)
    return name


def unavailable(call: Any, **request: Any) -> bool:
    """Whether the answer is 503 with words, and no other refusal."""
    try:
        call(**request)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        told = error.response["Error"]
        assert (status, told["Code"], told["Message"]) == (503, "ServiceUnavailable", NO_ANSWER)
        return True
    return False


def test_a_database_that_is_away_for_a_while(
    own: RunningServer, cluster: Cluster, database: str, tmp_path: Path
) -> None:
    name = talking(own, tmp_path)
    sagemaker, s3 = own.client("sagemaker"), own.client("s3")
    cluster.stop()
    try:
        assert unavailable(sagemaker.describe_training_job, TrainingJobName=name)
        wait_for("the end of the key that is remembered", lambda: unavailable(s3.list_buckets))
        assert unavailable(sagemaker.stop_training_job, TrainingJobName=name)
        (tmp_path / "go").touch()
        wait_for("the end of the program", (tmp_path / "count").exists)
    finally:
        cluster.start()
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed"
    printed = int((tmp_path / "count").read_text())
    assert cluster.sql(database, "select count(*), max(value) from point") == f"{printed}|{printed - 1}"
    log = own.log.read_text()
    assert "Traceback" not in log
    assert log.count("the database does not answer") == log.count("the database answers again") == 1


def test_a_database_that_stops_answering_for_a_while(
    start_server: Callable[..., RunningServer], cluster: Cluster, database: str, tmp_path: Path
) -> None:
    url = f"{cluster.url(database)}&connect_timeout=2"
    own = start_server(environment={**QUICK, "PEGBOX_DATABASE_URL": url})
    own.client("s3").create_bucket(Bucket="kept")
    name = talking(own, tmp_path)
    sagemaker = own.client("sagemaker", config=Config(max_pool_connections=100))
    late = training_request(new_name(), register(own, tmp_path, "print('loss=1;')"), "s3://kept/out")
    with ThreadPoolExecutor(100) as clients:  # more than the server has threads
        cluster.freeze()
        try:
            began = time.monotonic()
            describe = sagemaker.describe_training_job
            asked = [clients.submit(unavailable, describe, TrainingJobName=name) for _ in range(100)]
            asked.append(clients.submit(unavailable, sagemaker.create_training_job, **late))
            assert all(each.result() for each in asked)
            assert unavailable(own.client("s3").list_buckets)
            assert time.monotonic() - began < 15
            (tmp_path / "go").touch()
            wait_for("the end of the program", (tmp_path / "count").exists)
        finally:
            cluster.thaw()
    wait_for("an answer", lambda: not unavailable(describe, TrainingJobName=name))
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    printed = int((tmp_path / "count").read_text())
    assert cluster.sql(database, "select count(*), max(value) from point") == f"{printed}|{printed - 1}"
    with suppress(sagemaker.exceptions.ResourceInUse):  # it may have been created when the answer was given up
        sagemaker.create_training_job(**late)
    assert training_ended(sagemaker, late["TrainingJobName"])["TrainingJobStatus"] == "Completed"
    log = own.log.read_text()
    assert "Traceback" not in log
    assert log.count("the database does not answer") == log.count("the database answers again") == 1
    own.kill()


def test_connections_that_are_cut_at_any_moment(own: RunningServer, cluster: Cluster, tmp_path: Path) -> None:
    request = search(new_name(), register(own, tmp_path, "print('loss=1;')"), "s3://kept/out", jobs=12, at_once=4)
    name = request["HyperParameterTuningJobName"]
    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.15):
            cluster.sql(
                "postgres",
                "select pg_terminate_backend(pid) from pg_stat_activity where datname like 'trouble_%'",
            )

    sagemaker = own.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(**request)
    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        time.sleep(3)
    finally:
        over.set()
        cutting.join()
    found = tuning_ended(sagemaker, name)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 12
    assert "Traceback" not in own.log.read_text()


def test_no_connection_is_left(own: RunningServer, cluster: Cluster, database: str, tmp_path: Path) -> None:
    name = talking(own, tmp_path)
    sagemaker = own.client("sagemaker")
    taken: list[psycopg.Connection[Any]] = []

    def take_all() -> bool:
        """Cut the server's connections and take their places; whether it has none any more."""
        with suppress(psycopg.OperationalError):  # there is none left
            while True:
                taken.append(psycopg.connect(cluster.url(database).replace("+psycopg", ""), autocommit=True))
        ours = [connection.info.backend_pid for connection in taken]
        theirs = "from pg_stat_activity where backend_type = 'client backend' and not pid = any(%s)"
        return taken[0].execute(f"select pg_terminate_backend(pid) {theirs}", [ours]).fetchone() is None

    try:
        wait_for("all connections", take_all)
        assert unavailable(sagemaker.describe_training_job, TrainingJobName=name)
    finally:
        for connection in taken:
            connection.close()
    (tmp_path / "go").touch()
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"


def test_a_server_that_starts_waits_for_its_database(cluster: Cluster, database: str, tmp_path: Path) -> None:
    cluster.stop()
    log = tmp_path / "home.log"

    def help_out() -> None:
        wait_for("the server's word", lambda: log.exists() and "waiting for the database" in log.read_text())
        cluster.start()

    helping = threading.Thread(target=help_out)
    helping.start()
    try:
        server = RunningServer(tmp_path / "home", environment={**QUICK, "PEGBOX_DATABASE_URL": cluster.url(database)})
        server.kill()
    finally:
        helping.join()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def light(tmp_path: Path) -> Iterator[RunningServer]:
    """A server with SQLite that waits 3 s for another writer instead of 30."""
    home = tmp_path / "home"
    server = RunningServer(home, environment={**QUICK, "PEGBOX_DATABASE_URL": f"sqlite:///{home}/pegbox.db?timeout=3"})
    server.client("s3").create_bucket(Bucket="kept")
    yield server
    server.kill()


def _points(server: RunningServer) -> int:
    with sqlite3.connect(server.home / "pegbox.db") as connection:
        return int(connection.execute("select count(*) from point").fetchone()[0])


def test_an_sqlite_database_that_another_process_locks(light: RunningServer, tmp_path: Path) -> None:
    name = talking(light, tmp_path)
    sagemaker = light.client("sagemaker")
    with sqlite3.connect(light.home / "pegbox.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        (tmp_path / "go").touch()
        assert unavailable(sagemaker.stop_training_job, TrainingJobName=name)
        assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"
        other.execute("ROLLBACK")
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    assert _points(light) == int((tmp_path / "count").read_text())
    assert "Traceback" not in light.log.read_text()


@pytest.mark.parametrize("instead", [None, b"this is no database " * 1000], ids=["nothing", "rubbish"])
def test_an_sqlite_file_that_is_moved_away_and_put_back(
    light: RunningServer, tmp_path: Path, instead: bytes | None
) -> None:
    name = talking(light, tmp_path)
    sagemaker = light.client("sagemaker")
    database, aside = light.home / "pegbox.db", tmp_path / "aside"
    aside.mkdir()
    for file in light.home.glob("pegbox.db*"):
        shutil.move(file, aside)
    if instead is not None:
        database.write_bytes(instead)
    assert unavailable(sagemaker.describe_training_job, TrainingJobName=name)
    assert unavailable(sagemaker.list_training_jobs)
    (tmp_path / "go").touch()
    wait_for("the end of the program", (tmp_path / "count").exists)
    assert (database.read_bytes() if database.exists() else None) == instead
    for file in aside.iterdir():
        shutil.move(file, light.home / file.name)
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    assert _points(light) == int((tmp_path / "count").read_text())
    log = light.log.read_text()
    assert "Traceback" not in log
    assert ("is gone; put it back" if instead is None else "file is not a database") in log
