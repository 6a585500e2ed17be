"""Bayesian optimisation: a Gaussian process over the finished trials says which configuration promises most.

Snoek, Larochelle and Adams 2012, "Practical Bayesian Optimization of Machine Learning Algorithms".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from numpy.random import Generator, default_rng

from pegbox.strategies.base import Candidate, Exhausted, Limits, Study, next_numbers
from pegbox.strategies.design import first_points
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.observations import Observations
from pegbox.strategies.inheritance import Inheritance, portfolio, used_up
from pegbox.strategies.random import draw
from pegbox.strategies.tried import Tried

if TYPE_CHECKING:
    from pegbox.strategies.gp.lesson import Lesson
    from pegbox.strategies.gp.model import Model

_LEAST_VALUES = 3  #: finished trials below which a model is only a guess
_INITIAL = 6  #: initial trials, at most, that run one after the other
_AT_ONCE = 10  #: initial trials, at most, where so many run at once
_LESSONS = 2  #: initial trials, at most, that repeat what was best in a parent; the others say whether it is good here
_MODEL = 1  #: stream of random numbers for the model, beside that of the draws


class Bayesian:
    """A Gaussian process with expected improvement; running trials count, failed and repeated ones are avoided.

    The answer is a function of the study alone: the seed, the trials by number and their values.
    """

    def is_drawn(self, number: int) -> bool:
        """Whether the trial of this number is drawn at random, whatever the model says."""
        return False

    def ask(self, study: Study, count: int, rng: Generator) -> Sequence[Candidate]:
        """The next `count` configurations; Exhausted when a finite space is used up."""
        layout, inheritance = Layout(study.space), Inheritance.of(study)
        tried = used_up(study, inheritance)
        if inheritance.bequests and study.trials:
            from pegbox.strategies.gp.trust import believed

            inheritance = believed(inheritance, study, layout)
        lessons = _lessons(study, layout, inheritance)
        start = _start(study, layout, inheritance, lessons)
        model: Model | None = None
        candidates: list[Candidate] = []
        for number in next_numbers(study, count):
            if tried.exhausted:
                break
            expected: float | None = None
            if number <= len(start):
                values = start[number - 1] if start[number - 1] not in tried else draw(study.seed, number, tried)
            elif self.is_drawn(number):
                values = draw(study.seed, number, tried)
            else:
                model = model or _model(study, layout, inheritance, lessons, candidates)
                values, expected = _promising(model, study.seed, number, tried)
            if model is not None:
                model.add_pending(values)
            tried.add(values)
            candidates.append(Candidate(values=values, expected=expected))
        if not candidates and count > 0:
            raise Exhausted(f"all {tried.size} configurations have been tried")
        return candidates


def _lessons(study: Study, layout: Layout, inheritance: Inheritance) -> Sequence[Lesson]:
    """What parents teach that have something to teach."""
    if not inheritance.teachers:
        return []
    from pegbox.strategies.gp.lesson import lessons_of  # SciPy takes longer to import than the first trials to propose

    return lessons_of(study, layout, inheritance.teachers)


def _start(study: Study, layout: Layout, inheritance: Inheritance, lessons: Sequence[Lesson]) -> list[dict[str, str]]:
    """The configurations of the initial trials; some were the best elsewhere."""
    size, rest = initial_size(layout.dimensions, study.limits), initial_rest(study, layout, inheritance)
    if next_numbers(study, 1).start > rest:
        return []
    repeated = portfolio(study, [lesson.parent for lesson in lessons], min(_LESSONS, (rest + 1) // 2))
    known = [*repeated, *(trial.values for trial in inheritance.trials)]  # parents began in the middle as well
    design = map(layout.decode, first_points(size, layout.dimensions, study.seed))
    return [*repeated, *(values for values in design if values not in known)][:rest]


def initial_size(dimensions: int, limits: Limits) -> int:
    """How many trials explore before the model speaks: two a dimension, at most 6 and a quarter of the budget.

    Up to 10 where so many run at once: they begin before there is any result.
    """
    most = max(_INITIAL, min(limits.at_once, _AT_ONCE))
    return max(_LEAST_VALUES, min(2 * dimensions, most, limits.most // 4))


def initial_rest(study: Study, layout: Layout, inheritance: Inheritance) -> int:
    """How many of them are left to a study: each inherited trial with a final value and a place in it saves one."""
    size = initial_size(layout.dimensions, study.limits)
    if not inheritance.trials or next_numbers(study, 1).start > size:
        return size
    return size - Observations.of(replace(study, trials=()), layout, *inheritance.shares).results


def _model(
    study: Study,
    layout: Layout,
    inheritance: Inheritance,
    lessons: Sequence[Lesson],
    underway: Sequence[Candidate],
) -> Model | None:
    """The model of a study, which also knows what this very ask has proposed; None if there is too little to learn."""
    from pegbox.strategies.gp.model import Model  # as above

    observations = Observations.of(study, layout, *inheritance.shares)
    if layout.dimensions == 0 or observations.results < _LEAST_VALUES:
        return None
    number = next_numbers(study, 1).start
    model = Model(layout, observations, default_rng([study.seed, number, _MODEL]), lessons=lessons)
    for candidate in underway:
        model.add_pending(candidate.values)
    return model


def _promising(model: Model | None, seed: int, number: int, tried: Tried) -> tuple[dict[str, str], float | None]:
    """The best unused configuration that the search over the acquisition finds, and the most that can be expected."""
    if model is None:
        return draw(seed, number, tried), None
    ranking = model.ranked(tried, default_rng([seed, number, _MODEL, 1]))
    for point in ranking.points:
        values = model.layout.decode(point)
        if values not in tried:
            return values, ranking.expected
    return draw(seed, number, tried), ranking.expected
