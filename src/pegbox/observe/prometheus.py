"""The server's metrics, in the text format of Prometheus.

Names and units follow "Metric and label naming" of the Prometheus documentation.  No label takes a value that clients
can make up.  What lies in the database is counted when somebody asks, not when it changes: several servers share it.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

T = TypeVar("T")

CONTENT_TYPE = CONTENT_TYPE_LATEST
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
STEP_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0)
SHARE = 100.0  #: a count that takes long is made so seldom that it takes a hundredth of the time
FAULT = "fault"  #: how work ends that meets an unexpected fault
SHORTEST = 1.0  #: seconds for which a count is kept in any case


@dataclass(frozen=True, slots=True, kw_only=True)
class Living:
    """What has not ended."""

    jobs: Mapping[tuple[str, str], int]  #: (kind, status) -> how many
    used: int  #: slots of this home that are taken
    waiting: int  #: training jobs without a slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the built-in object store holds."""

    objects: int
    size: int  #: bytes
    buckets: int
    uploads: int  #: multipart uploads that are neither complete nor aborted


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where what is counted at each scrape comes from.  All may raise one of `trouble`: then its metrics are absent."""

    living: Callable[[], Living]
    ended: Callable[[], Mapping[tuple[str, str], int]]  #: (kind, status) -> how many
    stored: Callable[[], Stored]
    slots: int
    statuses: Mapping[str, Collection[str]]  #: kind -> its statuses, which are shown also when nothing has them
    strategies: Collection[str]  #: names of those that there are
    trouble: tuple[type[Exception], ...]


class Exchange(Protocol):
    """A request that has been answered."""

    @property
    def service(self) -> str:
        """Name of a service that is served, or "unknown"."""
        ...

    @property
    def operation(self) -> str:
        """Name of an operation that is served, or "unknown"."""
        ...

    @property
    def status(self) -> int:
        """HTTP status, 0 when the client left before the answer."""
        ...

    @property
    def received(self) -> int:
        """Bytes of the request's body."""
        ...

    @property
    def sent(self) -> int:
        """Bytes of the answer's body."""
        ...

    @property
    def seconds(self) -> float:
        """From the request's head to the last byte of its answer."""
        ...


class Metrics:
    """Counts what it is told, and shows it with what `watch` adds.  Thread-safe."""

    def __init__(self, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series, and nobody asks for them
        self.registry = CollectorRegistry()
        self.labels: dict[str, tuple[str, ...]] = {}  #: of each metric that has some
        ProcessCollector(registry=self.registry)
        build = Info("pegbox_build", "The running version.", registry=self.registry)
        build.info({"version": version, "python": platform.python_version()})
        self._requests = self._counter(
            "pegbox_requests", "Requests answered, by HTTP status.", "service", "operation", "code"
        )
        self._request_faults = self._counter(
            "pegbox_request_faults", "Requests answered with status 500 or more, but for 501, which is no fault."
        )
        self._request_seconds = self._histogram(
            "pegbox_request_duration_seconds",
            "From a request's head to the last byte of its answer.",
            REQUEST_SECONDS,
            "service",
            "operation",
        )
        self._bytes = self._counter("pegbox_request_bytes", "Bytes of bodies, in and out.", "service", "direction")
        self._claims = self._counter("pegbox_engine_claims", "Rows claimed for work.", "kind")
        self._work = self._counter("pegbox_engine_work", "Work on rows, by how it ended.", "kind", "result")
        self._lost = self._counter("pegbox_engine_leases_lost", "Leases that another server took over.")
        self._step_seconds = self._histogram(
            "pegbox_engine_step_duration_seconds", "Steps of work on jobs.", STEP_SECONDS, "step"
        )
        self._points = self._counter("pegbox_metric_points_imported", "Metric points read from attempts.")
        self._ended = self._counter("pegbox_jobs_ended", "Jobs that this server ended.", "kind", "status")
        self._question_seconds = self._histogram(
            "pegbox_proposer_duration_seconds", "Questions to a strategy, until the answer.", STEP_SECONDS, "strategy"
        )
        self._fallbacks = self._counter(
            "pegbox_proposer_fallbacks", "Questions that random search answered instead.", "strategy"
        )
        self._object_bytes = self._counter(
            "pegbox_object_bytes", "Bytes of objects that jobs brought in (outputs) and took out (inputs).", "direction"
        )

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        self.labels[name] = labels
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(self, name: str, meaning: str, buckets: Sequence[float], *labels: str) -> Histogram:
        self.labels[name] = labels
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

    def watch(self, sources: Sources) -> None:
        """Show what is counted in the database as well, and faults at 0, since the first is to be seen as a change."""
        for kind in sources.statuses:
            self._work.labels(kind, FAULT)
        for strategy in sources.strategies:
            self._fallbacks.labels(strategy)
        self.registry.register(_Counts(sources))

    def render(self) -> bytes:
        """The answer to a scrape."""
        return generate_latest(self.registry)

    def answered(self, exchange: Exchange) -> None:
        """A request has its answer, or its client is gone."""
        service, operation = exchange.service, exchange.operation
        self._requests.labels(service, operation, str(exchange.status)).inc()
        self._request_faults.inc(int(exchange.status >= 500 and exchange.status != 501))
        self._request_seconds.labels(service, operation).observe(exchange.seconds)
        self._bytes.labels(service, "in").inc(exchange.received)
        self._bytes.labels(service, "out").inc(exchange.sent)

    def claimed(self, kind: str) -> None:
        """A row was claimed."""
        self._claims.labels(kind).inc()

    def worked(self, kind: str, result: str) -> None:
        """Work on a row ended."""
        self._work.labels(kind, result).inc()
        if result == "fenced":
            self._lost.inc()

    def stepped(self, step: str, seconds: float) -> None:
        """One step of work was carried out."""
        self._step_seconds.labels(step).observe(seconds)

    def imported(self, points: int) -> None:
        """So many metric points were read from attempts."""
        self._points.inc(points)

    def asked(self, strategy: str, seconds: float, fallback: bool) -> None:
        """A strategy was asked."""
        self._question_seconds.labels(strategy).observe(seconds)
        self._fallbacks.labels(strategy).inc(int(fallback))

    def ended(self, kind: str, status: str) -> None:
        """A job has reached its terminal status."""
        self._ended.labels(kind, status).inc()

    def carried(self, direction: str, size: int) -> None:
        """Bytes of an object went in or out on behalf of a job."""
        self._object_bytes.labels(direction).inc(size)


class _Counts:
    """A collector (prometheus_client) of what is counted at each scrape."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._ended = Kept(sources.ended)
        self._stored = Kept(sources.stored)

    def describe(self) -> Iterable[Metric]:
        """Nothing: or registering would count."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The metrics, as they are now."""
        up = 1
        try:
            yield from self._jobs(self._sources.living(), self._ended.get())
        except self._sources.trouble:
            up = 0
        yield GaugeMetricFamily("pegbox_database_up", "Whether the database answered this scrape.", up)
        try:
            yield from _objects(self._stored.get())
        except self._sources.trouble:
            return

    def _jobs(self, living: Living, ended: Mapping[tuple[str, str], int]) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("pegbox_jobs", "Jobs in the database, by status.", labels=("kind", "status"))
        for kind, statuses in self._sources.statuses.items():
            for status in statuses:
                alike = (kind, status)
                jobs.add_metric(alike, living.jobs.get(alike, 0) + ended.get(alike, 0))
        yield jobs
        slots = GaugeMetricFamily("pegbox_slots", "Slots of this home.", labels=("state",))
        slots.add_metric(("used",), living.used)
        slots.add_metric(("free",), max(0, self._sources.slots - living.used))
        yield slots
        yield GaugeMetricFamily("pegbox_jobs_waiting", "Training jobs that wait for a slot.", living.waiting)


def _objects(stored: Stored) -> Iterator[Metric]:
    yield GaugeMetricFamily("pegbox_objects", "Objects in the built-in store.", stored.objects)
    yield GaugeMetricFamily("pegbox_objects_size_bytes", "Bytes of these objects.", stored.size)
    yield GaugeMetricFamily("pegbox_buckets", "Buckets in the built-in store.", stored.buckets)
    yield GaugeMetricFamily("pegbox_uploads", "Multipart uploads that are under way.", stored.uploads)


@dataclass(slots=True)
class Kept(Generic[T]):
    """A count that is kept for a hundred times as long as it took."""

    count: Callable[[], T]
    clock: Callable[[], float] = time.monotonic
    _value: T | None = None
    _until: float = 0.0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def get(self) -> T:
        """The count, fresh or kept."""
        with self._guard:
            began = self.clock()
            if self._value is None or began >= self._until:
                self._value = self.count()
                ended = self.clock()
                self._until = ended + max(SHORTEST, SHARE * (ended - began))
            return self._value
