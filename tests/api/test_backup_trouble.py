"""Backups that took their time, or were cut short: what is restored is of one moment, and whole."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pegbox.cli.main import app
from pegbox.domain import training
from pegbox.domain.training import Phase, TrainingJob
from pegbox.maintenance import archive
from pegbox.maintenance.archive import MaintenanceError
from pegbox.maintenance.backup import MARK
from pegbox.settings import Settings
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from rows import training_document
from running import RunningServer


def command(*arguments: str) -> str:
    """What it prints; it has to succeed."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def a_row(store: SqlStore, name: str, job: TrainingJob, host: str | None) -> Resource:
    row = Resource(
        account="123456789012",
        region="us-east-1",
        kind=Kind.TRAINING_JOB,
        name=name,
        status=job.status,
        document=training_document(Path("/tmp"), name),
        state=job.dump(),
        created_at=1.0,
        modified_at=1.0,
        due_at=0.0,
        host=host,
    )
    with store.transaction() as tx:
        return tx.insert(row)


def test_what_was_begun_after_the_moment_of_a_backup_is_not_restored(tmp_path: Path) -> None:
    """Rows are read first and logs last: those of an attempt that is begun again would be there twice."""
    home, into, restored = tmp_path / "home", tmp_path / "backup", tmp_path / "restored"
    home.mkdir()
    store = SqlStore(Settings(home=home).database)
    waiting = training.created(1.0)
    staging = training.enter(replace(waiting, home=str(home)), "Starting", Phase.STAGING, 2.0)
    jobs = {
        "waiting": waiting,
        "staging": staging,
        "running": training.enter(staging, "Training", Phase.RUNNING, 3.0),
        "again": training.retry(training.enter(staging, "Training", Phase.RUNNING, 3.0), 4.0),
    }
    for name, job in jobs.items():
        row = a_row(store, name, job, None if name == "waiting" else "here")
        for attempt in ("1", "2"):
            folder = home / "attempts" / str(row.id) / attempt
            folder.mkdir(parents=True)
            for file in ("attempt.json", "algo-1.log", "algo-1.idx", "points"):
                (folder / file).write_text("{}")
    store.close()
    command("backup", str(into), "--home", str(home))
    command("restore", str(into), "--home", str(restored))
    found = {str(path.parent.relative_to(restored / "attempts")) for path in restored.rglob("algo-1.log")}
    assert found == {"3/1", "4/1"}


@pytest.mark.parametrize("spoil", [b"", b"CONTENT"], ids=["empty", "other bytes"])
def test_a_content_that_an_interrupted_backup_has_not_brought_whole_is_brought_again(
    start_server: Callable[..., RunningServer], tmp_path: Path, spoil: bytes
) -> None:
    """On another file system contents are copied, and a name may come to disk before its bytes."""
    server = start_server()
    server.client("s3").create_bucket(Bucket="kept")
    server.client("s3").put_object(Bucket="kept", Key="key", Body=b"content")
    into = tmp_path / "backup"
    (content,) = [path for path in (server.home / "objects" / "content").rglob("*") if path.is_file()]
    left = into / content.relative_to(server.home)
    left.parent.mkdir(parents=True)
    left.write_bytes(spoil)
    shutil.copy(server.home / "run" / "identity", into / MARK)
    command("backup", str(into), "--home", str(server.home))
    assert left.read_bytes() == b"content"


def test_what_an_interrupted_backup_has_brought_is_not_brought_again(tmp_path: Path) -> None:
    source, copied, linked = tmp_path / "source", tmp_path / "copied", tmp_path / "linked"
    source.write_bytes(b"content")
    shutil.copy(source, copied)
    os.link(source, linked)
    before = [path.stat() for path in (copied, linked)]
    for path in (copied, linked):
        archive.link_or_copy(source, path)
    assert [path.stat().st_ino for path in (copied, linked)] == [each.st_ino for each in before]


ODD_ROWS = ["id", "attempt", "state", "no number", "no row", "no JSON", "deep", "state of another kind"]


@pytest.mark.parametrize("fault", ODD_ROWS)
def test_rows_of_a_backup_lead_nowhere_outside_the_home(tmp_path: Path, fault: str) -> None:
    """Directories of attempts are named after what rows say; the rows may be anybody's."""
    home, into, away = tmp_path / "home", tmp_path / "backup", tmp_path / "restored" / "away"
    home.mkdir()
    (away / "1").mkdir(parents=True)
    store = SqlStore(Settings(home=home).database)
    job = training.enter(replace(training.created(1.0), home=str(home)), "Training", Phase.RUNNING, 3.0)
    a_row(store, "running", job, "here")
    store.close()
    command("backup", str(into), "--home", str(home))
    file = into / "database" / "resource.jsonl"
    row = json.loads(file.read_text())
    changes = {
        "id": {"id": "../../away"},
        "attempt": {"state": json.dumps({**json.loads(row["state"]), "attempt": "../../../away/1"})},
        "state": {"state": "["},
        "state of another kind": {"state": "[]"},
        "no number": {"id": [1]},
    }
    text = {"no row": "[1]", "no JSON": "x", "deep": "[" * 100_000}.get(fault) or json.dumps(row | changes[fault])
    file.write_text(f"{text}\n")
    manifest = json.loads((into / "manifest.json").read_text())
    manifest["files"]["database/resource.jsonl"] = asdict(archive.digest(file))
    (into / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(MaintenanceError, match=rf"^{re.escape(str(file))}:1 is no row that a server has written"):
        command("restore", str(into), "--home", str(tmp_path / "restored" / "home"))
    assert [path.name for path in away.rglob("*")] == ["1"]
    assert sorted(path.name for path in away.parent.iterdir()) == ["away", "home"]
