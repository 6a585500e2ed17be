"""Every analytic gradient against central differences, at random hyperparameters, spaces and points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pegbox.domain.ranges import Categorical, Continuous, Scaling, Space
from pegbox.strategies.base import Goal, ParentKind
from pegbox.strategies.gp.acquisition import Acquisition, Condition, ConfidenceBound, ExpectedImprovement, log_success
from pegbox.strategies.gp.arrays import Array
from pegbox.strategies.gp.fit import Kernel, Prior
from pegbox.strategies.gp.input_warping import InputWarping
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.lesson import Lesson, Trend
from pegbox.strategies.gp.likelihood import Likelihood
from pegbox.strategies.gp.posterior import Posterior
from pegbox.testing.strategy_suite import finished, parent_of

LAYOUT = Layout(
    Space(
        (
            *(Continuous(name, 0.0, 1.0, Scaling.LINEAR) for name in "xyz"),
            Categorical("kind", ("a", "b", "c")),
        )
    )
)
SEEDS = st.integers(0, 2**32)
QUICK = settings(deadline=None, max_examples=60)


def central(function: Callable[[Array], float], at: Array, step: float = 1e-5) -> Array:
    units = step * np.eye(len(at))
    return np.array([(function(at + unit) - function(at - unit)) / (2 * step) for unit in units])


def agree(analytic: Array, numeric: Array) -> bool:
    return bool(np.allclose(analytic, numeric, rtol=1e-4, atol=1e-5 * max(1.0, float(np.abs(numeric).max()))))


def kernel_from(rng: np.random.Generator) -> Kernel:
    lengthscales = np.exp(rng.uniform(np.log(0.1), np.log(10.0), LAYOUT.dimensions))
    bends = rng.normal(0, 0.5, 2 * len(LAYOUT.numbers))
    warping = InputWarping.of(LAYOUT.numbers, bends) if rng.random() < 0.5 else None
    return Kernel(lengthscales, float(np.exp(rng.uniform(-3, 3))), float(np.exp(rng.uniform(-8, 0))), warping)


def features_from(rng: np.random.Generator, count: int) -> Array:
    return LAYOUT.features(LAYOUT.snap(rng.random((count, LAYOUT.dimensions))))


@QUICK
@given(SEEDS, st.integers(1, 40))
def test_likelihood_and_prior(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = features_from(rng, count), rng.standard_normal(count)
    theta = np.concatenate([rng.uniform(-3, 4, LAYOUT.dimensions), rng.uniform(-3, 3, 1), rng.uniform(-7, 0.5, 1)])
    likelihood = Likelihood(x, LAYOUT.group, y)
    value, gradient = likelihood.at(theta)
    assert np.isfinite(value)
    assert agree(gradient, central(lambda t: likelihood.at(t)[0], theta))
    prior = Prior(lengthscale=(rng.uniform(-1, 2), rng.uniform(0.3, 2)), noise=(rng.uniform(-6, 0), 1.0))
    assert agree(prior.negative_log(theta)[1], central(lambda t: prior.negative_log(t)[0], theta))


@QUICK
@given(SEEDS, st.integers(1, 40))
def test_likelihood_with_warped_numbers(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, numbers = features_from(rng, count), rng.standard_normal(count), LAYOUT.numbers
    theta = np.concatenate([rng.normal(0, 0.75, 2 * len(numbers)), rng.uniform(-2, 3, LAYOUT.dimensions), [0.3, -3.0]])

    likelihood = Likelihood(x, LAYOUT.group, y)

    def value(at: Array) -> float:
        return likelihood.warped(at, numbers)[0]

    assert agree(likelihood.warped(theta, numbers)[1], central(value, theta))
    theta[: 2 * len(numbers)] = 0.0
    straight = likelihood.at(theta[2 * len(numbers) :])[0]
    assert np.isclose(value(theta), straight)


@QUICK
@example(seed=280027, running=5, fails=False, taught=True)
@given(SEEDS, st.integers(0, 5), st.booleans(), st.booleans())
def test_acquisitions_with_pending_points_failures_and_teachers(
    seed: int, running: int, fails: bool, taught: bool
) -> None:
    rng = np.random.default_rng(seed)
    x, y, kernel = features_from(rng, 12), rng.standard_normal(12), kernel_from(rng)
    trend = Trend(LESSONS, x, y) if taught else None
    if trend is not None:
        trend.weights = rng.random(len(LESSONS))
    posterior = Posterior(kernel, LAYOUT.group, x, y, features_from(rng, running), trend)
    labels = np.where(rng.random(12) < 0.4, -1.0, 1.0)
    success, survival = (Posterior(kernel_from(rng), LAYOUT.group, x, each, x[:0]) for each in (labels, 0.3 * y))
    conditions = [Condition(success), Condition(survival, 0.1)] if fails else []
    # at the ends of a range bent numbers are too steep for differences
    at = LAYOUT.features(LAYOUT.snap(rng.uniform(0.02, 0.98, (1, LAYOUT.dimensions))))
    assume(float(posterior.predict(at).variance[0]) > 1e-5)  # else differences are nothing but rounding
    acquisitions: list[Acquisition] = [
        ExpectedImprovement(posterior, float(rng.normal()), conditions),
        ConfidenceBound(posterior, 3.0, conditions),
    ]
    for acquisition in acquisitions:
        values, gradients = acquisition.value_and_gradient(at)
        assert np.allclose(values, acquisition.value(at))

        def value(point: Array, a: Acquisition = acquisition) -> float:
            return float(a.value(point[None, :])[0])

        numeric = central(value, at[0])
        assume(agree(numeric, central(value, at[0], 4e-5)))  # else they are rounding, or the slope is too steep
        assert agree(gradients[0], numeric)


@QUICK
@given(st.floats(-30, 30), st.floats(1e-6, 1e6))
def test_chance_of_success(z: float, variance: float) -> None:
    at = np.array([z * np.sqrt(variance), variance])
    _, by_mean, by_variance = log_success(at[:1], at[1:])
    scale = np.array([np.sqrt(variance), variance])  # steps in units of the arguments
    numeric = central(lambda u: float(log_success(u[:1] * scale[0], u[1:] * scale[1])[0][0]), at / scale)
    assert agree(np.array([by_mean[0], by_variance[0]]) * scale, numeric)


@QUICK
@given(SEEDS)
def test_teachers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    trend = Trend(LESSONS, features_from(rng, 9), rng.standard_normal(9))
    trend.weights = rng.random(len(LESSONS))
    at, factor = features_from(rng, 1), rng.standard_normal(1)
    numeric = central(lambda p: float(factor[0] * trend.mean(p[None, :])[0]), at[0])
    assert agree(trend.pull_back(at, factor)[0], numeric)


def _lesson(space: Space, seed: int) -> Lesson:
    rng = np.random.default_rng(seed)
    configurations = [space.decode(rng.random(len(space.parameters)).tolist()) for _ in range(25)]
    trials = [finished(number, each, float(np.sin(number))) for number, each in enumerate(configurations, 1)]
    return Lesson(parent_of(space, trials, ParentKind.TRANSFER), LAYOUT, {"w": "0.4"}, Goal.MINIMIZE)


OTHER = Space((Continuous("y", 0.0, 2.0, Scaling.LINEAR), Continuous("w", 0.0, 1.0), Categorical("kind", ("c", "a"))))
LESSONS = [_lesson(LAYOUT.space, 1), _lesson(OTHER, 2)]
