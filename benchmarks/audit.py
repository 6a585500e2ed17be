"""What it costs to write down what training jobs read, and to ask who has read a dataset among many jobs.

    python benchmarks/audit.py [--jobs 50000] [--objects 2000] [--database URL]

First one channel of so many objects of the built-in store is brought and written down as an engine does it, again and
again.  Then as many jobs are made up, in fifty groups that have each read another version of the dataset, and five
questions are asked of the store.  Median CPU of this process in milliseconds; bytes a job are those of SQLite.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from measuring import describe_machine
from sqlalchemy import text

from pegbox.domain.readings import Dataset, Question, Reading, ReadObject, Source
from pegbox.engine import read, staging
from pegbox.objects.base import Location
from pegbox.objects.files import FileStore
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore

ACCOUNT, REGION = "000000000000", "us-east-1"
PLACE = "s3://data/train/"
GROUPS = 50
REPEATS = 15
PAGE = 50
CHANNEL = {
    "ChannelName": "train",
    "DataSource": {
        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": PLACE, "S3DataDistributionType": "FullyReplicated"}
    },
}
DOCUMENT: dict[str, Any] = {
    "InputDataConfig": [CHANNEL],
    "ResourceConfig": {"InstanceCount": 1, "VolumeSizeInGB": 1},
    "OutputDataConfig": {"S3OutputPath": "s3://data/out"},
}


def job(number: int) -> Resource:
    at = 1_700_000_000.0 + number
    given: dict[str, Any] = {"status": "Completed", "created_at": at, "modified_at": at, "ended_at": at}
    name = f"job-{number:07d}"
    return Resource(account=ACCOUNT, region=REGION, kind=Kind.TRAINING_JOB, name=name, document=DOCUMENT, **given)


def dataset(version: int, objects: int) -> Dataset:
    """The first object is there in this version only."""
    names = [f"only-{version:03d}.csv", *(f"part-{number:06d}.csv" for number in range(1, objects))]
    found = [ReadObject(f"{PLACE}{name}", f"{version:032x}", 1000) for name in names]
    return Dataset(place=PLACE, source=Source.PREFIX, objects=found)


def cpu(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Median milliseconds."""
    spent = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        spent.append((time.process_time() - began) * 1000)
    return round(statistics.median(spent), 2)


def recording(store: SqlStore, folder: Path, count: int) -> dict[str, float]:
    """One attempt's inputs: brought with their note, read back, written down the first time and again."""
    files = FileStore(folder / "objects")
    files.buckets.create(ACCOUNT, "data", REGION)
    for number in range(count):
        files.put(ACCOUNT, Location("s3", "data", f"train/part-{number:06d}.csv"), io.BytesIO(b"x" * 100))
    with store.transaction() as tx:
        row = tx.insert(job(0))
    directory = folder / "attempt"

    def bring() -> None:
        shutil.rmtree(directory, ignore_errors=True)
        staging.stage(files, ACCOUNT, DOCUMENT, None, directory)

    brought = cpu(bring, 5)
    parts = [read.Brought(*part) for part in json.loads((directory / "algo-1" / read.NOTE).read_bytes())]
    note = cpu(lambda: read.write(directory / "algo-1", parts))
    readings = read.found(directory, ["algo-1"], DOCUMENT)
    back = cpu(lambda: read.found(directory, ["algo-1"], DOCUMENT))

    def write(attempt: int, found: list[Reading]) -> None:
        with store.transaction(lasting=False) as tx:
            tx.add_readings(row, attempt, found)

    def anew() -> list[Reading]:
        """Without the digest that was computed before."""
        return [replace(each, dataset=replace(each.dataset)) for each in readings]

    first = cpu(lambda: write(1, anew()), 1)
    attempts = iter(range(2, 1000))
    again = cpu(lambda: write(next(attempts), anew()))
    files.close()
    return {"bring": brought, "note": note, "read_back": back, "write_first": first, "write_again": again}


def fill(store: SqlStore, jobs: int, objects: int) -> None:
    """Each group of jobs has read its own version."""
    for start in range(1, jobs + 1, 500):
        with store.transaction(lasting=False) as tx:
            for number in range(start, min(start + 500, jobs + 1)):
                row = tx.insert(job(number))
                tx.add_readings(row, 1, [Reading(channel="train", dataset=VERSIONS[number % GROUPS])])


VERSIONS: list[Dataset] = []


def questions() -> Iterator[tuple[str, Question]]:
    def of(name: str, etag: str | None = None) -> Question:
        return Question(account=ACCOUNT, region=REGION, location=name, etag=etag)

    yield "an object that all have read", of(f"{PLACE}part-000007.csv")
    yield "one version of it", of(f"{PLACE}part-000007.csv", f"{7:032x}")
    yield "an object that one group has read", of(f"{PLACE}only-007.csv")
    yield "the folder", of(PLACE)
    yield "an object that was not there then", of(f"{PLACE}never.csv")
    yield "an object of another place", of("s3://data/holdout/part-000007.csv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--database")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(given.database or f"sqlite:///{folder}/pegbox.db")
        report: dict[str, Any] = {"machine": describe_machine(), "jobs": given.jobs, "objects": given.objects}
        report["cpu_ms_of_recording"] = recording(store, Path(folder), given.objects)
        VERSIONS.extend(dataset(version, given.objects) for version in range(GROUPS))
        fill(store, given.jobs, given.objects)
        report["database"] = store.engine.dialect.name
        report["cpu_ms_of_a_page_of_50"] = {
            name: cpu(lambda asked=asked: store.audit.readers(asked, None, PAGE), 7)  # type: ignore[misc]
            for name, asked in questions()
        }
        asked = next(questions())[1]
        report["cpu_ms_of_looking_for_silent_jobs"] = cpu(lambda: store.audit.silent(asked, 2**62, 200), 7)
        if store.engine.dialect.name == "sqlite":
            report["bytes_a_job"] = {
                name: round(size / given.jobs) for name, size in sizes(store) if name.startswith("reading")
            }
        store.close()
    print(json.dumps(report, indent=2))


def sizes(store: SqlStore) -> list[tuple[str, int]]:
    with store.engine.connect() as connection:
        found = connection.execute(text("select name, sum(pgsize) from dbstat group by name"))
        return [(name, size) for name, size in found]


if __name__ == "__main__":
    main()
