"""Syne Tune: conformal quantile regression over gradient boosted trees, its own method for one fidelity (CQR).

Failures are told with on_trial_error.  It stops trials by its own rules only: of one that was stopped it is told the
last value.
"""

import logging

from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform
from syne_tune.optimizer.baselines import CQR

logging.disable(logging.CRITICAL)


class Search:
    def __init__(self, space, seed, **_):
        domains = {parameter["name"]: domain(parameter) for parameter in space}
        self._scheduler = CQR(domains, metric="loss", do_minimize=True, random_seed=seed)
        self._trials = {}

    def ask(self, number):
        configuration = self._scheduler.suggest().config
        self._trials[number] = Trial(trial_id=number, config=configuration, creation_time=None)
        self._scheduler.on_trial_add(self._trials[number])
        return configuration

    def tell(self, number, state, value):
        trial = self._trials.pop(number)
        if state == "failed":
            self._scheduler.on_trial_error(trial)
        else:
            self._scheduler.on_trial_complete(trial, {"loss": value})

    def learn(self, number, configuration, value):
        self._scheduler.on_trial_complete(Trial(number, configuration, None), {"loss": value})


def domain(parameter):
    if parameter["kind"] == "categorical":
        return choice(parameter["values"])
    kinds = {("float", False): uniform, ("float", True): loguniform, ("int", False): randint, ("int", True): lograndint}
    return kinds[parameter["kind"], parameter["log"]](parameter["low"], parameter["high"])
