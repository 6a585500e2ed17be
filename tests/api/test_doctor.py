"""Each kind of damage is made, found, repaired, and found no more: beside a running server where that is possible."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import create_engine, text
from typer.testing import CliRunner

from jobs import in_training, new_name, pegbox, register, training_ended
from pegbox.cli.main import app
from pegbox.testing.requests import training_request
from running import RunningServer, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "doctor.md"
SOURCE = Path(__file__).parents[2] / "src" / "pegbox" / "maintenance" / "doctor"
Start = Callable[..., RunningServer]


@pytest.fixture(scope="module")
def live(start_server: Start) -> RunningServer:
    """A server that goes on while its home is damaged and repaired."""
    server = start_server(environment={"PEGBOX_TICK": "0.2", "PEGBOX_CONTAINMENT": "off"})
    server.client("s3").create_bucket(Bucket="kept")
    return server


@pytest.fixture(autouse=True)
def healthy_in_the_end(live: RunningServer) -> Iterator[None]:
    yield
    assert found(live) == []


def examine(home: Path, *options: str, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings."""
    result = CliRunner().invoke(
        app,
        ["doctor", "--json", "--home", str(home), *options],
        env={"PEGBOX_CONTAINMENT": "off", **environment},  # or each look would try what the machine can do
        catch_exceptions=False,
    )
    answer = json.loads(result.output)
    assert answer["healthy"] is (result.exit_code == 0)
    return result.exit_code, answer["findings"]


def found(server: RunningServer, *options: str) -> list[str]:
    return [finding["kind"] for finding in examine(server.home, *options)[1]]


def repaired(server: RunningServer, kind: str, *options: str) -> dict[str, Any]:
    """The one finding of a damage, which is then repaired; another look finds nothing."""
    code, findings = examine(server.home, *options)
    assert (code, [finding["kind"] for finding in findings]) == (1, [kind])
    code, findings = examine(server.home, "--repair", *options)
    assert (code, [finding["kind"] for finding in findings]) == (0, [kind])
    assert examine(server.home, *options) == (0, [])
    return findings[0]


def change(server: RunningServer, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(server.home / "pegbox.db", 30)) as database, database:
        assert database.execute(statement, values).rowcount != 0


def ended(server: RunningServer, folder: Path) -> tuple[str, int]:
    """Name and id of a training job that has ended, so that nobody touches its row."""
    name, image = new_name(), register(server, folder, "print('loss=1;')")
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request(name, image, "s3://kept/out"))
    training_ended(sagemaker, name)
    with closing(sqlite3.connect(server.home / "pegbox.db")) as database:
        (identity,) = database.execute("select id from resource where name = ?", (name,)).fetchone()
    released = "select 1 from resource where id = ? and lease_owner is null and due_at is null"
    with closing(sqlite3.connect(server.home / "pegbox.db")) as database:
        wait_for("the lease to be given back", lambda: database.execute(released, (identity,)).fetchone())
    pegbox(server, "image", "remove", image)
    return name, identity


def fill(server: RunningServer, count: int = 20) -> None:
    """Put objects, beside which one that is damaged is an exception."""
    for number in range(count):
        server.client("s3").put_object(Bucket="kept", Key=f"whole-{number}", Body=b"whole")


def content_of(server: RunningServer, key: str) -> Path:
    """Put an object; returns its content file."""
    server.client("s3").put_object(Bucket="kept", Key=key, Body=b"content")
    with closing(sqlite3.connect(server.home / "objects" / "index.db")) as index:
        (name,) = index.execute("select content from object where key = ?", (key.encode(),)).fetchone()
    return server.home / "objects" / "content" / str(name)[:2] / str(name)


def test_every_kind_is_documented() -> None:
    kinds = {kind for file in SOURCE.glob("*.py") for kind in re.findall(r'kind="([a-z-]+)"', file.read_text())}
    kinds |= {"content-missing", "content-size", "content-digest", "content-unnamed", "incoming-leftover"}
    documented = set(re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE))))
    assert documented == kinds


def test_a_healthy_home_is_told_in_words(live: RunningServer) -> None:
    assert pegbox(live, "doctor", "--deep") == "Nothing is wrong.\n"


def test_a_wall_that_the_machine_does_not_allow(live: RunningServer) -> None:
    forbidden = 'echo 0 > /proc/sys/user/max_pid_namespaces; exec "$0" -m pegbox doctor --json --home "$1"'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", forbidden, sys.executable, str(live.home)],
        capture_output=True,
        text=True,
        env={**os.environ, "PEGBOX_CONTAINMENT": "auto"},
        timeout=60,
    )
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert ("containment", "files") in {(each["kind"], each["about"]) for each in found}
    assert {each["kind"] for each in found} == {"containment"}


def test_a_home_that_others_may_read(live: RunningServer) -> None:
    live.home.chmod(0o755)
    repaired(live, "permissions")
    assert live.home.stat().st_mode & 0o777 == 0o700


def test_what_a_killed_server_leaves(live: RunningServer, start_server: Start) -> None:
    server = start_server()
    server.kill()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as dead:
        dead.bind(str(server.home / "run" / "wake-1.sock"))
    assert sorted(found(server)) == ["server-file", "server-file", "socket", "socket"]
    assert examine(server.home, "--repair")[0] == 0
    assert found(server) == []


def test_an_object_without_its_content(live: RunningServer) -> None:
    fill(live)
    path = content_of(live, "missing")
    path.unlink()
    assert repaired(live, "content-missing")["about"] == "s3://kept/missing"
    with pytest.raises(ClientError, match="NoSuchKey"):
        live.client("s3").get_object(Bucket="kept", Key="missing")
    rows = [json.loads(row) for row in (live.home / "lost+found" / "objects" / "rows.jsonl").read_text().splitlines()]
    (row,) = [row for row in rows if row["key"] == "missing"]
    assert (row["table"], row["bucket"], row["size"], row["content"]) == ("object", "kept", 7, path.name)


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_contents_that_are_away_cost_no_object(start_server: Start, left: str) -> None:
    server = start_server()
    s3 = server.client("s3")
    s3.create_bucket(Bucket="kept")
    for number in range(3):
        s3.put_object(Bucket="kept", Key=str(number), Body=b"whole")
    content = server.home / "objects" / "content"
    content.rename(server.home / "elsewhere")
    if left == "an empty folder":
        content.mkdir()
    code, findings = examine(server.home, "--repair")
    assert (code, [(each["kind"], each["repairable"]) for each in findings]) == (1, [("content-away", False)])
    assert "3 of 3" in findings[0]["message"]
    assert not any(content.glob("*"))
    if left == "an empty folder":
        content.rmdir()
    (server.home / "elsewhere").rename(content)
    assert examine(server.home, "--deep") == (0, [])
    assert s3.get_object(Bucket="kept", Key="2")["Body"].read() == b"whole"


def test_an_object_of_another_size(live: RunningServer) -> None:
    path = content_of(live, "short")
    path.write_bytes(b"cont")
    repaired(live, "content-size")
    assert (live.home / "lost+found" / "objects" / path.name).read_bytes() == b"cont"


def test_an_object_of_another_digest(live: RunningServer) -> None:
    path = content_of(live, "rotten")
    path.write_bytes(b"cOntent")
    assert found(live) == []
    repaired(live, "content-digest", "--deep")
    assert (live.home / "lost+found" / "objects" / path.name).read_bytes() == b"cOntent"


def test_an_object_of_parts_has_its_digest(live: RunningServer) -> None:
    s3 = live.client("s3")
    upload = s3.create_multipart_upload(Bucket="kept", Key="parts")["UploadId"]
    parts = []
    for number, body in ((1, b"1" * (5 << 20)), (2, b"2")):
        answer = s3.upload_part(Bucket="kept", Key="parts", UploadId=upload, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    s3.complete_multipart_upload(Bucket="kept", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    assert found(live, "--deep") == []
    s3.delete_object(Bucket="kept", Key="parts")


@pytest.mark.parametrize("place, kind", [("content/ab", "content-unnamed"), ("incoming", "incoming-leftover")])
def test_files_of_no_object(live: RunningServer, place: str, kind: str) -> None:
    path = live.home / "objects" / place / f"ab{uuid.uuid4().hex[2:]}"
    path.write_bytes(b"nobody's")
    assert found(live) == []
    done = repaired(live, kind, "--stale", "0")["repaired"]
    assert not path.exists()
    if kind == "content-unnamed":
        aside = live.home / "lost+found" / "objects" / "content"
        assert (aside / "ab" / path.name).read_bytes() == b"nobody's"
        assert done == f"moved to {aside}"


def test_an_upload_that_was_forgotten(live: RunningServer) -> None:
    upload = live.client("s3").create_multipart_upload(Bucket="kept", Key="forgotten")["UploadId"]
    with closing(sqlite3.connect(live.home / "objects" / "index.db", 30)) as index, index:
        index.execute("update upload set started = started - 90000000 where id = ?", (upload,))
    repaired(live, "upload-idle")
    assert "Uploads" not in live.client("s3").list_multipart_uploads(Bucket="kept")


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
    _, identity = ended(live, tmp_path)
    with closing(sqlite3.connect(live.home / "pegbox.db")) as database:
        (state,) = database.execute("select state from resource where id = ?", (identity,)).fetchone()
    change(live, "update resource set state = ? where id = ?", state[:-1], identity)
    code, findings = examine(live.home, "--repair")
    assert (code, [(each["kind"], each["repairable"]) for each in findings]) == (1, [("document-unreadable", False)])
    change(live, "update resource set state = ? where id = ?", state, identity)


PATIENT = """
    import pathlib, time
    print("loss=1;", flush=True)
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
"""


def test_a_job_that_nobody_would_look_at(start_server: Start, tmp_path: Path) -> None:
    server = start_server(environment={"PEGBOX_TICK": "0.2"})
    server.client("s3").create_bucket(Bucket="kept")
    name, image = new_name(), register(server, tmp_path, PATIENT)
    server.client("sagemaker").create_training_job(**training_request(name, image, "s3://kept/out"))
    in_training(server.client("sagemaker"), name)
    assert server.stop() == 0
    change(server, "update resource set due_at = null where name = ?", name)
    repaired(server, "never-due")
    (tmp_path / "go").touch()
    server.start()
    assert training_ended(server.client("sagemaker"), name)["TrainingJobStatus"] == "Completed"


def test_a_child_of_no_tuning_job(start_server: Start, tmp_path: Path) -> None:
    server = start_server(environment={"PEGBOX_TICK": "0.2"})
    server.client("s3").create_bucket(Bucket="kept")
    name, image = new_name(), register(server, tmp_path, PATIENT)
    server.client("sagemaker").create_training_job(**training_request(name, image, "s3://kept/out"))
    in_training(server.client("sagemaker"), name)
    assert server.stop() == 0
    change(server, "update resource set parent_id = 999999, number = 1 where name = ?", name)
    repaired(server, "parent-missing")
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


def running_job(server: RunningServer, folder: Path) -> tuple[str, int]:
    """Name of a job that runs until its folder has a file `go`, and its row's id."""
    name, image = new_name(), register(server, folder, PATIENT)
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request(name, image, "s3://kept/out"))
    in_training(sagemaker, name)
    (runner,) = [
        file for file in server.home.glob("attempts/*/1/runner.json") if not file.with_name("exit.json").exists()
    ]
    return name, int(runner.parent.parent.name)


def finish(server: RunningServer, name: str, folder: Path) -> None:
    (folder / "go").touch()
    assert training_ended(server.client("sagemaker"), name)["TrainingJobStatus"] == "Completed"


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


@pytest.mark.parametrize("served", [True, False])
def test_another_database_ends_nothing(start_server: Start, tmp_path: Path, postgres: Any, served: bool) -> None:
    before = start_server(environment={"PEGBOX_TICK": "0.2"})
    before.client("s3").create_bucket(Bucket="kept")
    ended(before, tmp_path)  # its row is the first in SQLite, the next one's the first in PostgreSQL
    assert before.stop() == 0
    shutil.rmtree(before.home / "attempts")
    url = postgres.database(f"doctor_{uuid.uuid4().hex[:8]}")
    server = RunningServer(before.home, environment={"PEGBOX_TICK": "0.2", "PEGBOX_DATABASE_URL": url})
    try:
        name, identity = running_job(server, tmp_path)
        if not served:
            assert server.stop() == 0
        findings = examine(server.home, "--repair")[1]
        assert {each["kind"] for each in findings} == {"database-foreign", "process-orphan"}
        change(server, "delete from resource where id = ?", identity)
        change(server, "insert into point values (999999, 1, 0, 'algo-1', 'loss', 1.0, 1.0)")
        findings += examine(server.home, "--repair")[1]
        assert {"database-foreign", "points-orphaned", "process-unknown"} <= {each["kind"] for each in findings}
        assert not any(each["repairable"] for each in findings)
        if not served:
            server.start()
        finish(server, name, tmp_path)
    finally:
        server.kill()


def test_another_database_that_is_empty_is_told_as_that(live: RunningServer, tmp_path: Path) -> None:
    _, findings = examine(live.home, "--repair", PEGBOX_DATABASE_URL=f"sqlite:///{tmp_path / 'other.db'}")
    assert [(each["kind"], each["repairable"]) for each in findings] == [("database-foreign", False), ("schema", False)]


def test_a_database_that_has_never_seen_the_home_moves_nothing(start_server: Start) -> None:
    server = start_server()
    assert server.stop() == 0
    folder = server.home / "attempts" / "7" / "1"
    folder.mkdir(parents=True)
    change(server, "delete from host")
    code, findings = examine(server.home, "--repair")
    assert (code, [each["kind"] for each in findings]) == (1, ["database-foreign", "attempt-unknown"])
    assert folder.exists()
    server.start()
    assert examine(server.home, "--repair")[0] == 0
    assert not folder.exists()


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


def test_an_image_whose_program_is_gone(live: RunningServer, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    pegbox(live, "image", "add", "gone", "--command", "python x.py", "--workdir", str(folder))
    folder.rmdir()
    assert found(live, "--repair") == ["image-workdir"]
    pegbox(live, "image", "remove", "gone")
    pegbox(live, "image", "add", "odd", "--python", "/nope/python", "--workdir", str(tmp_path))
    assert found(live, "--repair") == ["image-python"]
    pegbox(live, "image", "remove", "odd")
    pegbox(live, "image", "add", "odd", "--command", "no-such-program", "--workdir", str(tmp_path))
    assert found(live, "--repair") == ["image-command"]
    pegbox(live, "image", "remove", "odd")


def test_a_database_that_is_gone_damaged_or_of_another_version(start_server: Start) -> None:
    server = start_server()
    assert server.stop() == 0
    home, database = server.home, server.home / "pegbox.db"
    for revision, kinds in (("0000", ["schema"]), ("9999", ["schema"])):
        with closing(sqlite3.connect(database)) as connection, connection:
            (before,) = connection.execute("select version_num from alembic_version").fetchone()
            connection.execute("update alembic_version set version_num = ?", (revision,))
        assert [each["kind"] for each in examine(home)[1]] == kinds
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("update alembic_version set version_num = ?", (before,))
    whole = database.read_bytes()
    database.write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    assert "database-damaged" in {each["kind"] for each in examine(home)[1]}
    for damaged in (whole[:4096] + b"\xff" * 4096 + whole[8192:], b"no database at all" * 1000):
        database.write_bytes(damaged)
        assert [each["kind"] for each in examine(home)[1]] == ["database-damaged"]
    database.write_bytes(b"")
    assert [each["kind"] for each in examine(home)[1]] == ["database-missing"]
    database.unlink()
    assert [each["kind"] for each in examine(home)[1]] == ["database-missing"]
    assert not database.exists()
    database.write_bytes(whole)
    database.chmod(0o600)
    assert examine(home) == (0, [])
    (home / "objects" / "index.db").rename(home / "away")
    assert [each["kind"] for each in examine(home)[1]] == ["index-missing"]
    (home / "objects" / "index.db").write_bytes(b"no index" * 1000)
    assert [each["kind"] for each in examine(home)[1]] == ["index-damaged"]
    (home / "restoring").touch()
    assert [each["kind"] for each in examine(home)[1]] == ["restore-unfinished", "index-damaged"]


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


def test_a_database_that_does_not_answer(live: RunningServer) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/pegbox"
    code, findings = examine(live.home, PEGBOX_DATABASE_URL=url)
    assert (code, [each["kind"] for each in findings]) == (1, ["database-unreachable"])
    assert "secret" not in findings[0]["message"]
