"""Vizier's default algorithm, the Gaussian process bandit GP-UCB-PE, as a designer.

A failure is a completed trial that is infeasible.  Of an early stopped trial it is told the last value.  Its service
makes a new designer for each suggestion; this one lives as long as the search, which is faster and knows as much.
"""

import logging

import jax
from vizier import algorithms, pyvizier

# The public index of designers asks for the packages of all of them.
from vizier._src.algorithms.designers.gp_ucb_pe import VizierGPUCBPEBandit

logging.disable(logging.CRITICAL)
jax.config.update("jax_enable_x64", True)


class Search:
    def __init__(self, space, seed, **_):
        problem = pyvizier.ProblemStatement()
        for parameter in space:
            add(problem.search_space.root, parameter)
        problem.metric_information.append(
            pyvizier.MetricInformation(name="loss", goal=pyvizier.ObjectiveMetricGoal.MINIMIZE)
        )
        self._designer = VizierGPUCBPEBandit(problem, rng=jax.random.PRNGKey(seed))
        self._active, self._completed = {}, []

    def ask(self, number):
        self._designer.update(
            algorithms.CompletedTrials(self._completed), algorithms.ActiveTrials(list(self._active.values()))
        )
        self._completed = []
        (suggestion,) = self._designer.suggest(1)
        self._active[number] = suggestion.to_trial(number)
        return suggestion.parameters.as_dict()

    def tell(self, number, state, value):
        trial = self._active.pop(number)
        if state == "failed":
            trial.complete(pyvizier.Measurement(), infeasibility_reason="failed")
        else:
            trial.complete(pyvizier.Measurement(metrics={"loss": value}))
        self._completed.append(trial)

    def learn(self, number, configuration, value):
        trial = pyvizier.Trial(id=number, parameters=configuration)
        self._completed.append(trial.complete(pyvizier.Measurement(metrics={"loss": value})))


def add(root, parameter):
    name = parameter["name"]
    if parameter["kind"] == "categorical":
        root.add_categorical_param(name, parameter["values"])
        return
    scale = pyvizier.ScaleType.LOG if parameter["log"] else pyvizier.ScaleType.LINEAR
    adds = root.add_float_param if parameter["kind"] == "float" else root.add_int_param
    adds(name, parameter["low"], parameter["high"], scale_type=scale)
