"""Optuna: its TPE and its Gaussian process.

Failures are told as TrialState.FAIL, early stopped trials as PRUNED after their intermediate values ("Efficient
Optimization Algorithms" in its tutorial).  TPE gets `constant_liar` when trials run at once, as its reference says.
"""

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
STATES = {"finished": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}


class Study:
    def __init__(self, space, sampler):
        self._distributions = {parameter["name"]: distribution(parameter) for parameter in space}
        self._study = optuna.create_study(sampler=sampler)
        self._trials = {}

    def ask(self, number):
        self._trials[number] = self._study.ask(self._distributions)
        return self._trials[number].params

    def observe(self, number, step, value):
        self._trials[number].report(value, step)

    def tell(self, number, state, value):
        self._study.tell(self._trials[number], value if state == "finished" else None, state=STATES[state])

    def learn(self, number, configuration, value):
        trial = optuna.trial.create_trial(params=configuration, distributions=self._distributions, value=value)
        self._study.add_trial(trial)


class TPE(Study):
    def __init__(self, space, seed, workers, **_):
        super().__init__(space, optuna.samplers.TPESampler(seed=seed, constant_liar=workers > 1))


class GP(Study):
    def __init__(self, space, seed, **_):
        super().__init__(space, optuna.samplers.GPSampler(seed=seed))


def distribution(parameter):
    if parameter["kind"] == "categorical":
        return CategoricalDistribution(parameter["values"])
    kind = FloatDistribution if parameter["kind"] == "float" else IntDistribution
    return kind(parameter["low"], parameter["high"], log=parameter["log"])
