"""How long things wait: from a training process's end to the next one's start, and from a printed line to its value.

    python benchmarks/turnaround.py [--jobs 40] [--lines 40]

Limits: at most 150 ms at the median from end to start in the same slot, at most 1 s from a line to DescribeTrainingJob.
Beside them, as the machine's measure: the time that the shell takes to start the same program.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Server, describe_machine

ROLE = "arn:aws:iam::000000000000:role/bench"
PROGRAM = """
import os, sys, time
began = time.time()
time.sleep(0.1)
print(f"loss = {float(os.environ['SM_HP_X'])}")
with open(sys.argv[1], "a") as file:
    file.write(f"{began} {time.time()}\\n")
"""
PRINTER = """
import sys, time
for number in range(int(sys.argv[1])):
    print(f"clock={time.time()!r};", flush=True)
    time.sleep(0.3)
"""


def definition(argv: list[str], metrics: list[dict[str, str]]) -> dict[str, Any]:
    """What all training jobs here have in common."""
    return {
        "AlgorithmSpecification": {
            "TrainingImage": "bench",
            "TrainingInputMode": "File",
            "MetricDefinitions": metrics,
        },
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bench/output"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "local", "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }


def register(server: Server, name: str, argv: list[str], folder: Path) -> None:
    """`pegbox image add`."""
    command = [
        sys.executable,
        "-m",
        "pegbox",
        "image",
        "add",
        name,
        "--home",
        str(server.home),
        "--workdir",
        str(folder),
    ]
    subprocess.run([*command, "--command", " ".join(argv)], check=True)


def turnarounds(server: Server, folder: Path, jobs: int) -> list[float]:
    """Seconds between an end and the next start, over a random search with one job at a time."""
    program, times = folder / "program.py", folder / "times"
    program.write_text(PROGRAM)
    register(server, "bench", [sys.executable, str(program), str(times)], folder)
    sagemaker = server.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="turnaround",
        HyperParameterTuningJobConfig={
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": 1},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
        },
        TrainingJobDefinition=definition([], [{"Name": "loss", "Regex": "loss = (.*)"}]),
    )
    while True:
        found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="turnaround")
        if found["HyperParameterTuningJobStatus"] != "InProgress":
            break
        time.sleep(0.5)
    rows = sorted(tuple(map(float, line.split())) for line in times.read_text().splitlines())
    return [after[0] - before[1] for before, after in itertools.pairwise(rows)]


def delays(server: Server, folder: Path, lines: int) -> list[float]:
    """Seconds between a printed line and its value in DescribeTrainingJob."""
    program = folder / "printer.py"
    program.write_text(PRINTER)
    register(server, "bench", [sys.executable, str(program), str(lines)], folder)
    sagemaker = server.client("sagemaker")
    job = definition([], [{"Name": "clock", "Regex": "clock=(.*?);"}])
    sagemaker.create_training_job(TrainingJobName="printer", **job)
    seen: dict[float, float] = {}
    while True:
        found = sagemaker.describe_training_job(TrainingJobName="printer")
        now = time.time()
        for item in found.get("FinalMetricDataList", []):
            seen.setdefault(item["Value"], now)
        if found["TrainingJobStatus"] != "InProgress":
            return [now - printed for printed, now in seen.items()]
        time.sleep(0.005)


def shell_start(folder: Path) -> float:
    """Seconds to start the same program from the shell and see it run, without its work."""
    began = time.time()
    subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=folder)
    return time.time() - began


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--lines", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Server(folder / "home")
        server.client("s3").create_bucket(Bucket="bench")
        waits = turnarounds(server, folder, arguments.jobs)
        late = delays(server, folder, arguments.lines)
        shell = statistics.median(shell_start(folder) for _ in range(10))
        server.stop()
    result = {
        "machine": describe_machine(),
        "end_to_next_start_ms": {"median": _ms(statistics.median(waits)), "max": _ms(max(waits)), "n": len(waits)},
        "line_to_describe_ms": {"median": _ms(statistics.median(late)), "max": _ms(max(late)), "n": len(late)},
        "python_from_the_shell_ms": _ms(shell),
    }
    print(json.dumps(result, indent=2))


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


if __name__ == "__main__":
    main()
