"""Asking strategies in another process: answers, faults, time limits, and the end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pegbox.domain.range_request import parse_ranges
from pegbox.engine.proposer import Answer, Closing, ProcessProposer, Question
from pegbox.strategies.base import Goal, Limits, Study, Trial, TrialState


def a_study(trials: int = 0, dimensions: int = 1) -> Study:
    names = [f"x{number}" for number in range(dimensions)]
    ranges = [{"Name": name, "MinValue": "0", "MaxValue": "1"} for name in names]
    known = [
        Trial(
            number=number,
            values={name: repr((number * 37 + place * 11) % 997 / 997) for place, name in enumerate(names)},
            state=TrialState.FINISHED,
            objective=float(number % 13),
        )
        for number in range(1, trials + 1)
    ]
    return Study(
        space=parse_ranges({"ContinuousParameterRanges": ranges}, {}),
        goal=Goal.MINIMIZE,
        limits=Limits(most=1000, at_once=10),
        seed=7,
        trials=tuple(known),
    )


@pytest.fixture
def proposer() -> Iterator[ProcessProposer]:
    proposer = ProcessProposer(timeout=30)
    yield proposer
    proposer.close()


def test_a_question_is_answered_the_same_by_any_worker(proposer: ProcessProposer) -> None:
    first = proposer.ask(Question("Bayesian", a_study(20), 3))
    assert len(first.candidates) == 3
    assert first.fault is None
    os.kill(proposer.pid, 9)
    assert proposer.ask(Question("Bayesian", a_study(20), 3)) == first


def test_a_used_up_space_is_told(proposer: ProcessProposer) -> None:
    space = parse_ranges({"CategoricalParameterRanges": [{"Name": "x", "Values": ["a"]}]}, {})
    trial = Trial(number=1, values={"x": "a"}, state=TrialState.FAILED)
    answer = proposer.ask(Question("Random", replace(a_study(), space=space, trials=(trial,)), 1))
    assert answer == Answer(exhausted=True)


def test_a_strategy_that_fails_is_replaced_by_random_search(proposer: ProcessProposer) -> None:
    answer = proposer.ask(Question("NoSuchStrategy", a_study(), 2))
    assert len(answer.candidates) == 2
    assert answer.fault is not None
    assert "NoSuchStrategy" in answer.fault


def test_a_worker_that_was_killed_is_replaced(proposer: ProcessProposer) -> None:
    proposer.ask(Question("Random", a_study(), 1))
    os.kill(proposer.pid, 9)
    answer = proposer.ask(Question("Random", a_study(), 1))
    assert len(answer.candidates) == 1


def test_a_question_that_takes_too_long_is_answered_by_random_search() -> None:
    proposer = ProcessProposer(timeout=2.0)  # a quarter of a minute is needed for the one, hundredths for the other
    try:
        answer = proposer.ask(Question("Bayesian", a_study(1000, 25), 50))
        assert len(answer.candidates) == 50
        assert answer.fault is not None
        assert "no answer within 2 s" in answer.fault
    finally:
        proposer.close()


def test_the_start_of_the_worker_is_no_time_of_the_strategy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(4)")  # a machine with much else to do
    monkeypatch.syspath_prepend(tmp_path)
    proposer = ProcessProposer(timeout=2)
    try:
        answer = proposer.ask(Question("Bayesian", a_study(), 2))
        assert (len(answer.candidates), answer.fault) == (2, None)
    finally:
        proposer.close()


def test_closing_does_not_wait_for_an_answer() -> None:
    proposer = ProcessProposer(timeout=100)
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises(Closing):
            proposer.ask(Question("Bayesian", a_study(1000, 25), 50))
        ended.set()

    threading.Thread(target=ask).start()
    while not proposer.pid:
        time.sleep(0.01)
    proposer.close()
    assert ended.wait(10)
    assert proposer.pid == 0
