"""Asking a strategy in a process of its own: a model fit must neither hold up the API nor be able to hang it.

The worker starts with the first question, says when it has begun, has one BLAS thread, and ends when its pipe closes,
so it never outlives the server.  A question that takes too long or kills the worker is answered by random search, and
the next worker is fresh.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from pegbox.engine import pipes
from pegbox.engine.retelling import Listener, Retold, Teller
from pegbox.strategies.base import Candidate, Study

_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
FALLBACK = "Random"
HELLO = "hello"  #: what a worker says first, when it has imported what any question needs
START_SECONDS = 60.0  #: for a worker to begin, and to take in a question


@dataclass(frozen=True, slots=True)
class Question:
    """Ask this strategy for so many configurations."""

    strategy: str
    study: Study
    count: int
    key: Hashable = None  #: which study it is: the same key means the same study, further on


@dataclass(frozen=True, slots=True)
class _Told:
    """A question as it goes to the worker."""

    strategy: str
    count: int
    retold: Retold


@dataclass(frozen=True, slots=True)
class Answer:
    """What the strategy said."""

    candidates: Sequence[Candidate] = ()
    exhausted: bool = False  #: nothing is left to propose, ever
    fault: str | None = None  #: traceback of a strategy that failed
    is_passing: bool = False  #: the fault is one of the process and not of the strategy: ask again later

    @property
    def expected(self) -> float | None:
        """What a model, if there is one, expects the next training job to gain on the best, at most."""
        return self.candidates[0].expected if self.candidates else None


class Closing(Exception):
    """The proposer was closed: the question will be asked again by the next server."""


class _LateStart(Exception):
    """A worker has not begun in START_SECONDS."""


class Proposer(Protocol):
    """Answers questions."""

    def ask(self, question: Question) -> Answer:
        """Ask; never raises for a strategy's own faults.  Raises Closing."""
        ...

    def close(self) -> None:
        """Let go of the worker."""
        ...


class ProcessProposer:
    """A Proposer with one worker process.  Thread-safe; questions are answered one after the other.

    The worker has the variables of `environment`, and none of the server's others: it needs no secrets.
    """

    def __init__(self, timeout: float, environment: Mapping[str, str] | None = None) -> None:
        self._timeout = timeout
        self._environment = {**(environment or {}), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._worker: subprocess.Popen[bytes] | None = None
        self._teller = Teller()
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, question: Question) -> Answer:
        """Ask the strategy, or random search when it fails or takes more than `timeout` seconds.

        Raises Closing when the proposer was closed before there was an answer.
        """
        with self._lock:
            answer = self._answer(question)
            if answer.fault is None or question.strategy == FALLBACK:
                return answer
            second = self._answer(replace(question, strategy=FALLBACK))
            return replace(second, fault="\n".join(filter(None, (answer.fault, second.fault))))

    def _answer(self, question: Question) -> Answer:
        for _ in range(2):  # a worker that was killed from outside is replaced once
            if self._closed:
                raise Closing
            try:
                source, sink = self._pipes()
                told = _Told(question.strategy, question.count, self._teller.tell(question.key, question.study))
                pipes.send_until(sink, told, time.monotonic() + max(START_SECONDS, self._timeout))
                return _answered(pipes.receive_until(source, time.monotonic() + self._timeout))
            except _LateStart:
                self._end()
                fault = f"the process of the {question.strategy} strategy did not begin within {START_SECONDS:g} s"
                return Answer(fault=fault, is_passing=True)
            except TimeoutError:
                self._end()  # one that was stopped neither reads what it is sent nor answers
                fault = f"the {question.strategy} strategy gave no answer: no answer within {self._timeout:g} s"
                return Answer(fault=fault, is_passing=True)
            except (OSError, EOFError):
                self._end()
        if self._closed:
            raise Closing
        return Answer(fault=f"the process of the {question.strategy} strategy died twice", is_passing=True)

    @property
    def pid(self) -> int:
        """Of the worker; 0 while there is none."""
        worker = self._worker
        return 0 if worker is None else worker.pid

    def close(self) -> None:
        """End the worker, also in the middle of a question, which then has no answer."""
        self._closed = True
        worker = self._worker
        if worker is not None:
            worker.kill()
        with self._lock:
            self._end()

    def _pipes(self) -> tuple[int, int]:
        """Where answers come from and where questions go, of a worker that has begun."""
        if self._worker is None or self._worker.poll() is not None:
            self._end()
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "pegbox.engine.proposer"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**self._environment, **dict.fromkeys(_ONE_THREAD, "1")},
                start_new_session=True,  # Ctrl-C in the terminal is for the server
                bufsize=0,
            )
            source, sink = _descriptors(self._worker)
            _greeted(source)
            return source, sink
        return _descriptors(self._worker)

    def _end(self) -> None:
        worker, self._worker = self._worker, None
        self._teller = Teller()
        if worker is not None:
            worker.kill()
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _descriptors(worker: subprocess.Popen[bytes]) -> tuple[int, int]:
    questions, answers = worker.stdin, worker.stdout
    if questions is None or answers is None:
        raise EOFError("the worker has no pipes")
    for pipe in (questions, answers):
        os.set_blocking(pipe.fileno(), False)
    return answers.fileno(), questions.fileno()


def _greeted(source: int) -> None:
    try:
        said = pipes.receive_until(source, time.monotonic() + START_SECONDS)
    except TimeoutError as error:
        raise _LateStart from error
    if said != HELLO:
        raise EOFError(f"not a worker: {said!r}")


def _answered(answer: object) -> Answer:
    if not isinstance(answer, Answer):
        raise EOFError(f"not an answer: {answer!r}")
    return answer


def answer(question: Question) -> Answer:
    """Ask the strategy in this process; the generator depends on the seed and on how much has been launched."""
    import traceback

    from numpy.random import default_rng

    from pegbox.strategies.base import Exhausted
    from pegbox.strategies.registry import STRATEGIES

    launched = max((trial.number for trial in question.study.trials), default=0)
    rng = default_rng([question.study.seed, launched])
    try:
        return Answer(STRATEGIES[question.strategy]().ask(question.study, question.count, rng))
    except Exhausted:
        return Answer(exhausted=True)
    except Exception:
        return Answer(fault=traceback.format_exc(limit=20))


def prepare(strategy: str | None = None) -> None:
    """Import what any question needs, and what later ones of a strategy need, while the first training jobs run."""
    import importlib

    from pegbox.strategies.registry import LATER

    for module in ("numpy.random", *LATER.get(strategy or "", ())):
        importlib.import_module(module)


def main() -> None:
    """The worker: say hello, read questions, write answers, end with the pipe."""
    os.nice(2)  # the API answers first
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not reach the pipe
    prepare()
    pipes.send(sink, HELLO)
    listener = Listener()
    while True:
        try:
            question = pipes.receive(source)
        except EOFError:
            return
        if isinstance(question, _Told):
            study = listener.hear(question.retold)
            pipes.send(sink, answer(Question(question.strategy, study, question.count)))
            prepare(question.strategy)


if __name__ == "__main__":
    # Run as a module this file has two names; pickled questions carry the imported one.
    from pegbox.engine import proposer

    proposer.main()
