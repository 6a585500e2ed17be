"""SMAC 3: random forests (its facade for hyperparameters) and Gaussian processes (its facade for black boxes).

A failure is a trial with the status CRASHED.  Its cost is the worst that was seen: SMAC's own crash_cost, infinity by
default, must be finite for models to be fitted.  It knows no early stopping without budgets: it is told the last value.
"""

import logging
import tempfile

from ConfigSpace import Categorical, Configuration, ConfigurationSpace, Float, Integer
from smac import BlackBoxFacade, HyperparameterOptimizationFacade, Scenario
from smac.runhistory import StatusType, TrialInfo, TrialValue

logging.disable(logging.CRITICAL)


class Search:
    def __init__(self, space, seed, budget, facade):
        configurations = ConfigurationSpace(seed=seed)
        configurations.add([hyperparameter(parameter) for parameter in space])
        self._folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            configurations,
            deterministic=True,
            n_trials=budget,
            seed=seed,
            output_directory=self._folder.name,
        )
        nothing = facade.get_intensifier(scenario, max_config_calls=1)
        self._smac = facade(scenario, lambda configuration, seed: None, intensifier=nothing, overwrite=True)
        self._trials, self._worst = {}, None

    def ask(self, number):
        self._trials[number] = self._smac.ask()
        return dict(self._trials[number].config)

    def tell(self, number, state, value):
        if state == "failed":
            worst = 1.0 if self._worst is None else self._worst
            outcome = TrialValue(cost=worst, status=StatusType.CRASHED)
        else:
            self._worst = value if self._worst is None else max(value, self._worst)
            outcome = TrialValue(cost=value)
        self._smac.tell(self._trials[number], outcome, save=False)

    def learn(self, number, configuration, value):
        known = Configuration(self._smac.scenario.configspace, values=configuration)
        self._smac.tell(TrialInfo(known, seed=0), TrialValue(cost=value), save=False)


class Forest(Search):
    def __init__(self, space, seed, budget, **_):
        super().__init__(space, seed, budget, HyperparameterOptimizationFacade)


class Process(Search):
    def __init__(self, space, seed, budget, **_):
        super().__init__(space, seed, budget, BlackBoxFacade)


def hyperparameter(parameter):
    if parameter["kind"] == "categorical":
        return Categorical(parameter["name"], parameter["values"])
    kind = Float if parameter["kind"] == "float" else Integer
    return kind(parameter["name"], (parameter["low"], parameter["high"]), log=parameter["log"])
