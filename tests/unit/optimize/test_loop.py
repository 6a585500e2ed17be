from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from pegbox.optimize import Search, Stopped, TrialState, choice, integer, maximise, minimise, real

SPACE = {"x": real(0, 1), "n": integer(1, 9)}


def bowl(at: Mapping[str, Any]) -> float:
    return float((at["x"] - 0.3) ** 2 + 0.1 * (at["n"] - 4) ** 2)


def test_one_call() -> None:
    search = minimise(bowl, SPACE, 25)
    assert len(search.trials) == 25 and not search.running
    assert search.best is not None and search.best.parameters["n"] == 4
    assert search.best.value is not None and search.best.value < 1e-3
    highest = maximise(lambda at: -bowl(at), SPACE, 25).best
    assert highest is not None and highest.parameters == search.best.parameters


def test_the_same_seed_gives_the_same_search() -> None:
    assert minimise(bowl, SPACE, 12, seed=5).trials == minimise(bowl, SPACE, 12, seed=5).trials


def test_a_function_may_change_what_it_is_given() -> None:
    search = minimise(lambda at: at.pop("x") + at.pop("n"), SPACE, 3)
    assert all(trial.parameters.keys() == {"x", "n"} for trial in search.trials)


def test_threads_work_side_by_side() -> None:
    together = threading.Barrier(4)

    def waits_for_three_others(at: Mapping[str, Any]) -> float:
        together.wait(timeout=30)
        return bowl(at)

    search = minimise(waits_for_three_others, SPACE, 12, workers=4)
    assert len(search.trials) == 12 and not search.running


def test_processes_work_side_by_side() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        search = minimise(itemgetter("x"), {"x": real(0, 3)}, 6, workers=2, executor=executor)
    assert [trial.value for trial in search.trials] == [trial.parameters["x"] for trial in search.trials]


@pytest.mark.parametrize("workers", [1, 3])
def test_failures_are_those_that_are_named(workers: int) -> None:
    def fails(at: Mapping[str, Any]) -> float | Stopped | None:
        if at["x"] < 0.2:
            raise OverflowError
        if at["x"] < 0.4:
            return None
        return Stopped(1.0) if at["x"] < 0.6 else bowl(at)

    search = minimise(fails, SPACE, 15, workers=workers, failures=(ArithmeticError,))
    for trial in search.trials:
        x = float(str(trial.parameters["x"]))
        expected = TrialState.FAILED if x < 0.4 else TrialState.STOPPED if x < 0.6 else TrialState.FINISHED
        assert trial.state is expected
    with pytest.raises(OverflowError):
        minimise(fails, SPACE, 30, workers=workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_search_that_is_broken_off_goes_on(tmp_path: Path, workers: int) -> None:
    """What ran is run again, what was told is not."""
    file, called = tmp_path / "search.json", []

    def breaks(at: Mapping[str, Any]) -> float:
        called.append(at)
        if len(called) == 8:
            raise KeyboardInterrupt
        return bowl(at)

    with pytest.raises(KeyboardInterrupt):
        minimise(breaks, SPACE, 20, file=file, workers=workers)
    kept = Search.load(file)
    assert len(kept.trials) - len(kept.running) == len(called) - 1 or workers > 1
    search = minimise(breaks, SPACE, 20, file=file, workers=workers)
    assert len(search.trials) == 20 and not search.running
    assert Search.load(file).trials == search.trials
    if workers == 1:
        assert search.trials == minimise(bowl, SPACE, 20).trials
    assert len(minimise(breaks, SPACE, 22, file=file).trials) == 22
    with pytest.raises(ValueError, match="another search"):
        maximise(breaks, SPACE, 20, file=file)


def test_what_is_wanted_first_comes_first_and_counts() -> None:
    first = [{"x": 0.5, "n": 1}, {"x": 0.25, "n": 9}]
    search = minimise(bowl, SPACE, 5, begin_with=first)
    assert [trial.parameters for trial in search.trials[:2]] == first
    assert len(search.trials) == 5


def test_an_earlier_search_is_learned_from_also_when_it_goes_on(tmp_path: Path) -> None:
    old = minimise(bowl, SPACE, 15)
    search = minimise(bowl, SPACE, 4, earlier=[old], identical=True, file=tmp_path / "search.json")
    assert search.best is not None and search.best.value is not None and search.best.value < 1e-2
    longer = minimise(bowl, SPACE, 6, file=tmp_path / "search.json")
    assert longer.trials == minimise(bowl, SPACE, 6, earlier=[old], identical=True).trials


def test_a_finite_space_is_finished_early() -> None:
    search = minimise(lambda at: at["n"], {"n": integer(1, 4), "kind": choice(["a", "b"])}, 30, workers=3)
    assert len({tuple(trial.parameters.values()) for trial in search.trials}) == len(search.trials) == 8


def test_many_workers_begin_apart(tmp_path: Path) -> None:
    """Ten begin before there is any result: each has a tenth of the range of its own, as in a Latin hypercube."""
    file, space = tmp_path / "search.json", {name: real(0, 1) for name in "vwxyz"}
    search = minimise(itemgetter("x"), space, 40, workers=10, file=file)
    for name in space:
        begun = sorted(float(trial.parameters[name]) for trial in search.trials[:10])
        assert [int(10 * each) for each in begun] == list(range(10))
    assert Search.load(file).at_once == search.at_once == 10
    assert minimise(itemgetter("x"), space, 41, workers=2, file=file).at_once == 2


def test_no_workers_are_refused() -> None:
    with pytest.raises(ValueError, match="workers begin at 1"):
        minimise(bowl, SPACE, 3, workers=0)


def test_a_file_that_cannot_be_written_is_known_before_the_first_call(tmp_path: Path) -> None:
    called = []
    with pytest.raises(FileNotFoundError):
        minimise(lambda at: called.append(at), SPACE, 3, file=tmp_path / "none" / "search.json")
    assert not called


@pytest.mark.parametrize("failures", [ZeroDivisionError, [ZeroDivisionError], (KeyError, ArithmeticError)])
def test_failures_may_be_one_or_several(failures: Any) -> None:
    search = minimise(lambda at: at["x"] / 0, SPACE, 3, failures=failures)
    assert all(trial.state is TrialState.FAILED for trial in search.trials)
    with pytest.raises(TypeError, match="classes of exceptions"):
        minimise(bowl, SPACE, 3, failures=["ValueError"])  # type: ignore[list-item]


def test_no_more_is_tried_first_than_there_are_trials() -> None:
    first = [{"x": 0.1 * place, "n": 1} for place in range(4)]
    search = minimise(bowl, SPACE, 2, begin_with=first)
    assert [trial.parameters for trial in search.trials] == first[:2] and not search.running
    with pytest.raises(TypeError, match="a list of parameters"):
        minimise(bowl, SPACE, 2, begin_with=first[0])  # type: ignore[arg-type]


def test_what_has_ended_beside_a_call_that_ends_the_search_is_kept(tmp_path: Path) -> None:
    class AtOnce(Executor):
        """All that are submitted end before anybody waits."""

        def submit(self, function: Any, /, *given: Any, **named: Any) -> Future[Any]:
            future: Future[Any] = Future()
            try:
                future.set_result(function(*given, **named))
            except LookupError as error:
                future.set_exception(error)
            return future

    called: list[object] = []

    def breaks(at: Mapping[str, Any]) -> float:
        called.append(at)
        if len(called) == 1:
            raise LookupError
        return bowl(at)

    with pytest.raises(LookupError):
        minimise(breaks, SPACE, 3, workers=3, executor=AtOnce(), file=tmp_path / "search.json")
    kept = Search.load(tmp_path / "search.json")
    assert [trial.number for trial in kept.running] == [1] and len(kept.trials) == 3


def test_a_function_that_returns_no_result_is_told_so() -> None:
    with pytest.raises(TypeError, match=r"a result is a number.* not {'loss': 1}"):
        minimise(lambda at: {"loss": 1}, SPACE, 3)  # type: ignore[arg-type, return-value]
