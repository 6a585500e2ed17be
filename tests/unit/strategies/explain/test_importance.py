from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from known_functions import CUBE, MIXED, SQUARE, Objective, bowl, told
from pegbox.domain.ranges import Space
from pegbox.strategies.base import Goal, Study, TrialState
from pegbox.strategies.explain.answers import TooLittle, document
from pegbox.strategies.explain.belief import Belief
from pegbox.strategies.explain.importance import importance
from pegbox.strategies.gp.kernel import matern52, squared_distances
from pegbox.strategies.gp.likelihood import JITTER
from pegbox.strategies.gp.posterior import Posterior
from pegbox.testing.strategy_suite import WIDE, study_of, trials_in


def plane(values: Mapping[str, str]) -> float:
    return 4.0 * float(values["x"]) + float(values["y"])


def saddle(values: Mapping[str, str]) -> float:
    return (float(values["x"]) - 0.5) * (float(values["y"]) - 0.5)


def choices(values: Mapping[str, str]) -> float:
    return {"a": 0.0, "b": 1.0, "c": 2.0}[values["kind"]] + 0.25 * int(values["n"])


#: what Sobol's indices are: 16:1 for the plane; all by interaction for the saddle; var 2/3 and 2/16 for the choices
@pytest.mark.parametrize(
    ("space", "objective", "expected"),
    [
        (CUBE, plane, {"x": (16 / 17, 16 / 17), "y": (1 / 17, 1 / 17), "z": (0.0, 0.0)}),
        (CUBE, saddle, {"x": (0.0, 1.0), "y": (0.0, 1.0), "z": (0.0, 0.0)}),
        (MIXED, choices, {"kind": (16 / 19, 16 / 19), "n": (3 / 19, 3 / 19), "x": (0.0, 0.0)}),
    ],
)
def test_importances_are_those_of_the_function(
    space: Space, objective: Objective, expected: Mapping[str, tuple[float, float]]
) -> None:
    for goal, sign in ((Goal.MINIMIZE, 1.0), (Goal.MAXIMIZE, -1.0)):
        found = importance(told(space, lambda values, sign=sign: sign * objective(values), 80, goal))  # type: ignore[misc]
        assert found.results == 80
        assert found.foretold is not None and found.foretold > 0.95
        assert {share.name: (share.alone, share.total) for share in found.shares} == {
            name: pytest.approx(shares, abs=0.06) for name, shares in expected.items()
        }
        assert [share.total for share in found.shares] == sorted((s.total for s in found.shares), reverse=True)


def test_units_do_not_matter_and_the_answer_is_always_the_same() -> None:
    found = importance(told(CUBE, plane))
    assert found == importance(told(CUBE, plane))
    other = importance(told(CUBE, lambda values: 1e9 * plane(values) + 1e9))
    for one, two in zip(found.shares, other.shares, strict=True):
        assert (one.name, one.total) == (two.name, pytest.approx(two.total, abs=1e-3))


def test_one_huge_loss_does_not_decide_what_matters() -> None:
    study = told(CUBE, plane, 60)
    trials = [replace(study.trials[0], objective=1e9), *study.trials[1:]]
    assert importance(replace(study, trials=tuple(trials))).shares[0].name == "x"


def test_noise_is_foretold_by_nothing() -> None:
    rng = np.random.default_rng(0)
    found = importance(told(CUBE, lambda _: float(rng.standard_normal()), 40))
    assert found.foretold is not None and found.foretold < 0.2


def test_a_constant_objective_has_no_importances() -> None:
    found = importance(told(CUBE, lambda _: 1.0))
    assert found.foretold is None
    assert all(share.total == share.alone == 0.0 for share in found.shares)


def test_what_is_foretold_is_what_the_others_say_of_each() -> None:
    belief = Belief(told(SQUARE, bowl, 20, noise=3.0))
    kernel, x, y = belief.posterior.kernel, belief._features, belief._warped
    missed = []
    for row in range(20):
        rest = np.arange(20) != row
        others = Posterior(kernel, belief.layout.group, x[rest], y[rest], x[:0])
        missed.append(y[row] - others.predict(x[row : row + 1]).mean[0])
    expected = 1.0 - np.sum(np.square(missed)) / np.sum((y - y.mean()) ** 2)
    assert belief.foretold() == pytest.approx(expected, abs=1e-6)


def test_the_average_is_that_of_a_joint_distribution() -> None:
    belief = Belief(told(MIXED, choices, 30, noise=0.2))
    points = belief.layout.snap(np.random.default_rng(0).random((40, 3)))
    scale, kernel = belief.posterior.kernel.lengthscales[belief.layout.group], belief.posterior.kernel
    at, seen = belief.layout.features(points) / scale, belief._features / scale
    cross = kernel.signal * matern52(squared_distances(at, seen))[0]
    known = kernel.signal * matern52(squared_distances(seen, seen))[0] + (kernel.noise + JITTER) * np.eye(30)
    joint = kernel.signal * matern52(squared_distances(at, at))[0] - cross @ np.linalg.solve(known, cross.T)
    mean, variance = belief.average(points)
    assert mean == pytest.approx(float((cross @ np.linalg.solve(known, belief._warped)).mean()), abs=1e-6)
    assert variance == pytest.approx(float(joint.mean()), abs=1e-6)


def test_more_results_than_the_model_holds() -> None:
    found = importance(study_of(WIDE, trials_in(WIDE, 1200, lambda number: float(np.sin(number)))))
    assert (len(found.shares), found.results) == (5, 1200)


@pytest.mark.parametrize(
    ("study", "why"),
    [
        (study_of(CUBE), "there are 0"),
        (study_of(CUBE, [replace(t, state=TrialState.FAILED, objective=None) for t in trials_in(CUBE, 9)]), "are 0"),
        (study_of(Space(CUBE.parameters[3:]), []), "more than one value"),
    ],
)
def test_too_little_is_said(study: Study, why: str) -> None:
    with pytest.raises(TooLittle, match=why):
        importance(study)


def test_it_is_json() -> None:
    found = document(importance(told(MIXED, choices)))
    assert json.loads(json.dumps(found, allow_nan=False))["shares"][0]["name"] == "kind"
