"""A server that works is backed up, and restored beside itself into a database of the other kind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy import text as sql
from typer.testing import CliRunner

from jobs import children, in_training, new_name, pegbox, register, training_ended, tuning_ended
from patient import PATIENT, started
from pegbox.cli.faults import told
from pegbox.cli.main import app
from pegbox.maintenance.backup import MARK
from pegbox.objects.base import Location
from pegbox.objects.files import FileStore
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer, wait_for

OUTPUT = "s3://kept/out"
Start = Callable[..., RunningServer]


@pytest.fixture
def restored() -> Iterator[Callable[..., RunningServer]]:
    """Serve homes that were restored."""
    servers: list[RunningServer] = []

    def serve(home: Path, **environment: str) -> RunningServer:
        servers.append(RunningServer(home, environment={"PEGBOX_TICK": "0.3", "PEGBOX_LEASE": "1", **environment}))
        return servers[-1]

    yield serve
    for server in servers:
        server.kill()


def command(*arguments: str) -> tuple[int, str]:
    """Exit code and all that a command prints."""
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output + (
        told(result.exception) or "" if isinstance(result.exception, Exception) else ""
    )


def bodies(server: RunningServer) -> dict[str, bytes]:
    """Every object of the bucket; each has the digest that its ETag says."""
    s3 = server.client("s3")
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="kept"):
        for item in page.get("Contents", []):
            found[item["Key"]] = s3.get_object(Bucket="kept", Key=item["Key"])["Body"].read()
            assert hashlib.md5(found[item["Key"]]).hexdigest() == item["ETag"].strip('"')
    return found


def stored(home: Path) -> bytes:
    """The one object of the small backup, in a home that nobody serves."""
    store = FileStore(home / "objects")
    with store.open("000000000000", Location("s3", "kept", "key")) as file:
        content = file.read()
    store.close()
    return content


def described(sagemaker: Any, names: list[str]) -> list[dict[str, Any]]:
    answers = [sagemaker.describe_training_job(TrainingJobName=name) for name in names]
    return [{key: value for key, value in answer.items() if key != "ResponseMetadata"} for answer in answers]


def measure(server: RunningServer, *metrics: str) -> None:
    """Two values of each metric of a trial component, which is in a trial."""
    sagemaker = server.client("sagemaker")
    if not sagemaker.list_experiments()["ExperimentSummaries"][1:]:  # the other one is the tuning job's
        sagemaker.create_experiment(ExperimentName="kept")
        sagemaker.create_trial(TrialName="kept", ExperimentName="kept")
        sagemaker.create_trial_component(TrialComponentName="run")
        sagemaker.associate_trial_component(TrialComponentName="run", TrialName="kept")
    for name in metrics:
        data = [{"MetricName": name, "Timestamp": time.time(), "Value": value} for value in (0.25, 0.5)]
        server.client("sagemaker-metrics").batch_put_metrics(TrialComponentName="run", MetricData=data)


def experiments(sagemaker: Any) -> Any:
    """What is in the trial, and what its metrics come to; and what the tuning job has made."""
    told = sagemaker.describe_trial_component(TrialComponentName="run")
    names = [each["ExperimentName"] for each in sagemaker.list_experiments()["ExperimentSummaries"]]
    parts = [sagemaker.list_trial_components(ExperimentName=name)["TrialComponentSummaries"] for name in names]
    return names, parts, told["Metrics"]


def associated(sagemaker: Any) -> list[tuple[str, str]]:
    """Every association of lineage, those of an endpoint included, which is made if it is not there."""
    if not sagemaker.list_endpoints()["Endpoints"]:
        sagemaker.create_model(ModelName="kept", PrimaryContainer={"Image": "serving"})
        variant = {"VariantName": "all", "ModelName": "kept", "InstanceType": "local", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(EndpointConfigName="kept", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="kept", EndpointConfigName="kept")
    pages = sagemaker.get_paginator("list_associations").paginate()
    return [(each["SourceArn"], each["DestinationArn"]) for page in pages for each in page["AssociationSummaries"]]


class Writing:
    """Puts objects again and again while a backup is made."""

    def __init__(self, server: RunningServer) -> None:
        self._s3 = server.client("s3")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            self._s3.put_object(Bucket="kept", Key=f"busy/{number % 5}", Body=str(number).encode() * 1000)


@pytest.mark.parametrize("kind, other", [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_working_server_is_backed_up_and_restored(
    start_server: Start,
    restored: Callable[..., RunningServer],
    postgres: Any,
    tmp_path: Path,
    kind: str,
    other: str,
) -> None:
    urls = {"sqlite": f"sqlite:///{tmp_path / 'elsewhere.db'}", "postgresql": ""}
    urls["postgresql"] = postgres.database(f"backup_{uuid.uuid4().hex[:8]}")
    environment = {"PEGBOX_DATABASE_URL": urls[kind]} if kind == "postgresql" else {}
    server = start_server(environment={"PEGBOX_TICK": "0.3", "PEGBOX_LEASE": "1", **environment})
    sagemaker, s3 = server.client("sagemaker"), server.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="data", Body=b"data" * 100_000, Metadata={"who": "me"})
    pegbox(server, "keys", "add", "--account", "111122223333")
    tuned = new_name("tune")
    quick = register(server, tmp_path, "print('loss=0.5;')")
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request(tuned, quick, OUTPUT))
    tuning_ended(sagemaker, tuned)
    finished = sorted(job["TrainingJobName"] for job in children(sagemaker, tuned))
    patient = register(server, tmp_path, PATIENT)
    once, again = new_name("once"), new_name("again")
    sagemaker.create_training_job(**training_request(once, patient, OUTPUT))
    retried = training_request(again, patient, OUTPUT, RetryStrategy={"MaximumRetryAttempts": 1})
    sagemaker.create_training_job(**retried)
    for name in (once, again):
        in_training(sagemaker, name)
    wait_for("both", lambda: len(started(tmp_path)) == 2)
    first = started(tmp_path)
    before = described(sagemaker, finished)
    ways = associated(sagemaker)
    measure(server, "loss")
    runs = experiments(sagemaker)
    objects = bodies(server)

    with Writing(server):
        assert "is complete" in pegbox(server, "backup", str(tmp_path / "backup"))
    home = tmp_path / "restored"
    code, said = command("restore", str(tmp_path / "backup"), "--home", str(home), "--database-url", urls[other])
    assert code == 0, said
    assert "PEGBOX_DATABASE_URL" not in os.environ  # what the restored server uses is in its pegbox.toml
    copy = restored(home)

    assert copy.credentials() == server.credentials()
    theirs = copy.client("sagemaker")
    assert described(theirs, finished) == before
    assert associated(theirs) == ways
    assert experiments(theirs) == runs
    measure(copy, "loss", "new")
    assert [each["Count"] for each in theirs.describe_trial_component(TrialComponentName="run")["Metrics"]] == [4, 2]
    found = bodies(copy)
    assert {key: found[key] for key in objects} == objects
    assert copy.client("s3").head_object(Bucket="kept", Key="data")["Metadata"] == {"who": "me"}
    for listed in ("keys", "image"):
        assert pegbox(copy, listed, "list") == pegbox(server, listed, "list")
    for name in finished:
        (log,) = home.glob(f"attempts/{_id_of(copy, name)}/1/algo-1.log")
        assert log.read_bytes() == b"loss=0.5;\n"
    lost = training_ended(theirs, once)
    assert lost["TrainingJobStatus"] == "Failed"
    assert lost["FailureReason"].startswith("InternalServerError: ")
    wait_for("the second try", lambda: len(started(tmp_path)) == 3)
    for _, pid in first:
        assert Path(f"/proc/{pid}").exists()
    new = new_name()
    theirs.create_training_job(**training_request(new, quick, OUTPUT))
    (tmp_path / "go").touch()
    assert training_ended(theirs, again)["TrainingJobStatus"] == "Completed"
    assert training_ended(theirs, new)["TrainingJobStatus"] == "Completed"
    for name in (once, again):
        job = training_ended(sagemaker, name)
        assert job["TrainingJobStatus"] == "Completed"
        assert "Restarting" not in [step["Status"] for step in job["SecondaryStatusTransitions"]]
    assert len(started(tmp_path)) == 3


def _id_of(server: RunningServer, name: str) -> str:
    """The id of a training job, as its attempt's own files tell."""
    for file in server.home.glob("attempts/*/1/attempt.json"):
        record = json.loads(file.read_text())
        if record["job_name"] == name:
            return file.parts[-3]
    raise AssertionError(name)


@pytest.fixture(scope="module")
def backed_up(start_server: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backup; tests that damage one copy it."""
    server = start_server()
    server.client("s3").create_bucket(Bucket="kept")
    server.client("s3").put_object(Bucket="kept", Key="key", Body=b"content")
    folder = tmp_path_factory.mktemp("backup") / "small"
    pegbox(server, "backup", str(folder))
    return folder


def test_a_backup_is_for_its_owner_only(backed_up: Path) -> None:
    assert backed_up.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in backed_up.rglob("*") if path.is_file()} == {0}


def test_a_home_is_restored_where_nothing_else_is_said(backed_up: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert command("restore", str(backed_up), "--home", str(home))[0] == 0
    assert stored(home) == b"content"


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest", "incomplete", "settings"])
def test_a_damaged_backup_is_refused_before_anything_is_written(backed_up: Path, tmp_path: Path, damage: str) -> None:
    backup, home = tmp_path / "backup", tmp_path / "home"
    shutil.copytree(backed_up, backup)
    (content,) = [path for path in (backup / "objects" / "content").rglob("*") if path.is_file()]
    match damage:
        case "settings":
            (backup / "pegbox.toml").write_text("database_url = \x01")
        case "changed":
            content.write_bytes(b"CONTENT")
        case "missing":
            content.unlink()
        case "manifest":
            (backup / "manifest.json").write_text("{")
        case "incomplete":
            (backup / "manifest.json").unlink()
    code, said = command("restore", str(backup), "--home", str(home))
    assert code == 1
    assert str(backup) in said and "Traceback" not in said
    assert not home.exists()


def test_what_is_there_is_not_overwritten_unless_asked(backed_up: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious").write_text("mine")
    code, said = command("restore", str(backed_up), "--home", str(home))
    assert (code, "is not empty" in said) == (1, True)
    assert [path.name for path in home.iterdir()] == ["precious"]
    assert command("restore", str(backed_up), "--home", str(home), "--overwrite")[0] == 0
    assert (tmp_path / "home.before-1" / "precious").read_text() == "mine"
    assert stored(home) == b"content"


def test_a_home_that_is_served_is_left_alone(backed_up: Path, start_server: Start) -> None:
    server = start_server()
    code, said = command("restore", str(backed_up), "--home", str(server.home), "--overwrite")
    assert (code, "a server is running" in said) == (1, True)
    assert server.client("s3").list_buckets()["Buckets"] == []


def test_a_database_with_rows_is_not_overwritten_unless_asked(backed_up: Path, postgres: Any, tmp_path: Path) -> None:
    url = postgres.database(f"full_{uuid.uuid4().hex[:8]}")
    first = command("restore", str(backed_up), "--home", str(tmp_path / "one"), "--database-url", url)
    assert first[0] == 0, first[1]
    code, said = command("restore", str(backed_up), "--home", str(tmp_path / "two"), "--database-url", url)
    assert (code, "the database is not empty" in said) == (1, True)
    assert not (tmp_path / "two").exists()
    over = command("restore", str(backed_up), "--home", str(tmp_path / "two"), "--database-url", url, "--overwrite")
    assert over[0] == 0, over[1]


def test_the_database_of_the_home_that_was_backed_up_is_not_replaced(
    backed_up: Path, postgres: Any, tmp_path: Path, start_server: Start
) -> None:
    url = postgres.database(f"live_{uuid.uuid4().hex[:8]}")
    server = start_server(environment={"PEGBOX_DATABASE_URL": url})
    backup = tmp_path / "backup"
    pegbox(server, "backup", str(backup))
    text = f'database_url = "{url}"\n'
    (backup / "pegbox.toml").write_text(text)
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["files"]["pegbox.toml"] = {"size": len(text), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (backup / "manifest.json").write_text(json.dumps(manifest))
    home = tmp_path / "new"
    over = ("restore", str(backup), "--home", str(home), "--overwrite")
    code, said = command(*over)
    assert (code, "give --database-url" in said, url in said) == (1, True, False)
    code, said = command(*over, "--database-url", url)
    assert (code, "is used by a server" in said) == (1, True)
    assert not home.exists()
    assert server.client("s3").list_buckets()["Buckets"] == []
    assert server.stop() == 0
    code, said = command(*over, "--database-url", url)
    assert (code, "is used by a server" in said) == (1, True)  # it cannot be known that it ended
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(sql("update host set seen_at = seen_at - 3600"))
    engine.dispose()
    code, said = command(*over, "--database-url", url)
    assert code == 0, said


@pytest.mark.parametrize("path", ["../../outside", "/outside", "objects/../../outside", ""])
def test_a_backup_writes_nothing_outside_the_home(backed_up: Path, tmp_path: Path, path: str) -> None:
    backup, home = tmp_path / "a" / "backup", tmp_path / "b" / "c" / "home"
    shutil.copytree(backed_up, backup)
    named = str(tmp_path) + path if path.startswith("/") else path
    for place in (tmp_path / "outside", backup / "x"):
        place.write_text("x")
    manifest = json.loads((backup / "manifest.json").read_text())
    manifest["files"][named] = {"size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    (backup / "manifest.json").write_text(json.dumps(manifest))
    code, said = command("restore", str(backup), "--home", str(home))
    assert (code, "manifest.json is damaged" in said) == (1, True)
    assert not (tmp_path / "b").exists()


def test_a_restore_that_was_interrupted_is_done_again(backed_up: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert command("restore", str(backed_up), "--home", str(home))[0] == 0
    (home / "restoring").touch()
    (home / "pegbox.db").write_bytes(b"half")
    code, said = command("keys", "list", "--home", str(home))
    assert (code, "run pegbox restore again" in said) == (1, True)
    assert command("restore", str(backed_up), "--home", str(home))[0] == 0
    assert stored(home) == b"content"


def test_a_backup_that_was_interrupted_is_incomplete_and_goes_on(backed_up: Path, tmp_path: Path) -> None:
    home, into = tmp_path / "home", tmp_path / "backup"
    assert command("restore", str(backed_up), "--home", str(home))[0] == 0
    shutil.copytree(backed_up, into)
    (into / "manifest.json").unlink()
    (into / MARK).write_text("another-home")
    code, said = command("backup", str(into), "--home", str(home))
    assert (code, "an interrupted backup of another home" in said) == (1, True)
    (into / MARK).write_text((home / "run" / "identity").read_text())
    stale = [into / name for name in ("pegbox.toml", "attempts/77/1/algo-1.log", "database/old.jsonl")]
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of what was there at the first try")
    (into / "database" / "resource.jsonl").write_text('{"id":')
    folder = into / "objects" / "content" / "ab"
    folder.mkdir(exist_ok=True)  # the whole object's own, once in 256 times
    stale += [folder / "abandoned", folder / ".half.part"]
    for path in stale[-2:]:
        path.write_text("of an object that was removed since")
    assert command("restore", str(into), "--home", str(tmp_path / "other"))[0] == 1
    code, said = command("backup", str(into), "--home", str(home))
    assert code == 0, said
    assert not (into / MARK).exists()
    assert not any(path.exists() for path in stale)
    assert command("restore", str(into), "--home", str(tmp_path / "other"))[0] == 0
    assert stored(tmp_path / "other") == b"content"


def test_a_backup_does_not_go_where_something_is(backed_up: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    home = tmp_path / "home"
    command("restore", str(backed_up), "--home", str(home))
    for into, why in (
        (tmp_path, "not empty"),
        (backed_up, "a backup already"),
        (home / "backup", "in the home"),
        (file, "give a folder that you may write to"),
        (file / "backup", "give a folder that you may write to"),
        (Path("/proc/none/backup"), "give a folder that you may write to"),
    ):
        code, said = command("backup", str(into), "--home", str(home))
        assert (code, why in said, "PEGBOX_HOME" in said) == (1, True, False)


def test_a_backup_in_the_home_that_is_to_be_replaced_stays_where_it_is(backed_up: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert command("restore", str(backed_up), "--home", str(home))[0] == 0
    shutil.copytree(backed_up, home / "backup")
    code, said = command("restore", str(home / "backup"), "--home", str(home), "--overwrite")
    assert (code, "move it somewhere else" in said) == (1, True)
    assert stored(home) == b"content" and list(tmp_path.iterdir()) == [home]


def test_a_damaged_index_is_not_backed_up(backed_up: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert command("restore", str(backed_up), "--home", str(home))[0] == 0
    (home / "objects" / "index.db").write_bytes(b"no index" * 1000)
    code, said = command("backup", str(tmp_path / "backup"), "--home", str(home))
    assert (code, "index.db: file is not a database: restore a backup (pegbox restore)" in said) == (1, True)


FULL = 'mount -t tmpfs -o size=200k none "$1" && shift && exec "$0" -m pegbox "$@"'


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_a_full_disk_is_told_in_a_line(backed_up: Path, tmp_path: Path, what: str) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], stderr=-3).returncode:
        pytest.skip("no namespaces here")
    home, small = tmp_path / "home", tmp_path / "small"
    small.mkdir()
    assert command("restore", str(backed_up), "--home", str(home))[0] == 0
    with closing(sqlite3.connect(home / "objects" / "index.db")) as index, index:
        index.execute("create table padding as select zeroblob(300000) as zeros")
    if what == "restore":
        assert command("backup", str(tmp_path / "large"), "--home", str(home))[0] == 0
    given = {"backup": (str(small / "b"), str(home)), "restore": (str(tmp_path / "large"), str(small / "h"))}[what]
    program = ["unshare", "-rm", "sh", "-c", FULL, sys.executable, str(small), what, given[0], "--home", given[1]]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"pegbox: {small}") and "make room" in done.stderr
