"""The objective along one hyperparameter, or over the plane of two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from pegbox.domain.ranges import Categorical, Integer, Parameter
from pegbox.strategies.base import Study
from pegbox.strategies.explain.answers import Place, View
from pegbox.strategies.explain.belief import Belief
from pegbox.strategies.gp.arrays import Array

_OTHERS = 256  #: configurations of the other hyperparameters over which is averaged


def view(study: Study | Belief, names: Sequence[str], places: int | None = None) -> View:
    """What the model believes at up to `places` values of each of one or two hyperparameters; all of a category's.

    The average is the partial dependence (Friedman 2001, "Greedy function approximation", section 8.2) with the
    process's own uncertainty about it (compare Moosbauer et al. 2021, "Explaining hyperparameter optimization via
    partial dependence plots").  By default 21 places, 11 in each direction of a plane.
    Raises TooLittle; ValueError for a name that is none, or for more than two.
    """
    belief = study if isinstance(study, Belief) else Belief(study)
    layout = belief.layout
    known = [each.name for each in layout.parameters]
    if not 1 <= len(names) <= 2 or len(set(names)) < len(names):
        raise ValueError("one looks along one hyperparameter, or along two different ones")
    for name in names:
        if name not in known:
            raise ValueError(f"{name} is none of the hyperparameters that vary: {', '.join(known)}")
    columns = [known.index(name) for name in names]
    count = places or (21 if len(names) == 1 else 11)
    axes = [_values(layout.parameters[column], count) for column in columns]
    best, _ = belief.best()
    others = layout.snap(np.random.default_rng(0).random((_OTHERS, layout.dimensions)))
    through = np.array([layout.encode(best)])
    found = []
    for values in product(*axes):
        at = [layout.parameters[column].encode(value) for column, value in zip(columns, values, strict=True)]
        here = belief.posterior.predict(layout.features(_moved(through, columns, at)))
        found.append(
            Place(
                values=dict(zip(names, values, strict=True)),
                average=belief.band(*belief.average(_moved(others, columns, at))),
                at_best=belief.band(float(here.mean[0]), float(here.variance[0])),
            )
        )
    return View(names=list(names), best=best, places=found)


def _values(parameter: Parameter, count: int) -> Sequence[str]:
    """All values of a category, and of an integer that has no more; else evenly along the scale, with both ends."""
    if isinstance(parameter, Categorical):
        return parameter.values
    count, low, high = max(count, 2), 0.0, 1.0
    if isinstance(parameter, Integer):
        if parameter.size() <= count:
            return [parameter.value(index) for index in range(parameter.size())]
        low, high = (parameter.encode(str(bound)) for bound in (parameter.low, parameter.high))  # middles of cells
    return list(dict.fromkeys(parameter.decode(float(point)) for point in np.linspace(low, high, count)))


def _moved(points: Array, columns: Sequence[int], at: Sequence[float]) -> Array:
    moved = points.copy()
    moved[:, columns] = at
    return moved
