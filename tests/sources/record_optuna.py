"""Write what the installed Optuna keeps of two studies; run with each version that is to be understood.

    pip install optuna==5.0.0 && python record_optuna.py

`optuna-<version>.sql` holds the tables of a SQLite database, `optuna-<version>.journal` a journal.  With a URL as the
argument the studies are kept there instead.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna

HERE = Path(__file__).parent


def churn(trial: Any) -> float:
    rate = trial.suggest_float("rate", 1e-3, 1.0, log=True)
    layers = trial.suggest_int("layers", 1, 6)
    kind = trial.suggest_categorical("kind", ["relu", "tanh", None])
    loss = (rate - 0.3) ** 2 + 0.1 * abs(layers - 4) + (0.05 if kind == "tanh" else 0.0)
    trial.set_user_attr("accuracy", 1.0 - loss)
    trial.set_user_attr("note", "Käse {1}")
    for step in range(3):
        trial.report(loss + (2 - step), step)
    if trial.number == 3:
        raise optuna.TrialPruned
    if trial.number == 4:
        raise ArithmeticError("no")
    return float("inf") if trial.number == 5 else loss


def fill(storage: Any) -> None:
    study = optuna.create_study(
        storage=storage, study_name="Churn: net/1", sampler=optuna.samplers.RandomSampler(seed=1)
    )
    study.enqueue_trial({"rate": 0.3, "layers": 4, "kind": "relu"})
    study.optimize(churn, n_trials=12, catch=(ArithmeticError,))
    study.ask()  # never told: it runs
    both = optuna.create_study(storage=storage, study_name="both", directions=["minimize", "maximize"])
    both.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2)


def main() -> None:
    version = ".".join(optuna.__version__.split(".")[:2])
    with TemporaryDirectory() as folder:
        fill(f"sqlite:///{folder}/optuna.db")
        with sqlite3.connect(f"{folder}/optuna.db") as database:
            (HERE / f"optuna-{version}.sql").write_text(
                "\n".join(database.iterdump()).replace("Inf)", "9e999)") + "\n"  # as SQLite reads it
            )
        if hasattr(optuna.storages, "journal"):
            journal = Path(folder) / "journal"
            backend = optuna.storages.journal.JournalFileBackend(str(journal))
            fill(optuna.storages.JournalStorage(backend))
            (HERE / f"optuna-{version}.journal").write_text(journal.read_text())


if len(sys.argv) > 1:
    fill(sys.argv[1])
else:
    main()
