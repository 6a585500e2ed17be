"""Write what this version's server leaves in its database: <revision>.json, which is kept for ever.

    PYTHONPATH=src .venv/bin/python tests/upgrades/record.py

Run it once for each new schema, before the schema is released; tests/upgrades/test_upgrades.py asks for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from jobs import in_training, pegbox, training_ended, tuning_ended
from pegbox.testing.requests import channel, training_request, tuning_request
from running import RunningServer

HERE = Path(__file__).parent
HOME, HOST = "/home/me/.local/share/pegbox", "workstation-0123456789ab"
QUICK = "python -c \"print('loss=0.25;')\""
SLOW = "python -c \"import time; print('loss=1;', flush=True); time.sleep(600)\""


def work(server: RunningServer) -> None:
    """Jobs in every state: ended in each way, in training, and waiting for the one slot."""
    server.client("s3").create_bucket(Bucket="kept")
    for name, command in (("quick", QUICK), ("slow", SLOW), ("broken", "python -c 'raise SystemExit(3)'")):
        pegbox(server, "image", "add", name, "--command", command, "--workdir", "/tmp", "--env", "COLOUR=blue")
    pegbox(server, "keys", "add", "--account", "111122223333", "--description", "a colleague's")
    sagemaker = server.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request("Tuned", "quick", "s3://kept/out"))
    tuning_ended(sagemaker, "Tuned")
    server.client("s3").put_object(Bucket="kept", Key="data/a", Body=b"1")
    reads = {"InputDataConfig": [channel("train", "s3://kept/data/")]}
    sagemaker.create_training_job(**training_request("read", "quick", "s3://kept/out", **reads))
    training_ended(sagemaker, "read")
    sagemaker.create_training_job(**training_request("failed", "broken", "s3://kept/out"))
    training_ended(sagemaker, "failed")
    sagemaker.create_training_job(**training_request("stopped", "slow", "s3://kept/out"))
    in_training(sagemaker, "stopped")
    sagemaker.stop_training_job(TrainingJobName="stopped")
    training_ended(sagemaker, "stopped")
    experiment(server)
    sagemaker.create_training_job(**training_request("running", "slow", "s3://kept/out"))
    in_training(sagemaker, "running")
    sagemaker.create_training_job(**training_request("waiting", "quick", "s3://kept/out"))
    lineage(sagemaker)
    server.kill()


def lineage(sagemaker: Any) -> None:
    """A model behind an endpoint, and what of the jobs is read off them when somebody asks."""
    sagemaker.create_model(ModelName="modelled", PrimaryContainer={"Image": "quick"})
    variant = {"VariantName": "all", "ModelName": "modelled", "InstanceType": "local", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName="served", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="served", EndpointConfigName="served")
    sagemaker.list_associations()


def experiment(server: RunningServer) -> None:
    """A trial component with metrics in a trial, and those that the jobs have made."""
    sagemaker, metrics = server.client("sagemaker"), server.client("sagemaker-metrics")
    sagemaker.create_experiment(ExperimentName="churn", Tags=[{"Key": "team", "Value": "blue"}])
    sagemaker.create_trial(TrialName="first", ExperimentName="churn")
    sagemaker.create_trial_component(TrialComponentName="run", Parameters={"eta": {"NumberValue": 0.1}})
    sagemaker.associate_trial_component(TrialComponentName="run", TrialName="first")
    values = [{"MetricName": "auc", "Timestamp": time.time(), "Step": step, "Value": 0.5} for step in range(3)]
    metrics.batch_put_metrics(TrialComponentName="run", MetricData=values)
    sagemaker.list_trial_components()


def read(home: Path) -> dict[str, list[dict[str, object]]]:
    """Every table, with the names of this machine replaced."""
    identity = (home / "run" / "identity").read_text()
    tables = {}
    with contextlib.closing(sqlite3.connect(home / "pegbox.db")) as database:
        database.row_factory = sqlite3.Row
        names = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        for (table,) in database.execute(names).fetchall():
            tables[table] = [dict(row) for row in database.execute(f"select * from {table}")]
    text = json.dumps(tables).replace(str(home), HOME).replace(identity, HOST)
    found: dict[str, list[dict[str, object]]] = json.loads(text)
    return found


def main() -> None:
    """Record."""
    with tempfile.TemporaryDirectory() as folder:
        server = RunningServer(Path(folder) / "home", environment={"PEGBOX_SLOTS": "1", "PEGBOX_STOP_GRACE": "1"})
        work(server)
        tables = read(server.home)
        for file in server.home.glob("attempts/*/1/runner.json"):
            for pid in json.loads(file.read_text())["hosts"].values():
                try_to_end(pid)
    (revision,) = [row["version_num"] for row in tables.pop("alembic_version")]
    (HERE / f"{revision}.json").write_text(json.dumps(tables, indent=1) + "\n")


def try_to_end(pid: int) -> None:
    """End a trainer that is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)


if __name__ == "__main__":
    main()
