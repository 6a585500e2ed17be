"""Resources, what a parent knows of its children, and metric points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pegbox.naming import arn


class Kind(StrEnum):
    """What a resource is; the value is the ARN's resource part."""

    TUNING_JOB = "hyper-parameter-tuning-job"
    TRAINING_JOB = "training-job"
    DELETED_JOB = "deleted-training-job"  #: of a training job, whose ARN it has
    EXPERIMENT = "experiment"
    TRIAL = "experiment-trial"
    TRIAL_COMPONENT = "experiment-trial-component"
    MODEL = "model"
    ENDPOINT_CONFIG = "endpoint-config"
    ENDPOINT = "endpoint"
    ARTIFACT = "artifact"
    ACTION = "action"
    CONTEXT = "context"


TRAINED = frozenset({Kind.TRAINING_JOB, Kind.DELETED_JOB})  #: there are attempts of them, with logs
JOBS = frozenset({Kind.TUNING_JOB, Kind.TRAINING_JOB})  #: what the engine works on; nothing happens to the others


class Owner(Protocol):
    """Whatever has an account and a region."""

    @property
    def account(self) -> str:
        """Twelve digits."""
        ...

    @property
    def region(self) -> str:
        """Of AWS."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A row.  `document` is what clients see, `state` what the engine remembers."""

    id: int = 0  #: given by insert
    account: str
    region: str
    kind: Kind
    name: str
    parent_id: int | None = None  #: the tuning job of a training job, the experiment of a trial
    number: int | None = None  #: launch order within the parent, from 1
    status: str
    outcome: str | None = None  #: counter bucket once ended: Completed, Stopped, RetryableError, NonRetryableError
    objective: float | None = None  #: final objective value, for children of tuning jobs
    created_at: float
    modified_at: float
    ended_at: float | None = None  #: of what is no job, when it was made
    host: str | None = None  #: where it holds a slot
    document: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    due_at: float | None = None  #: when the engine should look again; None: never
    epoch: int = 0  #: raised by every claim
    version: int = 0  #: raised by every change

    @classmethod
    def kept(
        cls, kind: Kind, name: str, document: Mapping[str, Any], owner: Owner, at: float, parent_id: int | None = None
    ) -> Resource:
        """What is no job: nothing happens to it by itself.  `at`: when it is made (epoch seconds)."""
        return cls(
            account=owner.account,
            region=owner.region,
            kind=kind,
            name=name,
            parent_id=parent_id,
            status="",
            created_at=at,
            modified_at=at,
            ended_at=at,
            document=document,
        )

    @property
    def arn(self) -> str:
        """Its name everywhere."""
        kind = Kind.TRAINING_JOB if self.kind is Kind.DELETED_JOB else self.kind
        return arn(kind, self.name, account=self.account, region=self.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What a parent must know of a child; of many, since it asks whenever one ends."""

    id: int
    number: int
    status: str
    outcome: str | None
    objective: float | None
    ended_at: float | None
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One value of one metric; (resource, attempt, offset) is its identity."""

    attempt: int
    offset: int
    host: str
    metric: str
    value: float
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many children share a status, an outcome and having an objective value."""

    status: str
    outcome: str | None
    has_objective: bool
    count: int
