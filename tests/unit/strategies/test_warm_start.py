"""What parents do for a Bayesian search, and what a false one cannot do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from pegbox.domain.ranges import Categorical, Continuous, Scaling, Space
from pegbox.strategies.base import Goal, ParentKind, ParentStudy, Study, Trial, TrialState
from pegbox.strategies.bayesian import Bayesian
from pegbox.testing.strategy_suite import finished, parent_of, study_of, trials_in

ANY = np.random.default_rng(0)
SQUARE = Space(tuple(Continuous(name, 0.0, 1.0, Scaling.LINEAR) for name in "xy"))
SEEDS = range(2)
Objective = Callable[[Mapping[str, str]], float]


def bowl(values: Mapping[str, str]) -> float:
    """Lowest, 0, at (0.3, 0.8)."""
    return (float(values["x"]) - 0.3) ** 2 + (float(values["y"]) - 0.8) ** 2


def moved(values: Mapping[str, str]) -> float:
    """The same on another scale, a little aside."""
    return 500.0 + 80.0 * ((float(values["x"]) - 0.35) ** 2 + (float(values["y"]) - 0.75) ** 2)


def opposite(values: Mapping[str, str]) -> float:
    return -bowl(values)


def elsewhere(values: Mapping[str, str]) -> float:
    """As good as the real one, but in another corner."""
    return (float(values["x"]) - 0.9) ** 2 + (float(values["y"]) - 0.1) ** 2


def parent(kind: ParentKind, objective: Objective, count: int = 15, seed: int = 5) -> ParentStudy:
    trials = trials_in(SQUARE, count, seed=seed)
    return parent_of(SQUARE, [finished(each.number, each.values, objective(each.values)) for each in trials], kind)


def cut_short(count: int, first: int = 1) -> list[Trial]:
    """Trials near the best that were stopped when they were much worse than they would have become."""
    rng = np.random.default_rng(3)
    places = np.array([0.3, 0.8]) + 0.1 * rng.standard_normal((count, 2))
    return [
        replace(
            finished(number, SQUARE.decode(np.clip(place, 0, 1).tolist()), 1.0),
            state=TrialState.STOPPED,
            cut_short=True,
        )
        for number, place in enumerate(places, first)
    ]


def search(study: Study, count: int, objective: Objective = bowl) -> list[float]:
    """The best value after each of the trials of a search, one after the other."""
    trials: list[Trial] = []
    best: list[float] = []
    for number in range(1, count + 1):
        (candidate,) = Bayesian().ask(replace(study, trials=tuple(trials)), 1, ANY)
        trials.append(finished(number, candidate.values, objective(candidate.values)))
        best.append(min([*best[-1:], trials[-1].objective or 0.0]))
    return best


def start(seed: int, *parents: ParentStudy) -> Study:
    return replace(study_of(SQUARE, seed=seed, most=20, at_once=1), parents=parents)


def test_an_identical_parent_saves_the_beginning() -> None:
    for seed in SEEDS:
        best = search(start(seed, parent(ParentKind.IDENTICAL, bowl)), 4)
        assert best[0] < 0.02 and best[-1] < 1e-3


def test_what_an_identical_parent_cut_short_does_not_hide_what_is_good_there() -> None:
    for seed in SEEDS:
        old = parent(ParentKind.IDENTICAL, bowl)
        study = start(seed, replace(old, trials=(*old.trials, *cut_short(15, 16))))
        for each in (study, replace(study, early_stopping=True)):
            assert search(each, 4)[-1] < 2e-3


def test_what_was_cut_short_saves_no_initial_trial() -> None:
    old = parent_of(SQUARE, cut_short(10))
    cold, warm = (Bayesian().ask(start(1, *parents), 4, ANY) for parents in ((), (old,)))
    assert warm == cold
    own = [finished(each.number, each.values, bowl(each.values)) for each in trials_in(SQUARE, 2)]
    assert Bayesian().ask(replace(start(1, old), trials=tuple(own)), 3, ANY)  # too few to learn from


def test_a_related_parent_shows_where_to_begin() -> None:
    for seed in SEEDS:
        assert search(start(seed, parent(ParentKind.TRANSFER, moved, 40)), 8)[-1] < 2e-3


@pytest.mark.parametrize("kind", ParentKind)
@pytest.mark.parametrize("lie", [opposite, elsewhere])
def test_a_false_parent_is_soon_seen_through(kind: ParentKind, lie: Objective) -> None:
    for seed in SEEDS:
        assert search(start(seed, parent(kind, lie, 25)), 15)[-1] < 2e-3


def test_a_parent_whose_results_belong_to_other_configurations_changes_nothing() -> None:
    for seed in SEEDS:
        old = parent(ParentKind.TRANSFER, bowl, 50, seed)
        order = np.random.default_rng(seed).permutation(50)
        mixed = [
            replace(each, objective=old.trials[place].objective) for each, place in zip(old.trials, order, strict=True)
        ]
        assert search(start(seed, replace(old, trials=tuple(mixed))), 10) == search(start(seed), 10)


def test_an_honest_parent_is_heard_beside_a_false_one() -> None:
    parents = parent(ParentKind.IDENTICAL, opposite), parent(ParentKind.IDENTICAL, bowl, seed=6)
    for seed in SEEDS:
        assert search(start(seed, *parents), 10)[-1] < 2e-3


def test_results_from_outside_the_ranges_lead_to_the_border_and_not_beyond() -> None:
    narrow = Space((replace(SQUARE.parameters[0], low=0.5), SQUARE.parameters[1]))
    study = replace(start(1, parent(ParentKind.IDENTICAL, bowl, 30)), space=narrow)
    assert search(study, 5)[-1] == pytest.approx(0.04, abs=0.01)


def test_what_is_fixed_now_is_looked_up_in_the_parent() -> None:
    """x was tuned and is 0.9 now, far from where the parent was best; its best y depends on that."""

    def slanted(values: Mapping[str, str]) -> float:
        return (float(values["y"]) - 0.8 * float(values["x"])) ** 2

    study = replace(start(1, parent(ParentKind.IDENTICAL, slanted, 40)), space=Space(SQUARE.parameters[1:]))
    study = replace(study, static={"x": "0.9"})
    assert search(study, 6, lambda values: slanted({**values, "x": "0.9"}))[-1] < 1e-3


def test_what_is_tuned_now_had_one_value() -> None:
    """The parent knew y = 0.1 only, where the best x is another one."""
    trials = [finished(n, {"x": str(n / 10)}, bowl({"x": str(n / 10), "y": "0.1"})) for n in range(11)]
    old = ParentStudy(
        kind=ParentKind.IDENTICAL, space=Space(SQUARE.parameters[:1]), static={"y": "0.1"}, trials=tuple(trials)
    )
    for seed in SEEDS:
        assert search(start(seed, old), 12)[-1] < 2e-3


def test_parents_make_the_initial_trials_unnecessary_or_take_some() -> None:
    (first, *_) = Bayesian().ask(start(1, parent(ParentKind.TRANSFER, bowl)), 4, ANY)
    old = parent(ParentKind.TRANSFER, bowl)
    assert first.values == min(old.trials, key=lambda trial: trial.objective or 0.0).values
    few = parent(ParentKind.IDENTICAL, bowl, 2)
    cold, warm = (Bayesian().ask(start(1, *parents), 4, ANY) for parents in ((), (few,)))
    assert list(warm[:2]) == list(cold[:2]) and warm[2:] != cold[2:]


def test_what_parents_have_tried_is_no_initial_trial_again() -> None:
    """They began in the middle of all ranges, too."""
    middle, *design = (each.values for each in Bayesian().ask(start(1), 4, ANY))
    few = [finished(1, middle, 1.0), finished(2, design[1], 2.0)]
    rest = Bayesian().ask(start(1, parent_of(SQUARE, few)), 2, ANY)
    assert [each.values for each in rest] == [design[0], design[2]]
    trials = [*few, finished(3, {"x": "0.9", "y": "0.1"}, 3.0)]
    repeated, second, *rest = Bayesian().ask(start(1, parent_of(SQUARE, trials, ParentKind.TRANSFER)), 4, ANY)
    assert [repeated.values, second.values] == [middle, design[1]]
    assert [each.values for each in rest] == [design[0], design[2]]


def test_what_is_kept_of_parents_changes_no_answer() -> None:
    """Copies of parents are other parents to it: what is kept of these must say what is found anew of those."""
    wider = Space((*SQUARE.parameters, Continuous("z", 0.0, 1.0, Scaling.LINEAR)))
    trials = [finished(each.number, each.values, bowl(each.values)) for each in trials_in(wider, 30)]
    parents = (
        parent_of(wider, trials, ParentKind.TRANSFER),
        parent(ParentKind.TRANSFER, moved, 25),
        parent(ParentKind.IDENTICAL, bowl, 12, 6),
        parent(ParentKind.IDENTICAL, elsewhere, 12, 7),
    )
    known = [finished(each.number, each.values, bowl(each.values)) for each in trials_in(SQUARE, 6, seed=8)]
    narrow = Space((replace(SQUARE.parameters[0], low=0.4), SQUARE.parameters[1]))
    study = replace(start(1, *parents), static={"z": "0.2"})
    asked = [
        study,
        replace(study, trials=tuple(known)),
        replace(study, static={"z": "0.9"}, trials=tuple(known)),
        replace(study, goal=Goal.MAXIMIZE, trials=tuple(known)),
        replace(study, space=narrow, trials=tuple(known)),
        replace(study, parents=parents[:2], trials=tuple(known)),
    ]
    answers = [Bayesian().ask(each, 4, ANY) for each in asked]
    assert len({repr(answer) for answer in answers}) == len(asked)
    assert [Bayesian().ask(each, 4, ANY) for each in asked] == answers
    assert [Bayesian().ask(deepcopy(each), 4, ANY) for each in reversed(asked)] == answers[::-1]


def test_an_identical_parent_without_a_hyperparameter_is_a_teacher() -> None:
    """What was best there is tried in the middle of the new range; what it knew of the others helps from then on."""
    wider = Space((*SQUARE.parameters, Continuous("z", 0.0, 1.0, Scaling.LINEAR)))

    def deeper(values: Mapping[str, str]) -> float:
        return bowl(values) + 0.1 * (float(values["z"]) - 0.6) ** 2

    for seed in SEEDS:
        cold = replace(start(seed), space=wider)
        warm, related = (replace(cold, parents=(parent(kind, bowl, 30),)) for kind in ParentKind)
        first, _, *rest = Bayesian().ask(warm, 4, ANY)
        best = min(warm.parents[0].trials, key=lambda trial: trial.objective or 0.0)
        assert first.values == {**best.values, "z": "0.5"}
        assert rest == list(Bayesian().ask(cold, 2, ANY))
        assert search(warm, 8, deeper) == search(related, 8, deeper)


def test_inherited_trials_that_have_no_place_save_no_initial_ones() -> None:
    """Their only category is not offered any more."""
    one, others = Categorical("kind", ("a", "b")), Categorical("kind", ("b", "c"))
    values = [{**trial.values, "kind": "a"} for trial in trials_in(SQUARE, 30)]
    trials = [finished(number, each, bowl(each)) for number, each in enumerate(values, 1)]
    study = study_of(Space((*SQUARE.parameters, others)), most=20, at_once=1)
    old = parent_of(Space((*SQUARE.parameters, one)), trials)
    assert Bayesian().ask(replace(study, parents=(old,)), 4, ANY) == Bayesian().ask(study, 4, ANY)


@pytest.mark.parametrize("known", [SQUARE, Space((Continuous("z", 0.0, 1.0, Scaling.LINEAR),))])
def test_a_parent_that_says_nothing_changes_nothing(known: Space) -> None:
    """It has two results only, or no hyperparameter of the search."""
    own = [finished(each.number, each.values, bowl(each.values)) for each in trials_in(SQUARE, 7)]
    alone = study_of(SQUARE, own, most=20, at_once=1)
    old = parent_of(known, trials_in(known, 2 if known is SQUARE else 15), ParentKind.TRANSFER)
    assert Bayesian().ask(replace(alone, parents=(old,)), 2, ANY) == Bayesian().ask(alone, 2, ANY)
