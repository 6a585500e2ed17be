"""A worker knows the whole study, however little it is told."""

from __future__ import annotations

import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.range_request import parse_ranges
from pegbox.engine.retelling import Listener, Teller
from pegbox.strategies.base import Goal, Limits, ParentKind, ParentStudy, Study, Trial, TrialState
from pegbox.strategies.inheritance import used_up

SPACE = parse_ranges({"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}, {})


def study(trials: list[Trial]) -> Study:
    return Study(space=SPACE, goal=Goal.MINIMIZE, limits=Limits(most=99, at_once=9), seed=1, trials=tuple(trials))


def running(number: int) -> Trial:
    return Trial(number=number, values={"x": str(number)}, state=TrialState.RUNNING)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["launch", "end", "forget"]), st.integers(0, 9)), max_size=40
    )
)
def test_what_is_heard_is_what_is_meant(steps: list[tuple[int, str, int]]) -> None:
    teller, listener = Teller(most=2), Listener()
    studies: dict[int, list[Trial]] = {}
    for key, what, number in steps:
        trials = studies.setdefault(key, [])
        if what == "launch":
            trials += [running(len(trials) + place) for place in range(1, 3)]
        elif what == "end" and trials:
            place = number % len(trials)
            if trials[place].state is not TrialState.RUNNING:
                continue
            trials[place] = replace(trials[place], state=TrialState.FINISHED, objective=float(number))
        elif what == "forget":
            trials.clear()
        heard = listener.hear(teller.tell(key, study(trials)))
        assert heard == study(trials)
        tried = used_up(heard)
        assert [value for value in range(20) if {"x": str(value)} in tried] == [
            int(each.values["x"]) for each in trials
        ]
        tried.add({"x": "1000"})  # as a strategy does: nobody else hears of it
        assert {"x": "1000"} not in used_up(heard)


def test_what_has_been_tried_is_heard_anew_with_other_trials() -> None:
    teller, listener = Teller(), Listener()
    for numbers in ((1, 2, 3), (4, 5, 6), (7, 8), (7, 8, 9)):
        heard = listener.hear(teller.tell(None, study([running(number) for number in numbers])))
        tried = used_up(heard)
        assert [value for value in range(20) if {"x": str(value)} in tried] == list(numbers)


def test_a_question_costs_little_after_thousands_of_trials() -> None:
    """To note all that was tried anew takes twenty times as long."""
    teller, listener = Teller(), Listener()
    trials = [running(number) for number in range(1, 10_001)]
    listener.hear(teller.tell("a", study(trials)))
    best = float("inf")
    for _ in range(10):
        trials.append(running(len(trials) + 1))
        asked = study(trials)
        began = time.perf_counter()
        assert {"x": "10001"} in used_up(listener.hear(teller.tell("a", asked)))
        best = min(best, time.perf_counter() - began)
    assert best < 1e-3


def test_only_what_is_new_is_told() -> None:
    teller = Teller()
    trials = [running(number) for number in range(1, 1001)]
    assert len(teller.tell("a", study(trials)).added) == 1000
    trials[500] = replace(trials[500], state=TrialState.FAILED)
    trials.append(running(1001))
    told = teller.tell("a", study(trials))
    assert (told.known, [place for place, _ in told.changed], len(told.added)) == (1000, [500], 1)


def test_parents_are_told_once() -> None:
    parent = ParentStudy(kind=ParentKind.TRANSFER, space=SPACE, static={}, trials=(running(1),))
    teller, listener = Teller(most=1), Listener()
    warm = replace(study([]), parents=(parent,))
    told = [teller.tell("a", warm), teller.tell("a", warm), teller.tell("b", study([])), teller.tell("a", warm)]
    assert [bool(each.study.parents) for each in told] == [True, False, False, True]
    assert [listener.hear(each) for each in told] == [warm, warm, study([]), warm]
