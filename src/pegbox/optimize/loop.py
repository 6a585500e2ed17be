"""A whole search in one call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from pegbox.optimize.ranges import Range
from pegbox.optimize.search import Search, Trial
from pegbox.optimize.values import Told
from pegbox.strategies.base import Exhausted

#: Parameters by name -> a number; None or nan for a failure; Stopped or Finished, with or without a curve.
Function: TypeAlias = Callable[[dict[str, Any]], Told]
File: TypeAlias = str | os.PathLike[str]


def minimise(
    function: Function,
    space: Mapping[str, Range],
    trials: int,
    *,
    seed: int = 0,
    workers: int = 1,
    executor: Executor | None = None,
    begin_with: Iterable[Mapping[str, Any]] = (),
    failures: Sequence[type[Exception]] | type[Exception] = (),
    file: File | None = None,
    strategy: str = "Bayesian",
    earlier: Sequence[Search] = (),
    identical: bool = False,
) -> Search:
    """Call `function` with parameters of the space, `trials` times in all, and return the search with all results.

    workers: calls at once, in threads, or where `executor` runs them (a ProcessPoolExecutor, say).
    begin_with: parameters that are tried first.  failures: exceptions that mean that a trial has failed; others end
    the search.  file: the search is kept there after every result; if the file exists, the search goes on from it.
    earlier, identical: searches to learn from, as `Search` takes them; one that goes on knows those it began with.
    """
    fresh = Search(
        space,
        goal="minimise",
        trials=trials,
        seed=seed,
        strategy=strategy,
        at_once=_counted(workers),
        earlier=earlier,
        identical=identical,
    )
    search = _continued(fresh, file)
    return _Loop(function, search, search.planned, _classes(failures), file).run(workers, executor, begin_with)


def maximise(
    function: Function,
    space: Mapping[str, Range],
    trials: int,
    *,
    seed: int = 0,
    workers: int = 1,
    executor: Executor | None = None,
    begin_with: Iterable[Mapping[str, Any]] = (),
    failures: Sequence[type[Exception]] | type[Exception] = (),
    file: File | None = None,
    strategy: str = "Bayesian",
    earlier: Sequence[Search] = (),
    identical: bool = False,
) -> Search:
    """The same as `minimise` for the largest value."""
    fresh = Search(
        space,
        goal="maximise",
        trials=trials,
        seed=seed,
        strategy=strategy,
        at_once=_counted(workers),
        earlier=earlier,
        identical=identical,
    )
    search = _continued(fresh, file)
    return _Loop(function, search, search.planned, _classes(failures), file).run(workers, executor, begin_with)


def _continued(fresh: Search, file: File | None) -> Search:
    """The search of the file, if it is there, else the new one."""
    if file is None or not os.path.exists(file):
        return fresh
    kept = Search.load(file)
    if any(getattr(kept, name) != getattr(fresh, name) for name in ("space", "goal", "seed", "strategy")):
        raise ValueError(f"{os.fspath(file)} holds another search: its space, goal, seed or strategy is not the same")
    kept.planned, kept.at_once = fresh.planned, fresh.at_once
    return kept


def _counted(workers: int) -> int:
    if workers < 1:
        raise ValueError("workers begin at 1")
    return workers


def _classes(failures: Sequence[type[Exception]] | type[Exception]) -> tuple[type[Exception], ...]:
    """Looked at now, and not when the first call has failed."""
    found = (failures,) if isinstance(failures, type) else tuple(failures)
    for each in found:
        if not (isinstance(each, type) and issubclass(each, Exception)):
            raise TypeError(f"failures are classes of exceptions, as in (ValueError,); {each!r} is none")
    return found


@dataclass(frozen=True, slots=True)
class _Loop:
    function: Function
    search: Search
    most: int
    failures: tuple[type[Exception], ...]
    file: File | None

    def run(self, workers: int, executor: Executor | None, begin_with: Iterable[Mapping[str, Any]]) -> Search:
        if isinstance(begin_with, Mapping):
            raise TypeError("begin_with is a list of parameters: write [{...}]")
        if not self.search.trials:
            for parameters in islice(begin_with, self.most):
                self.search.begin(parameters)
        self._keep()  # where nothing can be written, no result is lost
        if workers == 1 and executor is None:
            for trial in self._trials():
                self._tell(trial, lambda at=trial: self.function(dict(at.parameters)))  # type: ignore[misc]
        else:
            with nullcontext(executor) if executor else ThreadPoolExecutor(workers) as pool:
                self._run_side_by_side(pool, workers)
        return self.search

    def _run_side_by_side(self, pool: Executor, workers: int) -> None:
        running: dict[Future[Told], Trial] = {}
        trials = self._trials()
        try:
            while True:
                while len(running) < workers and (trial := next(trials, None)) is not None:
                    running[pool.submit(self.function, dict(trial.parameters))] = trial
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                # whatever ends the search, what has ended beside it is told first
                for future in sorted(done, key=lambda each: (_is_end(each, self.failures), running[each].number)):
                    self._tell(running.pop(future), future.result)
        finally:
            for future in running:
                future.cancel()

    def _trials(self) -> Iterator[Trial]:
        """Those that were begun, maybe by a search that was broken off, then what is asked for, to the end."""
        yield from self.search.running[: self.most]
        while len(self.search.trials) < self.most:
            try:
                trial = self.search.ask()
            except Exhausted:
                return
            yield trial

    def _tell(self, trial: Trial, outcome: Callable[[], Told]) -> None:
        try:
            value = outcome()
        except self.failures:
            value = None
        self.search.tell(trial, value)
        self._keep()

    def _keep(self) -> None:
        if self.file is not None:
            self.search.save(self.file)


def _is_end(future: Future[Told], failures: tuple[type[Exception], ...]) -> bool:
    error = future.exception()
    return error is not None and not isinstance(error, failures)
