"""Syne Tune as a user would write it: its local backend with three workers, random search."""

from pathlib import Path

from search import AT_ONCE, TRIALS
from syne_tune import StoppingCriterion, Tuner
from syne_tune.backend import LocalBackend
from syne_tune.config_space import randint, uniform
from syne_tune.optimizer.baselines import RandomSearch

space = {"eta": uniform(0, 1), "alpha": uniform(0, 2), "min_child_weight": uniform(1, 10), "max_depth": randint(1, 10)}
tuner = Tuner(
    trial_backend=LocalBackend(entry_point=str(Path(__file__).with_name("syne_trial.py"))),
    scheduler=RandomSearch(space, metrics=["auc"], do_minimize=False),
    stop_criterion=StoppingCriterion(max_num_trials_finished=TRIALS),
    n_workers=AT_ONCE,
    sleep_time=0.5,
)
tuner.run()
print("trials finished")
