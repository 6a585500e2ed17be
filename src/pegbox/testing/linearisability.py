"""Is a history of concurrent calls one that a sequential object could have given?

A history is linearisable when every call can be given one moment between its begin and its end, so that a sequential
model, called in the order of these moments, gives the same answers.  (Herlihy and Wing 1990, "Linearizability: a
correctness condition for concurrent objects"; Wing and Gong 1993, "Testing and verifying concurrent objects".)

`check` is Lowe's just-in-time linearisation ("Testing for linearizability", 2017): it goes through begins and ends in
order of time, keeps every configuration that is possible so far (a state of the model, and which open calls have had
their moment), and gives a call its moment only when an end asks for it.  Equal configurations are kept once.

Models may have several next states, so an object that changes by itself can be modelled too.  A call without an answer
may have happened before its end, or never.  Histories of independent objects are checked one by one: linearisability is
local.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
M = TypeVar("M", bound=Hashable)

UNANSWERED: Final = "unanswered"  #: the answer of a call that may have happened or not
TOLD = 12  #: calls that a violation shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of one client; times are those of a clock that all clients share."""

    client: int
    operation: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    answer: Any
    began: float
    ended: float  #: of an unanswered call: when it can no longer happen; infinity if that is not known
    reads: bool = False  #: changes nothing, whatever the state

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        what = f"{self.operation}({arguments}) -> {self.answer}"
        return f"{self.began:.6f}..{self.ended:.6f}  client {self.client}  {what}"


class Model(Protocol[M]):
    """A sequential object."""

    @property
    def initial(self) -> M:
        """The state before the first call."""
        ...

    def step(self, state: M, call: Call) -> Iterable[M]:
        """The states in which the object may be after this call with this answer; none if it cannot be given.

        What the object may do by itself before the call is part of the step.  `state` itself must be among the states
        after a call that only reads, if the answer is possible without such a change.
        """
        ...


@dataclass(frozen=True, slots=True)
class Violation(Generic[S]):
    """A call that no order explains, the states that were possible when it ended, and the calls around it."""

    call: Call
    states: Collection[S]
    around: Sequence[Call]

    def __str__(self) -> str:
        states = "\n".join(f"  {state}" for state in sorted(map(str, self.states))[:TOLD])
        around = "\n".join(f"  {call}" for call in self.around)
        return f"no order of the calls explains\n  {self.call}\npossible states then:\n{states}\naround it:\n{around}"


_Configuration = tuple[S, frozenset[int]]  #: a state, and the open calls that have had their moment


def check(model: Model[S], calls: Sequence[Call]) -> Violation[S] | None:
    """None if the history is linearisable."""
    possible: set[tuple[S, frozenset[int]]] = {(model.initial, frozenset())}
    opened: set[int] = set()
    for number, ends in _events(calls):
        if not ends:
            opened.add(number)
            continue
        passed = {(state, done - {number}) for state, done in _explain(model, calls, possible, opened, number)}
        if calls[number].answer == UNANSWERED:
            passed |= {(state, done) for state, done in possible if number not in done}
        if not passed:
            return Violation(calls[number], {state for state, _ in possible}, _around(calls, calls[number]))
        opened.remove(number)
        possible = passed
    return None


def _events(calls: Sequence[Call]) -> Iterator[tuple[int, bool]]:
    """Begins and ends in order of time; of equal times the begins first, since the clock is no finer."""
    begins = ((call.began, False, number) for number, call in enumerate(calls))
    ends = ((call.ended, True, number) for number, call in enumerate(calls))
    for _, is_end, number in sorted([*begins, *ends]):
        yield number, is_end


def _explain(
    model: Model[S], calls: Sequence[Call], possible: Iterable[_Configuration[S]], opened: set[int], number: int
) -> Iterator[_Configuration[S]]:
    """The configurations in which call `number` has had its moment, perhaps after others that are open."""
    seen = set(possible)
    todo = list(seen)
    while todo:
        state, done = todo.pop()
        if number in done:
            yield state, done
            continue
        for following in _following(model, calls, state, done, opened):
            if following not in seen:
                seen.add(following)
                todo.append(following)


def _following(
    model: Model[S], calls: Sequence[Call], state: S, done: frozenset[int], opened: set[int]
) -> Sequence[_Configuration[S]]:
    """Every configuration that is one call further."""
    found: list[tuple[S, frozenset[int]]] = []
    for other in opened - done:
        states = set(model.step(state, calls[other]))
        if calls[other].reads and state in states:
            return [(state, done | {other})]  # it may as well read now: whatever it can see later stays possible
        found += [(after, done | {other}) for after in states]
    return found


def _around(calls: Sequence[Call], failed: Call) -> Sequence[Call]:
    """The calls that ended last before a call did, and those that were open then."""
    near = [call for call in calls if call.began <= failed.ended]
    return sorted(sorted(near, key=lambda call: call.ended)[-TOLD:], key=lambda call: call.began)
