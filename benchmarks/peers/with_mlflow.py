"""Runs in MLflow's store: made by its own program, filled directly, since its API takes four a second.

DIR/bin/python with_mlflow.py DATABASE < jobs.jsonl
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BATCH = 5000


def rows(job: dict[str, Any]) -> tuple[tuple[Any, ...], list[Any], list[Any], list[Any]]:
    """A run with its metrics, parameters and tags."""
    run, at = f"{int(job['TrainingJobName'].split('-')[1]):032x}", int(1000 * job["CreationTime"])
    name = job["TrainingJobName"]
    metrics = [(each["MetricName"], each["Value"], at, 0, 0, run) for each in job["FinalMetricDataList"]]
    plain = {
        **job["HyperParameters"],
        "image": job["AlgorithmSpecification"]["TrainingImage"],
        "data": job["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"],
        "model": job["ModelArtifacts"]["S3ModelArtifacts"],
        "instance": job["ResourceConfig"]["InstanceType"],
    }
    parameters = [(key, value, run) for key, value in plain.items()]
    tags = [(each["Key"], each["Value"], run) for each in job["Tags"]] + [("mlflow.runName", name, run)]
    return (run, name, "FINISHED", at, at + 60_000, "active", f"/tmp/{run}", 0), metrics, parameters, tags


def fill(database: Path, lines: Iterable[str]) -> None:
    """All of them."""
    with sqlite3.connect(database) as connection:
        batch: list[Any] = []
        for line in lines:
            batch.append(rows(json.loads(line)))
            if len(batch) == BATCH:
                write(connection, batch)
                batch = []
        write(connection, batch)
        connection.execute("ANALYZE")


def write(connection: sqlite3.Connection, batch: list[Any]) -> None:
    """A few of them."""
    connection.executemany(
        "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id,"
        " user_id, source_type, source_name, entry_point_name, source_version)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', 'LOCAL', '', '', '')",
        [each[0] for each in batch],
    )
    metrics = [metric for each in batch for metric in each[1]]
    for table in ("metrics", "latest_metrics"):
        connection.executemany(
            f"INSERT INTO {table} (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)", metrics
        )
    for table, place in (("params", 2), ("tags", 3)):
        connection.executemany(
            f"INSERT INTO {table} (key, value, run_uuid) VALUES (?, ?, ?)",
            [given for each in batch for given in each[place]],
        )


def main() -> None:
    """Make the store, and fill it."""
    database = Path(sys.argv[1])
    program = Path(sys.executable).with_name("mlflow")
    subprocess.run([program, "db", "upgrade", f"sqlite:///{database}"], check=True, capture_output=True)
    with sqlite3.connect(database) as connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
            " SELECT 0, 'Default', '/tmp/mlflow', 'active' WHERE NOT EXISTS (SELECT 1 FROM experiments)"
        )
    fill(database, sys.stdin)


if __name__ == "__main__":
    main()
