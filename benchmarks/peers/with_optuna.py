"""Optuna as a user would write it: a study in memory, three threads."""

import optuna
from search import AT_ONCE, TRIALS, train


def objective(trial: optuna.Trial) -> float:
    return train(
        {
            "eta": trial.suggest_float("eta", 0, 1),
            "alpha": trial.suggest_float("alpha", 0, 2),
            "min_child_weight": trial.suggest_float("min_child_weight", 1, 10),
            "max_depth": trial.suggest_int("max_depth", 1, 10),
        }
    )


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(direction="maximize")
study.optimize(objective, n_trials=TRIALS, n_jobs=AT_ONCE)
print("trials", len(study.trials), "best", study.best_value)
