"""Damage of jobs, of their files and of their processes is found, repaired, and found no more."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import create_engine, text

from examination import change, ended, examine, finish, repaired, running_job
from jobs import in_training, new_name, pegbox, register, training_ended
from patient import PATIENT
from pegbox.testing.requests import training_request
from running import RunningServer, wait_for

Start = Callable[..., RunningServer]


def test_columns_that_contradict_the_state(live: RunningServer, tmp_path: Path) -> None:
    name, identity = ended(live, tmp_path)
    change(live, "update resource set status = 'InProgress', outcome = null where id = ?", identity)
    repaired(live, "status")
    change(live, "update resource set ended_at = null where id = ?", identity)
    repaired(live, "status")
    job = live.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed"
    assert live.client("sagemaker").list_training_jobs(NameContains=name, StatusEquals="Completed")[
        "TrainingJobSummaries"
    ]


def test_a_document_that_cannot_be_read(live: RunningServer, tmp_path: Path) -> None:
    name, identity = ended(live, tmp_path)
    with closing(sqlite3.connect(live.home / "pegbox.db")) as database:
        (state,) = database.execute("select state from resource where id = ?", (identity,)).fetchone()
    change(live, "update resource set state = ? where id = ?", state[:-1], identity)
    code, findings = examine(live.home, "--repair")
    assert (code, [each["kind"] for each in findings]) == (0, ["document-unreadable", "attempt-unknown"])
    assert all("lost+found" in each["repaired"] for each in findings)
    row = json.loads((live.home / "lost+found" / "database" / "rows.jsonl").read_text().splitlines()[-1])
    assert (row["table"], row["id"], row["state"]) == ("resource", identity, state[:-1])
    with pytest.raises(ClientError, match="Requested resource not found"):
        live.client("sagemaker").describe_training_job(TrainingJobName=name)
    assert examine(live.home) == (0, [])


@pytest.mark.parametrize(
    ("columns", "finding"),
    [("due_at = null", "never-due"), ("parent_id = 999999, number = 1", "parent-missing")],
    ids=["that nobody would look at", "that is a child of no tuning job"],
)
def test_a_job_with_columns_that_cannot_be(start_server: Start, tmp_path: Path, columns: str, finding: str) -> None:
    server = start_server(environment={"PEGBOX_TICK": "0.2"})
    server.client("s3").create_bucket(Bucket="kept")
    name, image = new_name(), register(server, tmp_path, PATIENT)
    server.client("sagemaker").create_training_job(**training_request(name, image, "s3://kept/out"))
    in_training(server.client("sagemaker"), name)
    assert server.stop() == 0
    change(server, f"update resource set {columns} where name = ?", name)
    repaired(server, finding)
    (tmp_path / "go").touch()
    server.start()
    assert training_ended(server.client("sagemaker"), name)["TrainingJobStatus"] == "Completed"


def test_the_children_of_a_tuning_job_that_was_deleted_are_whole(live: RunningServer, tmp_path: Path) -> None:
    _, identity = ended(live, tmp_path)
    change(live, "update resource set parent_id = 999999, number = 1 where id = ?", identity)
    assert examine(live.home) == (0, [])


def test_points_of_no_job(live: RunningServer) -> None:
    change(live, "insert into point values (999999, 1, 0, 'algo-1', 'loss', 1.0, 1.0)")
    repaired(live, "points-orphaned")


@pytest.mark.parametrize(
    "damage",
    [
        "delete from property where resource_id > ?",
        "delete from property_name where id > ?",
        "update property set num = null, txt = null where resource_id > ?",
        "update resource set version = version + 1 where id > ?",  # as a server that knows nothing of the index
    ],
)
def test_an_index_for_search_that_does_not_fit_together(live: RunningServer, tmp_path: Path, damage: str) -> None:
    name, _ = ended(live, tmp_path)
    sagemaker = live.client("sagemaker")

    def search() -> list[str]:
        wanted = {"Filters": [{"Name": "TrainingJobName", "Value": name}]}
        answer = sagemaker.search(Resource="TrainingJob", SearchExpression=wanted)
        return [result["TrainingJob"]["TrainingJobName"] for result in answer["Results"]]

    assert search() == [name]
    change(live, damage, 0)
    repaired(live, "search-index")
    assert search() == [name]


def test_a_dataset_that_lacks_objects(live: RunningServer) -> None:
    change(
        live,
        "insert into dataset values (999, '000000000000', 'us-east-1', 'digest', 's3://kept/', '', 'S3Prefix', 2, 1)",
    )
    repaired(live, "dataset")


def test_a_directory_of_no_job(live: RunningServer) -> None:
    folder = live.home / "attempts" / "999999" / "1"
    folder.mkdir(parents=True)
    (folder / "algo-1.log").write_text("precious")
    assert "lost+found" in repaired(live, "attempt-unknown")["repaired"]
    assert (live.home / "lost+found" / "attempts" / "999999" / "1" / "algo-1.log").read_text() == "precious"


def test_a_process_of_no_job(live: RunningServer, tmp_path: Path) -> None:
    _, identity = ended(live, tmp_path)
    directory = live.home / "attempts" / str(identity) / "1"
    environment = {**os.environ, "PEGBOX_ATTEMPT": str(directory)}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment) as orphan:
        wait_for("the process", lambda: str(directory) in Path(f"/proc/{orphan.pid}/environ").read_text())
        assert repaired(live, "process-orphan")["about"] == f"process {orphan.pid}"
        assert orphan.wait(10) == -9


def test_a_job_of_a_newer_version_goes_on(start_server: Start, tmp_path: Path) -> None:
    server = start_server(environment={"PEGBOX_TICK": "0.2"})
    server.client("s3").create_bucket(Bucket="kept")
    name, identity = running_job(server, tmp_path)
    assert server.stop() == 0
    with closing(sqlite3.connect(server.home / "pegbox.db")) as database:
        (state,) = database.execute("select state from resource where id = ?", (identity,)).fetchone()
    newer = json.dumps({**json.loads(state), "of_a_newer_version": True})
    change(server, "update resource set state = ? where id = ?", newer, identity)
    assert [each["kind"] for each in examine(server.home, "--repair")[1]] == ["document-unreadable"]
    change(server, "update resource set state = ? where id = ?", state, identity)
    server.start()
    finish(server, name, tmp_path)


def test_processes_of_a_living_job_are_left_alone(live: RunningServer, tmp_path: Path) -> None:
    name, image = new_name(), register(live, tmp_path, PATIENT)
    sagemaker = live.client("sagemaker")
    sagemaker.create_training_job(**training_request(name, image, "s3://kept/out"))
    in_training(sagemaker, name)
    assert examine(live.home, "--repair") == (0, [])
    (tmp_path / "go").touch()
    assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    pegbox(live, "image", "remove", image)


def test_working_files_of_a_job_that_has_ended(live: RunningServer, tmp_path: Path) -> None:
    _, identity = ended(live, tmp_path)
    change(live, "update resource set ended_at = ended_at - 3600 where id = ?", identity)
    tree = live.home / "attempts" / str(identity) / "1" / "algo-1" / "ml" / "input"
    tree.mkdir(parents=True)
    repaired(live, "tree-left")
    assert not tree.exists()
    assert (live.home / "attempts" / str(identity) / "1" / "algo-1.log").exists()


def test_working_files_that_are_nested_deeply_or_cannot_be_removed(live: RunningServer, tmp_path: Path) -> None:
    _, identity = ended(live, tmp_path)
    change(live, "update resource set ended_at = ended_at - 3600 where id = ?", identity)
    tree = live.home / "attempts" / str(identity) / "1" / "algo-1" / "ml"
    tree.mkdir(parents=True)
    deep = "import os, sys; os.chdir(sys.argv[1]); [(os.mkdir('d'), os.chdir('d')) for _ in range(2000)]"
    subprocess.run([sys.executable, "-c", deep, str(tree)], check=True)
    repaired(live, "tree-left")
    assert not tree.exists()
    tree.mkdir(parents=True)
    mounted = 'mount -t tmpfs none "$2" && exec "$0" -m pegbox doctor --json --repair --home "$1"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mounted, sys.executable, str(live.home), str(tree)],
        capture_output=True,
        text=True,
        env={**os.environ, "PEGBOX_CONTAINMENT": "off"},
        timeout=60,
    )
    (finding,) = json.loads(done.stdout)["findings"]
    assert (done.returncode, finding["kind"], finding["repaired"]) == (1, "tree-left", None)
    assert "could not be removed" in finding["failed"]
    repaired(live, "tree-left")


def test_a_process_whose_job_kept_its_outputs_is_left_alone(live: RunningServer, tmp_path: Path) -> None:
    _, identity = ended(live, tmp_path)
    change(live, "update resource set state = json_set(state, '$.broken', json('true')) where id = ?", identity)
    directory = live.home / "attempts" / str(identity) / "1"
    environment = {**os.environ, "PEGBOX_ATTEMPT": str(directory)}
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment) as program:
        wait_for("the process", lambda: str(directory) in Path(f"/proc/{program.pid}/environ").read_text())
        assert examine(live.home, "--repair") == (0, [])
        program.kill()


def test_a_file_whose_writer_died(live: RunningServer, tmp_path: Path) -> None:
    _, identity = ended(live, tmp_path)
    (live.home / "attempts" / str(identity) / "1" / ".attempt.json.4194999").touch()
    repaired(live, "scratch-left")


def test_a_job_whose_processes_died_while_no_server_ran(start_server: Start, tmp_path: Path, postgres: Any) -> None:
    url = postgres.database(f"doctor_{uuid.uuid4().hex[:8]}")
    server = start_server(environment={"PEGBOX_DATABASE_URL": url, "PEGBOX_TICK": "0.2", "PEGBOX_LEASE": "1"})
    server.client("s3").create_bucket(Bucket="kept")
    name, image = new_name(), register(server, tmp_path, PATIENT)
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request(name, image, "s3://kept/out"))
    in_training(sagemaker, name)
    assert examine(server.home, PEGBOX_DATABASE_URL=url) == (0, [])
    server.kill()
    (file,) = server.home.glob("attempts/*/1/runner.json")
    os.kill(json.loads(file.read_text())["pid"], 9)

    def kinds() -> list[str]:
        return [each["kind"] for each in examine(server.home, "--repair", PEGBOX_DATABASE_URL=url)[1]]

    wait_for("the end of the runner", lambda: "job-unattended" in kinds())
    assert kinds() == ["job-unattended"]
    server.start()
    assert training_ended(server.client("sagemaker"), name)["TrainingJobStatus"] == "Failed"
    assert examine(server.home, PEGBOX_DATABASE_URL=url) == (0, [])
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("update resource set status = 'Stopping'"))
    engine.dispose()
    assert examine(server.home, "--repair", PEGBOX_DATABASE_URL=url)[0] == 0
    assert server.client("sagemaker").describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Failed"
