"""The demo's tuning job against the same search by peers, in turns in one run.

    python benchmarks/tuning_overhead.py --runs 5 --optuna DIR --ray DIR --syne DIR

Each DIR is a virtual environment of its own:
    python3 -m venv DIR && DIR/bin/pip install optuna xgboost-cpu scikit-learn
    python3 -m venv DIR && DIR/bin/pip install 'ray[tune]' xgboost-cpu scikit-learn
    python3 -m venv DIR && DIR/bin/pip install 'syne-tune[gpsearchers]' xgboost-cpu scikit-learn

pegbox's server is up; a peer's script starts from the shell, so its imports count.  Wall time.  Limits: at most 1.5
times Optuna's, and a tenth of Ray Tune's and of Syne Tune's local backend.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Server, describe_machine

from pegbox import data
from pegbox.demo.request import training_job_definition, tuning_job_config

PEERS = {"optuna": "with_optuna.py", "ray": "with_ray.py", "syne": "with_syne.py"}
JOBS, AT_ONCE = 20, 3


class Search:
    """The guide's tuning job on a running server."""

    def __init__(self, server: Server) -> None:
        self._sagemaker = server.client("sagemaker")
        s3 = server.client("s3")
        s3.create_bucket(Bucket="bench")
        for name, path in data.files().items():
            s3.upload_file(str(path), "bench", f"data/{name}/{path.name}")
        self._count = 0

    def run(self, instances: int) -> float:
        """Seconds from the request to Completed."""
        self._count += 1
        name = f"bench-{self._count}"
        definition = training_job_definition("bench", "data")
        definition["ResourceConfig"]["InstanceCount"] = instances
        began = time.perf_counter()
        self._sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig=tuning_job_config(JOBS, AT_ONCE),
            TrainingJobDefinition=definition,
        )
        while True:
            found = self._sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            if found["HyperParameterTuningJobStatus"] != "InProgress":
                break
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        if found["TrainingJobStatusCounters"]["Completed"] != JOBS:
            raise RuntimeError(json.dumps(found, default=str))
        return seconds


def run_peer(environment: Path, script: str) -> float:
    """Seconds of a peer's whole script."""
    folder = Path(__file__).with_name("peers")
    variables = {**os.environ, "DEMO_DATA": str(Path(data.__file__).parent), "PYTHONPATH": str(folder)}
    began = time.perf_counter()
    done = subprocess.run(
        [environment / "bin" / "python", folder / script],
        env=variables,
        cwd=tempfile.mkdtemp(),  # some leave files where they run
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{script}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return seconds


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    for peer in PEERS:
        parser.add_argument(f"--{peer}", type=Path)
    arguments = parser.parse_args()
    peers = {peer: getattr(arguments, peer) for peer in PEERS if getattr(arguments, peer)}
    taken: dict[str, list[float]] = {name: [] for name in ("pegbox", "pegbox_one_instance", *peers)}
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder) / "home")
            search = Search(server)
            taken["pegbox"].append(search.run(instances=2))
            taken["pegbox_one_instance"].append(search.run(instances=1))
            server.stop()
        for peer, environment in peers.items():
            taken[peer].append(run_peer(environment, PEERS[peer]))
        print({name: round(values[-1], 2) for name, values in taken.items()}, file=sys.stderr)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    result: dict[str, Any] = {
        "machine": describe_machine(),
        "seconds_median": {name: round(value, 2) for name, value in medians.items()},
        "seconds_all": {name: [round(value, 2) for value in values] for name, values in taken.items()},
        "pegbox_to_peer": {
            peer: round(statistics.median(a / b for a, b in zip(taken["pegbox"], taken[peer], strict=True)), 3)
            for peer in peers
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
