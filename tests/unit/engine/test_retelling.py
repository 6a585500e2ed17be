"""A worker knows the whole study, however little it is told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.ranges import parse_ranges
from pegbox.engine.retelling import Listener, Teller
from pegbox.strategies.base import Goal, Limits, ParentKind, ParentStudy, Study, Trial, TrialState

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
            trials[place] = replace(trials[place], state=TrialState.FINISHED, objective=float(number))
        elif what == "forget":
            trials.clear()
        assert listener.hear(teller.tell(key, study(trials))) == study(trials)


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
