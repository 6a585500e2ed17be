"""Ax, which chooses a strategy of BoTorch's by the space.

Failures are marked with mark_trial_failed; early stopped trials have their values attached as they come and are marked
with mark_trial_early_stopped.
"""

import logging

import torch
from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

logging.disable(logging.CRITICAL)
torch.set_num_threads(1)


class Search:
    def __init__(self, space, seed, **_):
        self._client = Client(random_seed=seed)
        self._client.configure_experiment([configuration(parameter) for parameter in space])
        self._client.configure_optimization("-loss")
        self._trials, self._steps = {}, {}

    def ask(self, number):
        ((self._trials[number], values),) = self._client.get_next_trials(max_trials=1).items()
        return values

    def observe(self, number, step, value):
        self._client.attach_data(self._trials[number], {"loss": value}, progression=step)
        self._steps[number] = step

    def tell(self, number, state, value):
        trial = self._trials[number]
        if state == "failed":
            self._client.mark_trial_failed(trial)
        elif state == "stopped":
            self._client.mark_trial_early_stopped(trial)
        else:
            self._client.complete_trial(trial, {"loss": value}, progression=self._steps.get(number))

    def learn(self, number, configuration, value):
        trial = self._client.attach_trial(configuration)
        self._client.complete_trial(trial, {"loss": value})


def configuration(parameter):
    if parameter["kind"] == "categorical":
        return ChoiceParameterConfig(
            name=parameter["name"],
            values=parameter["values"],
            parameter_type="str",
            is_ordered=False,
        )
    return RangeParameterConfig(
        name=parameter["name"],
        bounds=(parameter["low"], parameter["high"]),
        parameter_type=parameter["kind"],
        scaling="log" if parameter["log"] else "linear",
    )
