"""Nevergrad's NGOpt, which chooses an optimiser by the space, the budget and the number of workers.

A failure is an infinite loss, which Nevergrad clips.  It knows no early stopping: it is told the last value.
"""

import math
import warnings

import nevergrad

warnings.simplefilter("ignore")


class NGOpt:
    def __init__(self, space, seed, budget, workers, **_):
        parametrization = nevergrad.p.Dict(**{parameter["name"]: variable(parameter) for parameter in space})
        parametrization.random_state.seed(seed)
        self._optimizer = nevergrad.optimizers.NGOpt(parametrization, budget=budget, num_workers=workers)
        self._candidates = {}

    def ask(self, number):
        self._candidates[number] = self._optimizer.ask()
        return self._candidates[number].value

    def tell(self, number, state, value):
        self._optimizer.tell(self._candidates.pop(number), math.inf if state == "failed" else value)

    def learn(self, number, configuration, value):
        known = self._optimizer.parametrization.spawn_child(new_value=configuration)
        self._optimizer.tell(known, value)


def variable(parameter):
    if parameter["kind"] == "categorical":
        return nevergrad.p.Choice(parameter["values"])
    kind = nevergrad.p.Log if parameter["log"] else nevergrad.p.Scalar
    found = kind(lower=parameter["low"], upper=parameter["high"])
    return found.set_integer_casting() if parameter["kind"] == "int" else found
