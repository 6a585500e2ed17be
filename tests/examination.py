"""Looking at a home with `pegbox doctor`, and making what it finds."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from jobs import in_training, new_name, pegbox, register, training_ended
from patient import PATIENT
from pegbox.cli.main import app
from pegbox.testing.requests import training_request
from running import RunningServer, wait_for


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


def damages(server: RunningServer) -> set[tuple[str, str]]:
    """What is wrong with a home that several tests share: each leaves no more than there was before it."""
    return {(finding["kind"], finding["about"]) for finding in examine(server.home)[1]}


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
