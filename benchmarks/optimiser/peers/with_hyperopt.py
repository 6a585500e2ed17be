"""Hyperopt: tree of Parzen estimators.

Asked through its `Trials`, as its own `fmin` does; failures are told as STATUS_FAIL.  Running trials are in `Trials` in
the state "running".  It knows no early stopping: it is told the last value.
"""

import numpy as np
from hyperopt import JOB_STATE_DONE, JOB_STATE_RUNNING, STATUS_FAIL, STATUS_OK, Trials, hp, space_eval, tpe
from hyperopt.base import Domain
from hyperopt.fmin import generate_trial


class TPE:
    def __init__(self, space, seed, **_):
        self._parameters = space
        self._space = {parameter["name"]: expression(parameter) for parameter in space}
        self._domain = Domain(lambda configuration: 0.0, self._space)
        self._trials = Trials()
        self._seeds = np.random.default_rng(seed)
        self._documents = {}

    def ask(self, number):
        (identifier,) = self._trials.new_trial_ids(1)
        self._trials.refresh()
        seed = int(self._seeds.integers(2**31 - 1))
        (document,) = tpe.suggest([identifier], self._domain, self._trials, seed)
        document["state"] = JOB_STATE_RUNNING
        self._trials.insert_trial_docs([document])
        self._trials.refresh()
        self._documents[number] = self._trials._dynamic_trials[-1]
        values = {name: found[0] for name, found in document["misc"]["vals"].items()}
        return space_eval(self._space, values)

    def tell(self, number, state, value):
        document = self._documents[number]
        failed = state == "failed"
        document["result"] = {"status": STATUS_FAIL} if failed else {"status": STATUS_OK, "loss": value}
        document["state"] = JOB_STATE_DONE
        self._trials.refresh()

    def learn(self, number, configuration, value):
        (identifier,) = self._trials.new_trial_ids(1)
        point = {
            parameter["name"]: place(parameter, configuration[parameter["name"]]) for parameter in self._parameters
        }
        document = generate_trial(identifier, point)
        document |= {"state": JOB_STATE_DONE, "result": {"status": STATUS_OK, "loss": value}}
        self._trials.insert_trial_docs([document])
        self._trials.refresh()


def place(parameter, value):
    """Hyperopt numbers the choices."""
    return parameter["values"].index(value) if parameter["kind"] == "categorical" else value


def expression(parameter):
    name, kind = parameter["name"], parameter["kind"]
    if kind == "categorical":
        return hp.choice(name, parameter["values"])
    low, high = parameter["low"], parameter["high"]
    if kind == "float":
        return hp.loguniform(name, np.log(low), np.log(high)) if parameter["log"] else hp.uniform(name, low, high)
    if parameter["log"]:
        return hp.qloguniform(name, np.log(low), np.log(high), 1)
    return hp.uniformint(name, low, high)
