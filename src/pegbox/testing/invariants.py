"""What must hold of tuning jobs that have ended, whatever was killed meanwhile.

Each function yields what is wrong, as text.  The program is that of `crash_work`: it writes what it prints into its
model, so log, metric points, model and checkpoints can be compared with each other to the last byte.
"""

from __future__ import annotations

import io
import json
import re
import sqlite3
import tarfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pegbox.domain.training import TERMINAL, TrainingJob
from pegbox.executors.directory import read_points
from pegbox.objects.files import FileStore
from pegbox.store import schema
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.crash_work import BUCKET, INPUTS, processes_of, quiet, starts_of

REGION = "us-east-1"
ACCOUNT = "000000000000"
QUIET_SECONDS = 15.0

_STEP = re.compile(rb"^step=(\d+) loss=(\S+);$", re.MULTILINE)
_LEFT = {
    "attempt.json", "spawn.json", "lock", "stop", "runner.json", "exit.json", "points", "runner.log",
    "checkpoints.json", "checkpoints.time", "hosts", "algo-1.log", "algo-1.idx",
}  # fmt: skip


def of_tuning_job(
    store: SqlStore, sagemaker: Any, s3: Any, name: str, folder: Path, *, killed: Collection[Path] = ()
) -> Iterator[str]:
    """Everything about one tuning job.

    `folder` is that of the program; `killed` are the attempts whose runners were killed.
    """
    asked = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with store.reading() as tx:
        parent = tx.get(ACCOUNT, REGION, Kind.TUNING_JOB, name)
        children = [tx.by_id(child.id) for child in tx.children(parent.id)]
    limits = asked["HyperParameterTuningJobConfig"]["ResourceLimits"]
    yield from _numbers(name, children, limits["MaxNumberOfTrainingJobs"], limits["MaxParallelTrainingJobs"])
    yield from _counters(asked, children)
    yield from _best(asked, children)
    for child in children:
        for fault in (*_of_training_job(store, sagemaker, s3, child, killed), *_starts(child, folder)):
            yield f"{child.name}: {fault}"


def _numbers(name: str, children: Sequence[Resource], most: int, at_once: int) -> Iterator[str]:
    if [child.number for child in children] != list(range(1, most + 1)):
        yield f"{name}: training jobs {[child.number for child in children]} instead of 1 to {most}"
    changes = [(child.created_at, 1) for child in children]
    changes += [(child.ended_at, -1) for child in children if child.ended_at is not None]
    running = 0
    for _, change in sorted(changes):
        running += change
        if running > at_once:
            yield f"{name}: more than {at_once} training jobs at once"
            break


def _counters(asked: Mapping[str, Any], children: Sequence[Resource]) -> Iterator[str]:
    for kind in ("TrainingJobStatusCounters", "ObjectiveStatusCounters"):
        if sum(asked[kind].values()) != len(children):
            yield f"{kind} {asked[kind]} of {len(children)} training jobs"
    ended = Counter(child.outcome for child in children)
    told = asked["TrainingJobStatusCounters"]
    for outcome in ("Completed", "Stopped", "RetryableError", "NonRetryableError"):
        if told.get(outcome, 0) != ended[outcome]:
            yield f"{outcome} is {told.get(outcome)} and should be {ended[outcome]}"


def _best(asked: Mapping[str, Any], children: Sequence[Resource]) -> Iterator[str]:
    rated = [(child.objective, child.id, child.name) for child in children if child.objective is not None]
    told = asked.get("BestTrainingJob", {}).get("TrainingJobName")
    if told != (min(rated)[2] if rated else None):
        yield f"BestTrainingJob is {told}, of {rated}"


def _of_training_job(
    store: SqlStore, sagemaker: Any, s3: Any, child: Resource, killed: Collection[Path]
) -> Iterator[str]:
    if child.status not in TERMINAL:
        yield f"is {child.status}"
        return
    job = TrainingJob.parse(child.state)
    if child.host is not None:
        yield f"still holds a slot of {child.host}"
    yield from _transitions(sagemaker.describe_training_job(TrainingJobName=child.name))
    lost = [path for path in killed if path.parent.name == str(child.id)]
    if job.attempt - 1 > len(lost):
        yield f"attempt {job.attempt}, and {len(lost)} runners were killed"
    if child.outcome == "RetryableError" and not lost:
        yield f"failed for an internal reason: {job.failure}"
    if child.outcome == "NonRetryableError":
        yield f"failed: {job.failure}"
    if job.home is not None:
        yield from _records(store, s3, child, job, lost)


def _starts(child: Resource, folder: Path) -> Iterator[str]:
    """The homes know only of what they started themselves."""
    known = TrainingJob.parse(child.state).attempt
    for attempt, times in starts_of(child.name, folder).items():
        if times > 1 or attempt > known:
            yield f"attempt {attempt} of {known} was started {times} times"


def _transitions(job: Mapping[str, Any]) -> Iterator[str]:
    steps = job["SecondaryStatusTransitions"]
    if steps[-1]["Status"] != job["SecondaryStatus"]:
        yield f"the last transition is {steps[-1]['Status']}, the secondary status {job['SecondaryStatus']}"
    starts = [step["StartTime"] for step in steps]
    if starts != sorted(starts) or any("EndTime" not in step for step in steps):
        yield f"transitions {steps}"
    told = {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}
    objective = job.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value", told.get("loss"))
    if objective != told.get("loss"):
        yield f"the objective is {objective}, the last metric {told}"


def _records(store: SqlStore, s3: Any, child: Resource, job: TrainingJob, lost: Collection[Path]) -> Iterator[str]:
    directory = Path(str(job.home)) / "attempts" / str(child.id)
    for attempt in range(1, job.attempt + 1):
        log = _content(directory / str(attempt) / "algo-1.log")
        printed = _values(log)
        is_whole = directory / str(attempt) not in lost  # a runner may be killed between a line and its value
        table, found = _points(store, child.id, attempt), _found(directory / str(attempt))
        if {metric: kept for metric, kept in table.items() if kept} != found:
            yield f"attempt {attempt} has found {found}, kept are {table}"
        for metric, kept in table.items():
            if kept != printed and (is_whole or kept != printed[: len(kept)]):
                yield f"attempt {attempt} printed {printed}, kept of {metric} are {kept}"
        if log.count(b"start ") > 1:
            yield f"attempt {attempt} was started {log.count(b'start ')} times"
        if log:
            yield from _readings(store, child, attempt)
    if child.outcome in ("Completed", "Stopped"):
        yield from _outputs(s3, child, log)


def _outputs(s3: Any, child: Resource, log: bytes) -> Iterator[str]:
    complete = child.outcome == "Completed"
    model = _archive(s3, f"out/{child.name}/output/model.tar.gz")
    if model is None or not model.get("printed"):
        if complete:
            yield f"has no model: {model}"
        return  # of a job that was stopped before it began
    if model["printed"] != log:
        yield f"printed {model['printed']!r}, its log is {log!r}"
    if not log.startswith(b"start data=%d\n" % sum(map(len, INPUTS.values()))):
        yield f"saw other inputs: {log!r}"
    if model["started"].count(b"\n") != 1:
        yield f"started more than once: {model['started']!r}"
    if complete and not log.endswith(b"\nend\n"):
        yield f"completed before its end: {log!r}"
    found = _objects(s3, f"checkpoints/{child.name}/")
    wanted = json.loads(model.get("checkpoints", b"{}"))
    if "checkpoints" in model and found != {key: text.encode() for key, text in wanted.items()}:
        yield f"left the checkpoints {wanted}, stored are {found}"


def _readings(store: SqlStore, child: Resource, attempt: int) -> Iterator[str]:
    """What an attempt that ran has read is written down once and whole."""
    reading, dataset, objects = schema.reading.c, schema.dataset.c, schema.dataset_object.c
    mine = (reading.job_id == child.id) & (reading.created_at == child.created_at) & (reading.attempt == attempt)
    with store.reading() as tx:
        wanted = select(schema.dataset).join(schema.reading, reading.dataset_id == dataset.id).where(mine)
        found = tx.connection.execute(wanted.where(reading.channel == "train")).all()
        if [(each.place, each.is_whole, each.objects) for each in found] != [(f"s3://{BUCKET}/input/", 1, len(INPUTS))]:
            yield f"attempt {attempt} has read {found}"
            return
        rows = select(objects.location, objects.size).where(objects.dataset_id == found[0].id).order_by(objects.nth)
        sizes = {place.rpartition("/")[2]: size for place, size in tx.connection.execute(rows)}
    if sizes != {name: len(content) for name, content in INPUTS.items()}:
        yield f"attempt {attempt} has read {sizes}"


def _values(log: bytes) -> list[float]:
    return [float(value) for _, value in _STEP.findall(log)]


def _points(store: SqlStore, identity: int, attempt: int) -> dict[str, list[float]]:
    """By metric: `loss` and `ObjectiveMetric`, which is its other name."""
    points = schema.point.c
    mine = (points.resource_id == identity) & (points.attempt == attempt)
    found: dict[str, list[float]] = {"loss": []}
    with store.reading() as tx:
        rows = select(points.metric, points.value).where(mine).order_by(points.offset)
        for metric, value in tx.connection.execute(rows):
            found.setdefault(metric, []).append(value)
    return found


def _found(directory: Path) -> dict[str, list[float]]:
    """By metric, what the runner wrote down, however it ended."""
    found: dict[str, list[float]] = {}
    cursor, is_more = 0, True
    while is_more:
        points, cursor, is_more = read_points(directory, cursor)
        for point in filter(attrgetter("is_kept"), points):
            found.setdefault(point.metric, []).append(point.value)
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _archive(s3: Any, key: str) -> dict[str, bytes] | None:
    try:
        body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        files = [member for member in archive.getmembers() if member.isfile()]
        return {member.name: (archive.extractfile(member) or io.BytesIO()).read() for member in files}


def _objects(s3: Any, prefix: str) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    keys = [item["Key"] for item in found]
    return {key.removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def of_installation(store: SqlStore, homes: Sequence[Path]) -> Iterator[str]:
    """What jobs must not leave when all have ended: processes, slots, leases, files that nobody will need."""
    if not quiet(lambda: list(processes_of(list(homes))), QUIET_SECONDS):
        yield f"processes are left: {list(processes_of(list(homes)))}"
    if not quiet(lambda: list(_held(store)), QUIET_SECONDS):
        yield f"leases or slots are held: {list(_held(store))}"
    for home in homes:
        if not quiet(lambda home=home: list(_litter(home)), QUIET_SECONDS):  # type: ignore[misc]
            yield f"files are left: {sorted(_litter(home))[:10]}"


def _held(store: SqlStore) -> Iterator[str]:
    rows = schema.resource.c
    with store.reading() as tx:
        held = (rows.lease_owner.is_not(None)) | (rows.host.is_not(None))
        for row in tx.connection.execute(select(rows.name, rows.lease_owner, rows.host).where(held)):
            yield " ".join(map(str, row))


def _litter(home: Path) -> Iterator[str]:
    for attempt in (home / "attempts").glob("*/*"):
        for path in attempt.iterdir():
            if path.name not in _LEFT:
                yield str(path)


def of_objects(home: Path) -> Iterator[str]:
    """Of the object store of a home whose server has ended: every row has its file, a sweep leaves no other file."""
    root = home / "objects"
    if not (root / "index.db").exists():
        return
    files = FileStore(root)
    files.sweep(0, share=1.0)
    files.close()
    with sqlite3.connect(root / "index.db") as index:
        named = {content for (content,) in index.execute("select content from object union select content from part")}
    index.close()
    there = {path.name for path in (root / "content").glob("*/*")}
    if named - there:
        yield f"objects without content: {named - there}"
    if there - named:
        yield f"content without object: {there - named}"
    if any((root / "incoming").iterdir()):
        yield f"incoming: {sorted(path.name for path in (root / 'incoming').iterdir())}"
