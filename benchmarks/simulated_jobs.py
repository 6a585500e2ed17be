"""What the engine itself costs: ten thousand simulated trainings of one search, a hundred at a time.

    python benchmarks/simulated_jobs.py [--jobs 10000] [--parallel 100] [--values 1]

Engine, SQLite on disk, the proposer's process and the rules are real; trainings take virtual time, outputs go nowhere.
Events of 10 virtual milliseconds come together, as a busy server hears of them.  Limits: 2 ms of CPU a job in the
engine's process, memory flat.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import tempfile
import time
from pathlib import Path

from measuring import describe_machine, proportional_set_size

from pegbox.engine.proposer import ProcessProposer
from pegbox.executors.base import Attempt
from pegbox.observe.logging import configure
from pegbox.serving import GARBAGE
from pegbox.testing.requests import simulated_request
from pegbox.testing.simulated_executor import Training
from pegbox.testing.simulation import Simulation


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=100)
    parser.add_argument("--values", type=int, default=1)
    given = parser.parse_args()
    configure("warning")

    def train(attempt: Attempt) -> Training:
        x = float(attempt.hyperparameters["x"])
        return Training(values=[("loss", x + 1 / (1 + epoch)) for epoch in range(given.values)], seconds=0.5 + x)

    with tempfile.TemporaryDirectory() as folder:
        proposer = ProcessProposer(60.0)
        simulation = Simulation(Path(folder), train, slots=given.parallel, order=1, proposer=proposer, together=0.01)
        name = simulation.create(simulated_request(given.jobs, given.parallel))
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        gc.freeze()  # as the server does
        gc.set_threshold(GARBAGE)
        memory: list[float] = []
        quarter = given.jobs // 4
        while simulation.step():
            if simulation.executor.started >= quarter * (len(memory) + 1):
                memory.append(proportional_set_size(os.getpid()) / 2**20)
        seconds = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF)
        proposer.close()
        ended = simulation.describe(name)
        simulation.close()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        json.dumps(
            {
                "machine": describe_machine(),
                "status": ended["HyperParameterTuningJobStatus"],
                "completed": ended["TrainingJobStatusCounters"]["Completed"],
                "cpu_ms_per_job": round(1000 * cpu / given.jobs, 2),
                "user_ms_per_job": round(1000 * (after.ru_utime - before.ru_utime) / given.jobs, 2),
                "jobs_per_second": round(given.jobs / seconds, 1),
                "memory_mb_by_quarters": [round(each, 1) for each in memory],
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
