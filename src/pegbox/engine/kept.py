"""Training jobs whose leases are kept between two looks while they run: a look then neither claims nor reads them.

What is kept is what a claim would read, and no more.  Before a look the rows are asked whether somebody has changed
them, as a stop does, or has taken them, once a tick at least; not because of news of the processes alone, as whatever
is written then asks for the lease.  Leases are renewed with those of all other work, and given up at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from itertools import takewhile

from pegbox.engine.clock import elapsed
from pegbox.engine.context import Context
from pegbox.engine.training import TrainingWork
from pegbox.store.resources import Resource


class KeptJobs:
    """Jobs between two looks; `most` at once: others are let go of.  Whoever uses it from several threads locks it."""

    def __init__(self, context: Context, most: int) -> None:
        self._context, self._most = context, most
        self._kept: dict[int, tuple[TrainingWork, float]] = {}  # with the time of the next look, the next first

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def identities(self) -> Set[int]:
        """Their rows."""
        return self._kept.keys()

    def keep(self, work: TrainingWork, look: float) -> bool:
        """Keep a job until somebody pokes it or the time is `look`, which only grows; False for one too many."""
        if len(self._kept) >= self._most:
            return False
        self._kept[work.resource.id] = work, look
        return True

    def take_these(self, identities: Iterable[int]) -> Sequence[TrainingWork]:
        """Those of them that are kept."""
        return [self._kept.pop(identity)[0] for identity in sorted(identities) if identity in self._kept]

    def take(self, poked: Iterable[int], now: float) -> Sequence[TrainingWork]:
        """Those that are to be looked at."""
        due = takewhile(lambda identity: self._kept[identity][1] <= now, self._kept)
        return self.take_these({*poked, *due})

    def take_all(self) -> Sequence[Resource]:
        """All, to be let go of."""
        return [work.resource for work in self.take_these(list(self._kept))]

    def present(self, works: Sequence[TrainingWork]) -> Sequence[TrainingWork]:
        """As they are now, without those that another server has."""
        if not works:
            return []
        asked = elapsed()
        known = {work.resource.id: work for work in works}
        found = self._context.store.look_again([work.resource for work in works])
        return [self._of(known[row.id], row, asked) for row in found]

    def _of(self, work: TrainingWork, row: Resource, asked: float) -> TrainingWork:
        if row is not work.resource:
            return TrainingWork(self._context, row, asked)
        work.seen(asked)
        return work
