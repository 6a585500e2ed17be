"""HEBO: a Gaussian process with warped values and a choice among several acquisition functions.

A failure is a value that is not a number, which HEBO drops.  It knows neither running trials nor early stopping: it is
told the last value.
"""

import numpy as np
import pandas
import torch
from hebo.design_space.design_space import DesignSpace
from hebo.optimizers.hebo import HEBO as Optimizer

torch.set_num_threads(1)


class HEBO:
    def __init__(self, space, seed, **_):
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._optimizer = Optimizer(
            DesignSpace().parse([variable(parameter) for parameter in space]), scramble_seed=seed
        )
        self._asked = {}

    def ask(self, number):
        self._asked[number] = self._optimizer.suggest(n_suggestions=1)
        return self._asked[number].iloc[0].to_dict()

    def tell(self, number, state, value):
        self._optimizer.observe(self._asked.pop(number), np.array([[np.nan if state == "failed" else value]]))

    def learn(self, number, configuration, value):
        self._optimizer.observe(pandas.DataFrame([configuration]), np.array([[value]]))


def variable(parameter):
    if parameter["kind"] == "categorical":
        return {"name": parameter["name"], "type": "cat", "categories": parameter["values"]}
    kind = {("float", False): "num", ("float", True): "pow", ("int", False): "int", ("int", True): "pow_int"}
    return {
        "name": parameter["name"],
        "type": kind[parameter["kind"], parameter["log"]],
        "lb": parameter["low"],
        "ub": parameter["high"],
    }
