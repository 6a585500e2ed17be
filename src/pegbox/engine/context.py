"""What the engine's parts work with."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from pegbox.domain.training import Phase, TrainingJob
from pegbox.engine.ballast import Ballast
from pegbox.engine.followed import FollowedJobs
from pegbox.engine.observer import Observer, Unobserved
from pegbox.engine.outage import Outage
from pegbox.engine.proposer import Proposer
from pegbox.executors.base import Executor
from pegbox.objects.base import ObjectStore
from pegbox.settings import Settings
from pegbox.store.base import Store
from pegbox.store.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The engine's surroundings; made once, by the composition root."""

    settings: Settings
    host: str  #: identity of this home: whose slots and attempts are ours
    store: Store
    executor: Executor
    objects: ObjectStore
    proposer: Proposer
    find_image: Callable[[str], Image | None]
    clock: Callable[[], float]  #: epoch seconds, for the times that clients see
    poke: Callable[[Collection[int]], None]  #: let the engine look at these resources now
    database: Outage  #: tells the log of a database that does not answer
    ballast: Ballast  #: room for the database when its disk is full
    observer: Observer = field(default_factory=Unobserved)
    followed: FollowedJobs = field(default_factory=FollowedJobs)


def attempt_directory(home: str, resource_id: int, attempt: int) -> Path:
    """Where an attempt lives, below the home of the server that started it."""
    return Path(f"{home}/attempts/{resource_id}/{attempt}")  # of parts it would take several times as long


def is_wanted(job: TrainingJob, resource_id: int, home: Path, directory: Path) -> bool:
    """Whether a job goes on in this directory below `home`, or has failed for a fault of ours and keeps what it made.

    An attempt with a later number than the job knows has been begun by a server that was quicker.
    """
    own = attempt_directory(job.home or str(home), resource_id, job.attempt)
    if job.phase is Phase.ENDED:
        return job.broken and own == directory
    return own == directory or int(directory.name) > job.attempt
