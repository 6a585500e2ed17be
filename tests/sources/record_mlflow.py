"""Let MLflow keep an experiment at a tracking URI, and write what it keeps; run with each version to be understood.

python record_mlflow.py sqlite:////tmp/mlflow.db   ->  mlflow-<version>.sql, the tables that are read
python record_mlflow.py file:///tmp/mlruns         ->  mlflow-<version>.folder.json, the files with their texts
python record_mlflow.py http://localhost:5000      ->  mlflow-<version>.rest.json, requests with their answers
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import mlflow
from mlflow.tracking import MlflowClient


def fill(uri: str) -> None:
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    draw = random.Random(1)
    experiment = client.create_experiment("Churn: net/1", artifact_location="s3://models/churn")
    began = 1_700_000_000_000
    for number in range(12):
        rate, layers = (0.3, 4) if number == 7 else (10 ** draw.uniform(-3, 0), draw.randint(1, 6))
        kind = "relu" if number == 7 else draw.choice(["relu", "tanh"])
        loss = (rate - 0.3) ** 2 + 0.1 * abs(layers - 4) + (0.05 if kind == "tanh" else 0.0)
        run = client.create_run(experiment, start_time=began + 60_000 * number, tags={"team": "Käse {1}"})
        name = run.info.run_id
        for parameter, value in (("rate", rate), ("layers", layers), ("kind", kind), ("epochs", 5)):
            client.log_param(name, parameter, value)
        for step in range(3):
            client.log_metric(name, "loss", loss + (2 - step), began + 60_000 * number + 1000 * step, step)
        client.log_metric(name, "accuracy", float("nan") if number == 3 else 1 - loss, began + 60_000 * number)
        if number != 11:  # that one runs
            status = {4: "FAILED", 5: "KILLED"}.get(number, "FINISHED")
            client.set_terminated(name, status, began + 60_000 * number + 30_000)
        if number == 10:
            client.delete_run(name)
    client.create_experiment("empty")


def tables(file: str) -> Iterator[str]:
    database = sqlite3.connect(file)
    for name in ("experiments", "runs", "params", "latest_metrics", "tags"):
        columns = [f"{row[1]} {row[2]}" for row in database.execute(f"PRAGMA table_info({name})")]
        yield f"CREATE TABLE {name} ({', '.join(columns)});"
        places = ", ".join(["quote(" + column.split()[0] + ")" for column in columns])
        for row in database.execute(f"SELECT {places} FROM {name}"):
            yield f"INSERT INTO {name} VALUES ({', '.join(row)});"


def answers(uri: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def ask(path: str, body: dict[str, Any]) -> list[Any]:
        token, all_of_it = "", []
        while True:
            asked = body | {"max_results": 5} | ({"page_token": token} if token else {})
            sent = Request(f"{uri}/api/2.0/mlflow/{path}", json.dumps(asked).encode())
            sent.add_header("Content-Type", "application/json")
            answer = found[f"{path} {json.dumps(asked, sort_keys=True)}"] = json.loads(urlopen(sent).read())
            all_of_it += answer.get("experiments", [])
            token = answer.get("next_page_token")
            if not token:
                return all_of_it

    for experiment in ask("experiments/search", {"view_type": "ACTIVE_ONLY"}):
        asked = {"experiment_ids": [experiment["experiment_id"]], "run_view_type": "ACTIVE_ONLY"}
        ask("runs/search", asked | {"order_by": ["attributes.start_time ASC"]})
    return found


def main(uri: str) -> None:
    fill(uri)
    kept = f"mlflow-{'.'.join(mlflow.__version__.split('.')[:2])}"
    here, path = Path(__file__).parent, uri.partition("://")[2]
    if uri.startswith("sqlite"):
        (here / f"{kept}.sql").write_text("\n".join(tables(path)) + "\n")
    elif uri.startswith("file"):
        files = [each for each in sorted(Path(path).rglob("*")) if each.is_file()]
        texts = {each.relative_to(path).as_posix(): each.read_text() for each in files}
        (here / f"{kept}.folder.json").write_text(json.dumps(texts, indent=0, ensure_ascii=False) + "\n")
    else:
        (here / f"{kept}.rest.json").write_text(json.dumps(answers(uri), indent=0, ensure_ascii=False) + "\n")


main(sys.argv[1])
