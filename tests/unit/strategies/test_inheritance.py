from __future__ import annotations

from dataclasses import replace

import pytest

from pegbox.domain.ranges import Categorical, Continuous, Integer, Scaling, Space
from pegbox.strategies.base import Goal, ParentKind, ParentStudy, Study
from pegbox.strategies.inheritance import Inheritance, portfolio
from pegbox.testing.strategy_suite import finished, parent_of, study_of

X = Continuous("x", 0.0, 1.0, Scaling.LINEAR)
SPACE = Space((X, Integer("n", 1, 9)))
TRIALS = [
    finished(1, {"x": "0.5", "n": "2"}, 3.0),
    finished(2, {"x": "0.25", "n": "3"}, 1.0),
    finished(3, {"x": "2.0", "n": "3"}, 2.0),
]


def warm(space: Space, *parents: ParentStudy, **static: str) -> Study:
    return replace(study_of(space), parents=parents, static=static)


def test_what_an_identical_parent_has_tried_is_inherited() -> None:
    parent = parent_of(SPACE, TRIALS)
    inheritance = Inheritance.of(warm(SPACE, parent))
    assert list(inheritance.trials) == TRIALS and not inheritance.teachers


def test_what_knows_nothing_of_a_hyperparameter_teaches_only() -> None:
    parent = parent_of(SPACE, TRIALS)
    inheritance = Inheritance.of(warm(Space((*SPACE.parameters, Integer("depth", 1, 9))), parent))
    assert not inheritance.trials and list(inheritance.teachers) == [parent]


def test_a_related_parent_is_a_teacher() -> None:
    parent = parent_of(SPACE, TRIALS, ParentKind.TRANSFER)
    inheritance = Inheritance.of(warm(SPACE, parent))
    assert not inheritance.trials and list(inheritance.teachers) == [parent]


@pytest.mark.parametrize(
    "space", [Space((X,)), Space((X, Integer("n", 3, 3)))], ids=["now static", "a range with equal ends"]
)
def test_trials_with_another_value_than_the_fixed_one_teach_only(space: Space) -> None:
    parent = parent_of(SPACE, TRIALS)
    study = warm(space, parent, **({} if "n" in space.names else {"n": "+3"}))
    inheritance = Inheritance.of(study)
    assert [trial.number for trial in inheritance.trials] == [2, 3]
    assert list(inheritance.teachers) == [parent]


def test_a_value_that_was_static_is_that_of_all_trials() -> None:
    parent = replace(parent_of(Space((X,)), [finished(1, {"x": "0.5"}, 1.0)]), static={"n": "4"})
    (trial,) = Inheritance.of(warm(SPACE, parent)).trials
    assert trial.values == {"x": "0.5", "n": "4"}


def test_another_static_value_makes_a_teacher_of_a_parent() -> None:
    parent = replace(parent_of(SPACE, TRIALS), static={"epochs": "10"})
    assert not Inheritance.of(warm(SPACE, parent, epochs="20")).trials
    assert len(Inheritance.of(warm(SPACE, parent, epochs="10.0")).trials) == 3
    assert not Inheritance.of(warm(SPACE, parent, epochs="10", batch="1")).trials


def test_the_portfolio_takes_the_best_of_each_parent_in_turn() -> None:
    other = [finished(1, {"x": "0.75", "n": "9"}, -5.0), finished(2, {"x": "0.76", "n": "9"}, -4.0)]
    teachers = [parent_of(SPACE, TRIALS), parent_of(SPACE, other)]
    study = warm(SPACE, *teachers)
    chosen = [dict(values) for values in portfolio(study, teachers, 9)]
    assert chosen == [
        {"x": "0.25", "n": "3"},
        {"x": "0.75", "n": "9"},
        {"x": "1.0", "n": "3"},  # brought into the range
        {"x": "0.5", "n": "2"},  # 0.76 is too near
    ]
    assert [dict(values) for values in portfolio(study, teachers, 2)] == chosen[:2]
    highest = portfolio(replace(study, goal=Goal.MAXIMIZE), teachers[:1], 1)
    assert [dict(values) for values in highest] == [{"x": "0.5", "n": "2"}]


def test_the_portfolio_leaves_out_categories_that_are_not_offered() -> None:
    def colours(*values: str) -> Space:
        return Space((Categorical("colour", values), Continuous("fixed", 0.5, 0.5)))

    teacher = parent_of(
        colours("red", "blue"), [finished(number, {"colour": c}, 0.0) for number, c in enumerate(("red", "blue"), 1)]
    )
    chosen = portfolio(warm(colours("blue", "green"), teacher), [teacher], 3)
    assert [dict(values) for values in chosen] == [{"colour": "blue", "fixed": "0.5"}]


def test_what_a_parent_has_not_had_is_in_the_middle_of_its_range() -> None:
    """Its trials are repeated all the same; what it is worth there is seen by the others."""
    kinds = Categorical("kind", ("a", "b", "c"))
    rate = Continuous("rate", 0.0, 1.0, Scaling.LINEAR)
    teacher = parent_of(SPACE, TRIALS, ParentKind.TRANSFER)
    study = warm(Space((*SPACE.parameters, rate, kinds, Integer("same", 4, 4))), teacher)
    first, _ = portfolio(study, [teacher], 2)
    assert first == {"x": "0.25", "n": "3", "rate": "0.5", "kind": "b", "same": "4"}
    assert not portfolio(warm(Space((rate, kinds))), [teacher], 2)  # it knows nothing of these
    assert not portfolio(warm(Space((replace(X, low=0.25, high=0.25), rate))), [teacher], 2)  # nor of what varies here


def test_what_is_no_number_is_not_repeated() -> None:
    """It was static, where any text may be."""
    parent = ParentStudy(kind=ParentKind.TRANSFER, space=Space((X,)), static={"y": "nan"}, trials=tuple(TRIALS))
    study = warm(Space((X, Continuous("y", 0.0, 1.0))), parent)
    assert not portfolio(study, [parent], 2)
