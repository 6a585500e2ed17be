"""Scrambled Sobol points: evenly spread, and they learn nothing."""

import math

from scipy.stats import qmc


class Sobol:
    def __init__(self, space, seed, **_):
        self._space = space
        self._points = qmc.Sobol(len(space), scramble=True, seed=seed)

    def ask(self, number):
        (point,) = self._points.random(1)
        return {parameter["name"]: value(parameter, place) for parameter, place in zip(self._space, point, strict=True)}

    def tell(self, number, state, value):
        pass

    def learn(self, number, configuration, value):
        pass


def value(parameter, place):
    """The value at a place between 0 and 1; all integers and categories have cells of the same width on their scale."""
    if parameter["kind"] == "categorical":
        return parameter["values"][min(int(place * len(parameter["values"])), len(parameter["values"]) - 1)]
    half = 0.5 if parameter["kind"] == "int" else 0.0
    low, high = parameter["low"] - half, parameter["high"] + half
    found = low * (high / low) ** place if parameter["log"] else low + place * (high - low)
    return found if parameter["kind"] == "float" else math.floor(found + 0.5)
