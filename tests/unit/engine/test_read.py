"""What a job reads is written down before its program starts: the versions that lie before it, whoever brought them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import rows
from pegbox.domain.readings import ReadObject
from pegbox.domain.training import Phase
from pegbox.engine import read as notes
from pegbox.engine import training
from pegbox.engine.context import Context, attempt_directory
from pegbox.objects.locations import parse
from pegbox.store import schema
from pegbox.store.resources import Resource
from pegbox.testing.requests import channel
from turns import Crash, read, run, run_until_ended

Found = list[tuple[int, str, str, str, list[ReadObject] | None]]


def written(context: Context) -> Found:
    """Attempt, channel, place, source and objects of all readings."""
    reading, dataset = schema.reading.c, schema.dataset.c
    found: Found = []
    with context.store.reading() as tx:
        connection = tx.connection  # type: ignore[attr-defined]
        joined = select(reading.attempt, reading.channel, schema.dataset).join(
            schema.reading, reading.dataset_id == dataset.id
        )
        for row in connection.execute(joined.order_by(reading.attempt, reading.channel)).all():
            objects = schema.dataset_object.c
            columns = (objects.location, objects.etag, objects.size, objects.instance)
            wanted = select(*columns).where(objects.dataset_id == row.id).order_by(objects.nth)
            got = [ReadObject(*each) for each in connection.execute(wanted)]
            assert row.is_whole == 1
            assert row.objects in (None, len(got))
            found.append((row.attempt, row.channel, row.place, row.source, None if row.objects is None else got))
    return found


def as_it_is(context: Context, uri: str, instance: int = 0) -> ReadObject:
    (info,) = [each for each in context.objects.list("", parse(uri)) if f"file://{each.key}" == uri]
    return ReadObject(uri, info.etag, info.size, instance)


class DyingAfterwards:
    """A database whose server dies at the first change after an object was brought."""

    def __init__(self, context: Context) -> None:
        self._store, self._objects, self._armed = context.store, context.objects, False

    def fetch(self, *arguments: Any) -> Any:
        self._armed = True
        return self._objects.fetch(*arguments)

    def transaction(self, lasting: bool = True) -> Any:
        if self._armed:
            raise Crash
        return self._store.transaction(lasting)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objects if hasattr(self._objects, name) else self._store, name)


def crash(context: Context, row: Resource) -> None:
    """Bring what the job reads, and die before that is written down."""
    dying: Any = DyingAfterwards(context)
    with pytest.raises(Crash):
        run(replace(context, store=dying, objects=dying), row.id)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)


def test_channels_and_code_are_written_down_before_the_program_starts(context: Context, tmp_path: Path) -> None:
    source = "import os; print(sorted(os.listdir('.')))"
    document = rows.script_document(tmp_path, source, InputDataConfig=[rows.channel_of(tmp_path)])
    (tmp_path / "data" / "train" / "more").mkdir()
    (tmp_path / "data" / "train" / "more" / "file").write_text("12")
    row = rows.insert(context, document)
    data, archive = f"file://{tmp_path}/data/train", f"file://{tmp_path}/sourcedir.tar.gz"
    wanted = [
        (1, "/opt/ml/code", archive, "SourceCode", [as_it_is(context, archive)]),
        (1, "train", data, "S3Prefix", [as_it_is(context, f"{data}/{name}") for name in ("file", "more/file")]),
    ]
    while read(context, row.id).phase is not Phase.RUNNING:
        run(context, row.id)
    assert written(context) == wanted
    assert run_until_ended(context, row.id).status == "Completed"
    assert written(context) == wanted
    log = attempt_directory(str(context.settings.home), row.id, 1) / "algo-1.log"
    assert notes.NOTE not in log.read_text()


def test_what_lies_before_the_program_is_written_down_though_a_later_server_has_brought_another_version(
    context: Context, tmp_path: Path
) -> None:
    document = rows.script_document(tmp_path, "pass", InputDataConfig=[rows.channel_of(tmp_path)])
    row = rows.insert(context, document)
    file = tmp_path / "data" / "train" / "file"
    first = as_it_is(context, f"file://{file}")
    crash(context, row)
    assert written(context) == []
    file.write_text("another version")
    assert as_it_is(context, f"file://{file}") != first
    assert run_until_ended(context, row.id).status == "Completed"
    assert [objects for _, name, _, _, objects in written(context) if name == "train"] == [[first]]


def test_a_manifest_counts_as_read_and_shards_are_told_apart(context: Context, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("a", "b", "c", "d"):
        (data / name).write_text(name)
    manifest = tmp_path / "list.manifest"
    manifest.write_text(json.dumps([{"prefix": f"file://{data}/"}, "a", "c", "d"]))
    listed = channel("listed", f"file://{manifest}")
    listed["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    shared = channel("shared", f"file://{data}/")
    shared["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    resources = {"InstanceCount": 2, "InstanceType": "local", "VolumeSizeInGB": 1}
    document = rows.script_document(tmp_path, "pass", InputDataConfig=[listed, shared], ResourceConfig=resources)
    row = rows.insert(context, document)
    assert run_until_ended(context, row.id).status == "Completed"
    uri = f"file://{data}"
    assert written(context)[1:] == [
        (
            1,
            "listed",
            f"file://{manifest}",
            "ManifestFile",
            [*(as_it_is(context, f"{uri}/{name}") for name in "acd"), as_it_is(context, f"file://{manifest}")],
        ),
        (
            1,
            "shared",
            f"{uri}/",
            "S3Prefix",
            [as_it_is(context, f"{uri}/{name}", 1 + number % 2) for number, name in enumerate("abcd")],
        ),
    ]


def test_checkpoints_that_were_brought_are_written_down(context: Context, tmp_path: Path) -> None:
    for left in (True, False):
        place = tmp_path / f"checkpoints-{left}"
        place.mkdir()
        if left:
            (place / "step-1").write_text("weights")
        document = rows.script_document(tmp_path, "pass", CheckpointConfig={"S3Uri": f"file://{place}/"})
        row = rows.insert(context, document, name=f"job-{left}")
        assert run_until_ended(context, row.id).status == "Completed"
    place = tmp_path / "checkpoints-True"
    assert [each for each in written(context) if each[3] == "Checkpoints"] == [
        (1, "/opt/ml/checkpoints/", f"file://{place}/", "Checkpoints", [as_it_is(context, f"file://{place}/step-1")])
    ]


def test_of_a_tree_without_a_note_it_is_known_that_it_was_read(context: Context, tmp_path: Path) -> None:
    """A power cut takes it, or an older version has laid out the tree."""
    document = rows.script_document(tmp_path, "pass", InputDataConfig=[rows.channel_of(tmp_path)])
    row = rows.insert(context, document)
    crash(context, row)
    (attempt_directory(str(context.settings.home), row.id, 1) / "algo-1" / notes.NOTE).write_bytes(b"")
    assert run_until_ended(context, row.id).status == "Completed"
    assert written(context) == [(1, "train", f"file://{tmp_path}/data/train", "S3Prefix", None)]


def test_a_job_that_does_not_start_has_read_nothing(context: Context, tmp_path: Path) -> None:
    absent = channel("train", f"file://{tmp_path}/absent/")
    document = rows.script_document(tmp_path, "pass", InputDataConfig=[rows.channel_of(tmp_path), absent])
    row = rows.insert(context, document)
    assert run_until_ended(context, row.id).status == "Failed"
    assert written(context) == []


def test_a_large_dataset_is_written_in_pieces(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "MANY_OBJECTS", 4)
    document = rows.script_document(tmp_path, "pass", InputDataConfig=[rows.channel_of(tmp_path)])
    for number in range(10):
        (tmp_path / "data" / "train" / str(number)).write_text(str(number))
    for name in ("first", "second"):
        row = rows.insert(context, document, name=name)
        assert run_until_ended(context, row.id).status == "Completed"
    found = [objects for _, channel, _, _, objects in written(context) if channel == "train"]
    assert [len(objects or ()) for objects in found] == [11, 11]
    assert found[0] == found[1]


def test_names_that_are_no_text_are_kept(context: Context, tmp_path: Path) -> None:
    document = rows.script_document(tmp_path, "pass", InputDataConfig=[rows.channel_of(tmp_path)])
    Path(f"{tmp_path}/data/train/\udcff").write_text("1")
    row = rows.insert(context, document)
    assert run_until_ended(context, row.id).status == "Completed"
    found = [objects or () for _, channel, _, _, objects in written(context) if channel == "train"]
    assert [each.location.rpartition("/")[2] for each in found[0]] == ["\\xff", "file"]
