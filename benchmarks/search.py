"""What Search costs among many jobs of 35 properties: the queries of a leaderboard, an audit and the worst cases.

    python benchmarks/search.py [--jobs 50000] [--database URL] [--searches 50] [--keep FOLDER]

Jobs are loaded in bulk, as by `pegbox admin load`, if the database has none; then each query runs in process, and
through HTTP with boto3, against a call that does nothing, and once more while another process writes 50 jobs a second,
which have to be indexed before each answer.  Medians and 95th percentiles in milliseconds, also of what client, server
and PostgreSQL compute for it; bytes of index a job; MiB of the server after its start, when every query has been asked,
and at the end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from measuring import (
    Server,
    describe_machine,
    present,
    processes_below,
    processor_time,
    proportional_set_size,
)
from sqlalchemy import text

from pegbox.maintenance import transfer
from pegbox.maintenance.progress import Progress
from pegbox.maintenance.transfer import Place
from pegbox.observe.logging import configure
from pegbox.operations import search
from pegbox.operations.transfer import row_of
from pegbox.store.sql import SqlStore
from pegbox.testing.calls import call_in

ACCOUNT, REGION = "000000000000", "us-east-1"
RATE = 50  #: jobs a second
BEGAN = 1_700_000_000.0


def record(number: int, draw: random.Random) -> dict[str, Any]:
    """A finished job: 4 hyperparameters, 6 metrics, 3 tags, one channel, and what every job has; 35 properties."""
    auc = draw.random()
    rare = {"rare": "yes"} if number % 20_000 == 7 else {}
    at = BEGAN + number
    return {
        "TrainingJobName": f"job-{number:07d}",
        "TrainingJobStatus": draw.choice(["Completed"] * 8 + ["Failed", "Stopped"]),
        "AlgorithmSpecification": {"TrainingImage": "xgboost", "TrainingInputMode": "File"},
        "HyperParameters": {
            "eta": repr(draw.random()),
            "max_depth": str(draw.randint(2, 12)),
            "optimizer": draw.choice(["adam", "sgd", "lamb"]),
            **{f"p{each}": repr(draw.random()) for each in range(1)},
            **rare,
        },
        "RoleArn": "arn:aws:iam::000000000000:role/tuning",
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/set-{number % 500}/"}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://models/out"},
        "ModelArtifacts": {"S3ModelArtifacts": f"s3://models/out/job-{number:07d}/output/model.tar.gz"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "CreationTime": at,
        "LastModifiedTime": at + 60,
        "TrainingStartTime": at + 1,
        "TrainingEndTime": at + 59,
        "FinalMetricDataList": [
            {"MetricName": name, "Value": value, "Timestamp": at}
            for name, value in (
                ("auc", auc),
                ("logloss", 1.0 - auc + 0.2 * draw.random()),
                ("high", float(number % 100 >= 50)),
                *((f"m{each}", draw.random()) for each in range(3)),
            )
        ],
        "Tags": [
            {"Key": "Project", "Value": f"project-{number % 40}"},
            {"Key": "team", "Value": draw.choice(["vision", "audio"])},
            {"Key": "half", "Value": "lower" if number % 100 < 50 else "upper"},
        ],
    }


def condition(name: str, operator: str, value: str) -> dict[str, str]:
    return {"Name": name, "Operator": operator, "Value": value}


LOSS: Mapping[str, Any] = {"SortBy": "Metrics.logloss", "SortOrder": "Ascending"}
QUERIES: Mapping[str, tuple[list[dict[str, str]], Mapping[str, Any]]] = {
    "Q1 metric and parameter by a metric": (
        [condition("Metrics.auc", "GreaterThan", "0.9"), condition("HyperParameters.optimizer", "Equals", "adam")],
        LOSS,
    ),
    "Q2 a tag, newest": ([condition("Tags.Project", "Equals", "project-7")], {"SortBy": "CreationTime"}),
    "Q3 four conditions by a metric": (
        [
            condition("Metrics.auc", "GreaterThan", "0.5"),
            condition("HyperParameters.eta", "LessThan", "0.1"),
            condition("HyperParameters.max_depth", "Equals", "5"),
            condition("Tags.team", "Equals", "vision"),
        ],
        LOSS,
    ),
    "Q4 contains, hits": ([condition("TrainingJobName", "Contains", "job-00")], {"SortBy": "CreationTime"}),
    "Q4 contains, none": ([condition("TrainingJobName", "Contains", "nobody")], {"SortBy": "CreationTime"}),
    "Q5 all by a metric": ([], LOSS),
    "Q7 all, as they were changed": ([], {}),
    "Q8 a dataset": (
        [condition("InputDataConfig.DataSource.S3DataSource.S3Uri", "Equals", "s3://data/set-77/")],
        {"SortBy": "CreationTime"},
    ),
    "Q9 a rare and a common condition": (
        [condition("HyperParameters.rare", "Equals", "yes"), condition("Metrics.auc", "LessThan", "0.9")],
        LOSS,
    ),
    "Q10 two common conditions without common hits": (
        [condition("Tags.half", "Equals", "lower"), condition("Metrics.high", "Equals", "1")],
        LOSS,
    ),
    "Q11 not a value": (
        [condition("HyperParameters.optimizer", "NotEquals", "adam"), condition("Metrics.auc", "GreaterThan", "0.9")],
        LOSS,
    ),
}


def request(query: str, **more: Any) -> dict[str, Any]:
    filters, order = QUERIES[query]
    expression = {"SearchExpression": {"Filters": filters}} if filters else {}
    return {"Resource": "TrainingJob", "MaxResults": 10, **expression, **order, **more}


def lines(jobs: int) -> Iterator[bytes]:
    """The file that is loaded."""
    draw = random.Random(1)
    for number in range(jobs):
        yield json.dumps(record(number, draw)).encode() + b"\n"


def fill(store: SqlStore, jobs: int) -> dict[str, float]:
    """Load the jobs; the time to make them counts as well."""
    began = time.process_time()
    transfer.load(Place(store, ACCOUNT, REGION), "jobs", lines(jobs), Progress(lambda text: print(text, flush=True)))
    loaded = time.process_time()
    return {
        "load_ms_cpu_per_job": round(1000 * (loaded - began) / jobs, 3),
        "index_bytes_per_job": round(size_of_index(store) / jobs),
    }


def loaded(store: SqlStore) -> int:
    """How many jobs there are."""
    with store.engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM resource WHERE kind = 'training-job'")).scalar_one())


def size_of_index(store: SqlStore) -> int:
    """Bytes of the properties."""
    if store.engine.dialect.name == "sqlite":
        statement = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE 'property%'"
    else:
        statement = "SELECT pg_total_relation_size('property')"
    with store.engine.connect() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def measured(do: Callable[[], Any], searches: int, others: Collection[int] = ()) -> dict[str, float]:
    """Milliseconds of a call; of the processor as well, of this process and of `others`, which are on busy machines all
    that can be compared."""
    do()
    times, spent = [], []
    for _ in range(searches):
        at, work = time.perf_counter(), time.process_time() + processor_time(others)
        do()
        times.append(1000 * (time.perf_counter() - at))
        spent.append(1000 * (time.process_time() + processor_time(others) - work))
    times.sort()
    spent.sort()
    late = int(0.95 * (searches - 1))
    found = {"p50": statistics.median(times), "p95": times[late]}
    found |= {"cpu_p50": statistics.median(spent), "cpu_p95": spent[late]}
    return {name: round(value, 3) for name, value in found.items()}


def backends(store: SqlStore) -> Collection[int]:
    """PostgreSQL's processes that work for its clients."""
    if store.engine.dialect.name == "sqlite":
        return ()
    with store.engine.connect() as connection:
        found = connection.execute(text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()"))
        return [pid for (pid,) in found]


def in_process(store: SqlStore, searches: int) -> Iterator[tuple[str, dict[str, Any]]]:
    call = call_in(store, ACCOUNT, REGION)
    for query in QUERIES:
        wanted = request(query)
        answer = search.search(wanted, call)  # type: ignore[arg-type]
        took = measured(lambda: search.search(wanted, call), searches, backends(store))  # noqa: B023  # type: ignore[arg-type]
        yield query, took | {"hits": answer["TotalHits"]}
        if "NextToken" in answer and query.startswith("Q5"):
            deep = wanted
            for _ in range(20):
                deep = wanted | {"NextToken": answer["NextToken"], "MaxResults": 100}
                answer = search.search(deep, call)  # type: ignore[arg-type]
            yield "Q6 a later page", measured(lambda: search.search(deep, call), searches, backends(store))  # noqa: B023  # type: ignore[arg-type]
    hint = {"Resource": "TrainingJob", "SuggestionQuery": {"PropertyNameQuery": {"PropertyNameHint": "p"}}}
    yield "suggestions", measured(lambda: search.get_search_suggestions(hint, call), searches, backends(store))  # type: ignore[arg-type]


def through_http(home: Path, store: SqlStore, searches: int) -> Iterator[tuple[str, dict[str, float]]]:
    database = store.engine.url.render_as_string(hide_password=False)
    server = Server(home, {"PEGBOX_DATABASE_URL": database})
    memory = {"started": mebibytes(server)}
    try:
        client = server.client("sagemaker")

        def asked(times: int, **wanted: Any) -> dict[str, float]:
            client.search(**wanted)
            others = [*processes_below(server.pid), *backends(store)]
            return measured(lambda: client.search(**wanted), times, others)

        yield "a call that does nothing", asked(searches, Resource="FeatureGroup")
        for query in QUERIES:
            yield query, asked(searches, **request(query))
        memory["asked"] = mebibytes(server)
        wanted = request("Q1 metric and parameter by a metric")
        with writing(database):
            yield f"Q1 while {RATE} jobs a second are written", asked(10 * searches, **wanted)
        yield "MiB of the server", memory | {"ended": mebibytes(server)}
    finally:
        server.stop()


def mebibytes(server: Server) -> float:
    """Memory of a server with its helpers."""
    return round(sum(map(proportional_set_size, processes_below(server.pid))) / (1 << 20), 1)


@contextmanager
def writing(database: str) -> Iterator[None]:
    """Another process writes jobs, each in a transaction of its own that is brought to disk."""
    writer = get_context("spawn").Process(target=write, args=(database,), daemon=True)
    writer.start()
    try:
        yield
        if not writer.is_alive():
            raise RuntimeError("the writer has ended")
    finally:
        writer.terminate()
        writer.join()


def write(database: str) -> None:
    """Until the process is ended, so many a second."""
    store, draw = SqlStore(database), random.Random(2)
    began = time.monotonic()
    for number in itertools.count():
        time.sleep(max(0.0, began + number / RATE - time.monotonic()))
        late = record(10_000_000 + number, draw) | {"TrainingJobName": f"late-{os.getpid()}-{number}"}
        with store.transaction() as tx:
            tx.insert(row_of(late, ACCOUNT, REGION))


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--searches", type=int, default=50)
    parser.add_argument("--database", default=None)
    parser.add_argument("--keep", type=Path, default=None)
    given = parser.parse_args()
    configure("warning")
    with tempfile.TemporaryDirectory() as scratch:
        home = (given.keep or Path(scratch)) / "home"
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = given.database or f"sqlite:///{home / 'pegbox.db'}"
        store = SqlStore(database)
        result: dict[str, Any] = {"machine": describe_machine(), "database": store.engine.dialect.name}
        if not loaded(store):
            result["filled"] = fill(store, given.jobs)
        result["jobs"] = loaded(store)
        result["in_process_ms"] = dict(in_process(store, given.searches))
        store.engine.dispose()
        result["boto3_ms"] = dict(through_http(home, store, given.searches))
        store.close()
        present(result)


if __name__ == "__main__":
    main()
