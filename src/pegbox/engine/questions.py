"""Questions that strategies are answering while nobody holds the tuning jobs they are about.

An answer may take many seconds.  Whoever wants one lets go of the tuning job, which is looked at meanwhile as ever: its
training jobs end, and rules judge what they publish.  When the answer is there, the tuning job is poked.  As long as
answers come in a moment, they are waited for: to let go and come back costs more.  Questions and answers live in
memory: after a crash, and on another server, the same is asked again.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from pegbox.baton import put_down
from pegbox.engine.context import Context
from pegbox.engine.proposer import Answer, Question

MOMENT = 0.02  #: seconds
MOST_KNOWN = 1000  #: questions whose answers are awaited or kept; of more, the oldest are forgotten and asked again


@dataclass(frozen=True, slots=True)
class Subject:
    """What a question is about: a definition of a tuning job, after so many of its training jobs were launched."""

    tuning_job: int  #: id of its row
    place: int  #: of the definition
    launched: int


class Asks(Protocol):
    """Whom tuning jobs ask."""

    def ask(self, subject: Subject, question: Callable[[], Question]) -> Answer | None:
        """The answer, once; None as long as it is not there.  Raises Closing."""
        ...

    def forget(self, tuning_job: int) -> None:
        """It wants no more answers."""
        ...


class AtOnce:
    """Asks that wait for each answer, for whoever has one tuning job after the other."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def ask(self, subject: Subject, question: Callable[[], Question]) -> Answer:
        """The answer."""
        return _answered(self._context, question())

    def forget(self, tuning_job: int) -> None:
        """Nothing is kept."""


@dataclass(slots=True)
class _Asked:
    """A question that was put; it has an answer or an error once it `is_answered`."""

    subject: Subject
    at: float  #: monotonic
    is_answered: bool = False
    answer: Answer | None = None
    error: BaseException | None = None
    is_waited_for: bool = False
    done: threading.Event = field(default_factory=threading.Event)  #: set if it is waited for


class Questions:
    """Asks that are answered later.  `submit` has something done soon, in any thread.

    If the last answer was there within `moment` seconds, the next one is waited for as long.
    A question about a definition takes the place of an earlier one: whatever was launched meanwhile was by another
    server, and the answer would propose it again.
    """

    def __init__(
        self,
        context: Context,
        poke: Callable[[Collection[int]], None],
        submit: Callable[[Callable[[], None]], None],
        moment: float = 0.0,
    ) -> None:
        self._context, self._poke, self._submit = context, poke, submit
        self._moment, self._last = moment, 0.0  # seconds until the last answer was there
        self._known: OrderedDict[tuple[int, int], _Asked] = OrderedDict()
        self._lock = threading.Lock()

    def ask(self, subject: Subject, question: Callable[[], Question]) -> Answer | None:
        """The answer if it is there; else the tuning job is poked when it is."""
        key = (subject.tuning_job, subject.place)
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.subject == subject:
                return self._take(known)
        asked = _Asked(subject, time.monotonic())
        work = partial(self._answer, asked, question())
        with self._lock:
            self._known[key] = asked
            self._known.move_to_end(key)
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
            asked.is_waited_for = self._last < self._moment
        self._submit(work)
        return self._wait(asked) if asked.is_waited_for else None

    def _wait(self, asked: _Asked) -> Answer | None:
        with put_down():
            asked.done.wait(self._moment)
        with self._lock:
            asked.is_waited_for = False
            return self._take(asked)

    def _take(self, asked: _Asked) -> Answer | None:
        """The answer, which is then forgotten; None as long as it is not there."""
        if not asked.is_answered:
            return None
        key = (asked.subject.tuning_job, asked.subject.place)
        if self._known.get(key) is asked:
            del self._known[key]
        if asked.error is not None:
            raise asked.error
        return asked.answer

    def forget(self, tuning_job: int) -> None:
        """Let go of answers, and do not begin with what nobody wants to know any more."""
        with self._lock:
            for key in [key for key in self._known if key[0] == tuning_job]:
                del self._known[key]

    def _answer(self, asked: _Asked, question: Question) -> None:
        if self._is_awaited(asked):
            try:
                asked.answer = _answered(self._context, question)
            except BaseException as error:
                asked.error = error
            with self._lock:
                asked.is_answered, self._last = True, time.monotonic() - asked.at
                is_waited_for = asked.is_waited_for
            if is_waited_for:
                asked.done.set()
            else:
                self._poke([asked.subject.tuning_job])

    def _is_awaited(self, asked: _Asked) -> bool:
        with self._lock:
            return self._known.get((asked.subject.tuning_job, asked.subject.place)) is asked


class Desk:
    """A thread that does one thing after the other; what is left when it is told to end is not done."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._is_open = True
        self._thread = threading.Thread(target=self._serve, name="questions", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, work: Callable[[], None]) -> None:
        """Have this done after everything that was put before."""
        self._queue.put(work)

    def close(self) -> None:
        """End after what is being done now."""
        self._is_open = False
        self._queue.put(lambda: None)

    def _serve(self) -> None:
        while self._is_open:
            self._queue.get()()


def _answered(context: Context, question: Question) -> Answer:
    began = time.perf_counter()
    answer = context.proposer.ask(question)
    context.observer.asked(question.strategy, time.perf_counter() - began, answer.fault is not None)
    return answer
