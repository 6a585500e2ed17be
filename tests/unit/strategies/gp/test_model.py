from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pegbox.domain.ranges import Categorical, Continuous, Integer, Space
from pegbox.strategies.base import Trial, TrialState
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.model import Model
from pegbox.strategies.gp.observations import Observations
from pegbox.strategies.inheritance import used_up
from pegbox.strategies.tried import Tried
from pegbox.testing.strategy_suite import MIXED, finished, study_of, trials_in

SMALL = Space((Integer("n", 1, 20), Categorical("c", ("a", "b", "c"))))


def model_of(space: Space, trials: list[Trial]) -> tuple[Model, Tried]:
    study, layout = study_of(space, trials), Layout(space)
    return Model(layout, Observations.of(study, layout), np.random.default_rng(0)), used_up(study)


def test_a_small_space_is_listed_whole() -> None:
    trials = [
        finished(trial.number, trial.values, abs(int(trial.values["n"]) - 12) + (trial.values["c"] != "b"))
        for trial in trials_in(SMALL, 25, seed=1)
    ]
    model, tried = model_of(SMALL, trials)
    points = model.ranked(tried, np.random.default_rng(0)).points
    listed = [model.layout.decode(point) for point in points]
    assert len({tuple(values.values()) for values in listed}) == 60 - 25
    assert not any(values in tried for values in listed)
    assert abs(int(listed[0]["n"]) - 12) <= 2


def test_a_large_space_is_searched() -> None:
    model, tried = model_of(MIXED, trials_in(MIXED, 20, lambda number: float(number % 7)))
    points = model.ranked(tried, np.random.default_rng(0)).points
    assert points.min() >= 0
    assert points.max() <= 1
    assert points.shape[1] == model.layout.dimensions == 7


def test_pending_trials_change_the_answer() -> None:
    model, tried = model_of(MIXED, trials_in(MIXED, 20, lambda number: float(number % 7)))
    first = model.ranked(tried, np.random.default_rng(0)).points[0]
    model.add_pending(model.layout.decode(first))
    assert not np.allclose(model.ranked(tried, np.random.default_rng(0)).points[0], first)


def test_more_trials_than_the_model_holds() -> None:
    trials = trials_in(MIXED, 1100, lambda number: float(number % 101))
    trials[5] = replace(trials[5], state=TrialState.FAILED, objective=None)
    model, tried = model_of(MIXED, trials)
    assert np.isfinite(model.ranked(tried, np.random.default_rng(0)).points).all()


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_what_is_expected_has_the_units_of_the_objective(failures: int) -> None:
    """A parabola whose best is not found yet; a thousand times as high, a thousand times as much is to be gained."""
    space = Space((Continuous("x", 0.0, 1.0),))

    def expected(scale: float) -> float:
        at = [0.0, 0.1, 0.35, 0.8, 0.9, 1.0]
        trials = [finished(n, {"x": str(x)}, scale * (3.0 + (x - 0.55) ** 2)) for n, x in enumerate(at, 1)]
        lost = [Trial(number=10 + n, values={"x": str(0.01 * n)}, state=TrialState.FAILED) for n in range(failures)]
        model, tried = model_of(space, [*trials, *lost])
        found = model.ranked(tried, np.random.default_rng(0)).expected
        assert found is not None
        return found

    assert 0.005 < expected(1.0) < 0.06  # 0.04 in truth, and less where it may fail
    assert expected(1000.0) == pytest.approx(1000.0 * expected(1.0), rel=1e-3)


def test_little_is_expected_where_all_is_known() -> None:
    space = Space((Continuous("x", 0.0, 1.0),))
    trials = [finished(n, {"x": str(n / 20)}, 3.0 + (n / 20 - 0.55) ** 2) for n in range(21)]
    model, tried = model_of(space, trials)
    found = model.ranked(tried, np.random.default_rng(0)).expected
    assert found is not None
    assert 0 <= found < 1e-3
