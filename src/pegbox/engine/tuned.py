"""The hyperparameters of a tuning job's training jobs, read once: they never change, each proposal needs them all."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping

from pegbox.domain.training import TrainingJob
from pegbox.store.base import Store

MOST_KEPT = 20_000  #: training jobs, a few hundred bytes each

Values = Mapping[str, str]  #: TunedHyperParameters


class TunedValues:
    """What the database says, remembered for the tuning jobs that asked last."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._kept: OrderedDict[int, dict[int, Values]] = OrderedDict()  # tuning job -> training job -> values
        self._lock = threading.Lock()

    def of(self, store: Store, parent: int, children: Collection[int]) -> Mapping[int, Values]:
        """The values of these training jobs of a tuning job, by id."""
        with self._lock:
            known = self._kept.pop(parent, {})
        if missing := [child for child in children if child not in known]:
            with store.reading() as tx:
                states = tx.states(missing)
            known = known | {child: TrainingJob.parse(state).tuned or {} for child, state in states.items()}
        with self._lock:
            self._kept[parent] = known
            self._forget()
        return known

    def add(self, parent: int, values: Mapping[int, Values]) -> None:
        """Training jobs that have just been inserted need not be read."""
        with self._lock:
            if (known := self._kept.get(parent)) is not None:
                self._kept[parent] = {**known, **values}
                self._forget()

    def _forget(self) -> None:
        left = sum(map(len, self._kept.values())) - self._most
        while left > 0 and len(self._kept) > 1:
            left -= len(self._kept.popitem(last=False)[1])
