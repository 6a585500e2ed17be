"""Ray Tune as a user would write it: a local cluster with three trials at once, random search."""

import os

import ray
from ray import tune
from search import AT_ONCE, TRIALS, train


def trainable(config: dict[str, float]) -> dict[str, float]:
    return {"auc": train(config)}


ray.init(num_cpus=AT_ONCE, include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": dict(os.environ)})
space = {
    "eta": tune.uniform(0, 1),
    "alpha": tune.uniform(0, 2),
    "min_child_weight": tune.uniform(1, 10),
    "max_depth": tune.randint(1, 11),
}
config = tune.TuneConfig(metric="auc", mode="max", num_samples=TRIALS, max_concurrent_trials=AT_ONCE)
found = tune.Tuner(trainable, param_space=space, tune_config=config).fit()
print("trials", len(found), "best", found.get_best_result().metrics["auc"])
