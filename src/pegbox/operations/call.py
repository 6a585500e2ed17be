"""One call of an operation: who asks, and what the operation may use."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from pegbox import naming
from pegbox.logs.base import LogStore, Nowhere
from pegbox.objects.base import Location
from pegbox.store.base import Store
from pegbox.store.image import Image


class Presence(Protocol):
    """Tells whether data is there before something is made that needs it."""

    def __call__(self, location: Location, *, as_prefix: bool) -> bool:
        """Whether there is an object, or with `as_prefix` anything that begins so.  Raises Refused, Unreachable."""
        ...


def _unknown(bucket: str) -> bool | None:
    return None


def _assumed(location: Location, *, as_prefix: bool) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The caller and the services that operations work with."""

    request_id: str
    account: str
    region: str
    key_id: str
    store: Store
    clock: Callable[[], float]  #: epoch seconds
    seed: Callable[[], int]  #: a fresh seed for a search without RandomSeed
    find_image: Callable[[str], Image | None]  #: what a registered image runs
    poke: Callable[[Collection[int]], None]  #: let the engine look at these resources now
    most_at_once: int = 100  #: MaxParallelTrainingJobs
    most_tuning_jobs: int  #: of an account and region at once
    most_tuning_days: float = 30.0  #: for which a tuning job may run
    most_warm_start_changes: int  #: of hyperparameters, between a tuning job and its parents
    hyperband_model: bool = False  #: whether a new search of Strategy Hyperband asks a model
    one_contains: bool = False  #: whether a search may look inside the values of one property only
    is_there: Presence = _assumed  #: in the caller's buckets
    has_bucket: Callable[[str], bool | None] = _unknown  #: the caller; None where buckets are kept elsewhere
    logs: LogStore = field(default_factory=Nowhere)

    def arn(self, kind: str, name: str) -> str:
        """The ARN of something of the caller's."""
        return naming.arn(kind, name, account=self.account, region=self.region)

    def owns(self, kind: str, text: str) -> bool:
        """Whether it is an ARN of this kind of the caller's, in whatever case, there or not."""
        beginning = self.arn(kind, "")
        return text.lower().startswith(beginning.lower()) and "/" not in text[len(beginning) :]
