"""How many whole training jobs a second the engine records when training itself takes no time.

    python benchmarks/recording.py [--tuning-jobs 20] [--jobs 50]

Everything but the training is real: the engine, SQLite on disk, the object store with a model for
each job, the proposer's process.  Optuna's SQLite storage with as many trials of an empty objective stands beside it
(python -m pip install '.[bench]'; left out where it is missing).  Limits: 200 jobs a second, 5 ms of CPU a job.
"""

from __future__ import annotations

import argparse
import json
import resource
import secrets
import tempfile
import time
from pathlib import Path

from measuring import describe_machine

from pegbox.domain.tuning import TuningJob
from pegbox.domain.tuning_request import normalise
from pegbox.engine.ballast import Ballast
from pegbox.engine.context import Context
from pegbox.engine.loop import Engine
from pegbox.engine.mailbox import Mailbox
from pegbox.engine.outage import Outage
from pegbox.engine.proposer import ProcessProposer
from pegbox.executors.base import Attempt
from pegbox.objects.files import FileStore
from pegbox.observe.logging import configure
from pegbox.settings import Settings
from pegbox.store.base import Store
from pegbox.store.image import Image
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing.instant_executor import InstantExecutor
from pegbox.testing.requests import LOSS, tuning_request

ACCOUNT = "000000000000"


def insert(store: Store, name: str, jobs: int, at_once: int) -> int:
    """A tuning job as CreateHyperParameterTuningJob leaves it."""
    document = normalise(tuning_request(name, "tiny", "s3://models/out", jobs, at_once), [[LOSS]])
    now = time.time()
    job = TuningJob(most=jobs, at_once=at_once, seconds=None, created=now, seed=secrets.randbits(31))
    row = Resource(
        account=ACCOUNT,
        region="us-east-1",
        kind=Kind.TUNING_JOB,
        name=name,
        status=job.status,
        created_at=now,
        modified_at=now,
        document=document | {"Tags": []},
        state=job.dump(),
        due_at=0.0,
    )
    with store.transaction() as tx:
        return tx.insert(row).id


def value(attempt: Attempt) -> list[tuple[str, float]]:
    """What the training prints."""
    return [("loss", float(attempt.hyperparameters["x"]))]


def ours(folder: Path, tuning_jobs: int, jobs: int) -> dict[str, float]:
    """Seconds and CPU seconds for all jobs, from start to the last tuning job's end."""
    settings = Settings(home=folder / "home", slots=16)
    store = SqlStore(f"sqlite:///{folder / 'pegbox.db'}")
    store.images.put(Image(name="tiny", command=("true",), created_at=0.0))
    files = FileStore(folder / "objects")
    files.buckets.create(ACCOUNT, "models", "us-east-1")
    mailbox = Mailbox()
    context = Context(
        settings=settings,
        host="here",
        store=store,
        executor=InstantExecutor(value, mailbox.heard),
        objects=files,
        proposer=ProcessProposer(60.0),
        find_image=store.images.find,
        clock=time.time,
        poke=mailbox.poke,
        database=Outage("the database", time.monotonic),
        ballast=Ballast(folder / "home"),
    )
    names = [insert(store, f"search-{number}", jobs, 4) for number in range(tuning_jobs)]
    engine = Engine(context, mailbox)
    began, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    engine.start()
    while not _all_ended(store, names):
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    context.proposer.close()
    engine.stop(5)
    files.close()
    store.close()
    spent = used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {"seconds": seconds, "cpu": spent, "user": used.ru_utime - cpu.ru_utime}


def _all_ended(store: Store, identities: list[int]) -> bool:
    with store.reading() as tx:
        return tx.live(ACCOUNT, "us-east-1", Kind.TUNING_JOB) == 0


def optuna_rate(folder: Path, trials: int) -> float | None:
    """Trials a second of Optuna's RDB storage on SQLite."""
    try:
        import optuna
    except ImportError:
        return None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=f"sqlite:///{folder / 'optuna.db'}", sampler=optuna.samplers.RandomSampler())
    began = time.perf_counter()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return trials / (time.perf_counter() - began)


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    configure("warning")
    parser.add_argument("--tuning-jobs", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=50)
    given = parser.parse_args()
    total = given.tuning_jobs * given.jobs
    with tempfile.TemporaryDirectory() as folder:
        found = ours(Path(folder), given.tuning_jobs, given.jobs)
        peer = optuna_rate(Path(folder), 200)
    print(
        json.dumps(
            {
                "machine": describe_machine(),
                "jobs": total,
                "jobs_per_second": round(total / found["seconds"], 1),
                "cpu_ms_per_job": round(1000 * found["cpu"] / total, 2),
                "user_ms_per_job": round(1000 * found["user"] / total, 2),
                "optuna_trials_per_second": None if peer is None else round(peer, 1),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
