"""The composition root: settings become a database, object stores, an executor, an engine and an ASGI application.

The only module that knows all layers.
"""

from __future__ import annotations

import os
import pkgutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from starlette.types import ASGIApp

from pegbox import __version__, heap, operations
from pegbox.domain import training, tuning
from pegbox.engine import homes
from pegbox.engine.ballast import Ballast
from pegbox.engine.context import Context
from pegbox.engine.loop import Engine
from pegbox.engine.mailbox import Mailbox
from pegbox.engine.outage import Outage
from pegbox.engine.proposer import ProcessProposer
from pegbox.engine.wake import WakeSocket
from pegbox.errors import ServiceUnavailable
from pegbox.executors.containment import Containment, tell_what_is_missing
from pegbox.executors.subprocess import SubprocessExecutor, inherited
from pegbox.home import identity_of, open_store
from pegbox.invocation import Invocation
from pegbox.keys import KeyRing
from pegbox.logs.files import AttemptLogs
from pegbox.objects.base import ObjectStore
from pegbox.objects.files import FileStore
from pegbox.objects.local import LocalStore
from pegbox.objects.metered import MeteredStore
from pegbox.objects.remote import RemoteStore
from pegbox.objects.routed import RoutedStore
from pegbox.observe.prometheus import Living, Metrics, Sources, Stored
from pegbox.operations import indexing
from pegbox.pages import Pages
from pegbox.settings import Settings, is_loopback
from pegbox.slow import telling
from pegbox.store import place
from pegbox.store.base import Unavailable
from pegbox.store.census import Counted
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.strategies.registry import STRATEGIES
from pegbox.wire.connections import parting
from pegbox.wire.gateway import Access, Gateway
from pegbox.wire.registry import Table, collect
from pegbox.wire.rest_s3 import S3Endpoint

DAY = 86_400.0  #: seconds
STOP_SECONDS = 5.0  #: how long the engine may take to finish what it is doing


def operation_table() -> Table:
    """Every operation that is served: whatever the modules of `operations` mark as one."""
    names = [module.name for module in pkgutil.iter_modules(operations.__path__)]
    return collect(import_module(f"{operations.__name__}.{name}") for name in names)


@dataclass(frozen=True, slots=True)
class Server:
    """A composed server; `start` and `stop` frame its life."""

    settings: Settings
    store: SqlStore
    engine: Engine
    files: FileStore
    wake: WakeSocket
    context: Context
    containment: Containment
    asgi: ASGIApp
    stopped: threading.Event
    indexing: threading.Thread

    def start(self) -> None:
        """Begin to work on what is due."""
        homes.write(self.settings.home / homes.DATABASE, place.digest(self.store.engine))
        with telling("looking for jobs to go on with"):
            self.engine.start()
        threading.Thread(
            target=tell_what_is_missing, args=(self.containment, self.stopped), name="containment", daemon=True
        ).start()
        self.indexing.start()
        threading.Thread(target=heap.keep_small, args=(self.stopped,), name="heap", daemon=True).start()

    def has_work(self) -> bool:
        """Whether there are jobs that have not ended."""
        return bool(self.store.census.living())

    def stop(self) -> bool:
        """End; running training goes on.  False when a thread is still busy, with a long download for example."""
        self.stopped.set()
        self.wake.close()
        self.context.proposer.close()
        self.context.executor.close()  # before the engine: nothing it does may wait for a process that hangs
        idle = self.engine.stop(STOP_SECONDS)
        if self.indexing.ident is not None:
            self.indexing.join(STOP_SECONDS)
        self.files.close()
        self.store.close()
        return idle


def compose(settings: Settings) -> Server:
    """Everything but threads and sockets in their places."""
    ballast = Ballast(settings.home)
    ballast.make_room()
    store = open_store(settings, settings.database_wait)
    keys = KeyRing(store.keys, settings, time.time)
    keys.first()
    with telling("opening the object store"):
        files = FileStore(settings.home / "objects", upload_seconds=settings.upload_days * DAY)
    mailbox = Mailbox()
    database = Outage("the database", time.monotonic)
    wake = WakeSocket(settings.home / "run", mailbox.heard)
    metrics = Metrics(__version__)
    metrics.watch(_sources(settings, store, files))
    homes.mark(settings.home)
    hidden = [settings.home, *store.files()]
    containment = Containment(settings.containment)
    objects = MeteredStore(_objects(settings, files, hidden), metrics.carried)
    context = Context(
        settings=settings,
        host=identity_of(settings.home),
        store=store,
        executor=SubprocessExecutor(wake.path, containment=containment, hidden=hidden),
        objects=objects,
        proposer=ProcessProposer(settings.propose_timeout, inherited(os.environ)),
        find_image=store.images.find,
        clock=time.time,
        poke=mailbox.poke,
        database=database,
        ballast=ballast,
        observer=metrics,
    )
    gateway = _gateway(context, keys, files, metrics)
    asgi = parting(Pages(gateway, metrics, settings.metrics))
    stopped = threading.Event()
    background = threading.Thread(target=indexing.keep_indexing, args=(store, stopped), name="indexing", daemon=True)
    engine = Engine(context, mailbox)
    return Server(settings, store, engine, files, wake, context, containment, asgi, stopped, background)


def _gateway(context: Context, keys: KeyRing, files: FileStore, metrics: Metrics) -> Gateway:
    settings = context.settings
    invocation = Invocation(context, keys, AttemptLogs(settings.home))
    return Gateway(
        table=operation_table(),
        invoke=invocation.invoke,
        access=Access(
            find_key=invocation.find_key,
            verify=settings.auth,
            is_loopback=is_loopback,
            account=settings.account_id,
            region=settings.region,
            clock=lambda: datetime.now(UTC),
        ),
        s3=S3Endpoint(files),
        max_body=settings.max_body,
        observer=metrics,
    )


def _objects(settings: Settings, files: FileStore, hidden: Sequence[Path]) -> ObjectStore:
    s3: ObjectStore = RemoteStore(settings.s3_endpoint) if settings.s3_endpoint else files
    roots = [Path(root) for root in settings.file_roots.split(":") if root]
    return RoutedStore(s3, LocalStore(roots, apart=hidden))


def _sources(settings: Settings, store: SqlStore, files: FileStore) -> Sources:
    """What is counted when somebody asks for metrics."""
    host = identity_of(settings.home)

    def living() -> Living:
        found = store.census.living()
        training_jobs = [each for each in found if each.kind == Kind.TRAINING_JOB]
        return Living(
            jobs=_by_status(found),
            used=sum(each.count for each in training_jobs if each.host == host),
            waiting=sum(each.count for each in training_jobs if each.host is None),
        )

    return Sources(
        living=living,
        ended=lambda: _by_status(store.census.ended()),
        stored=lambda: Stored(**asdict(files.totals())),
        slots=settings.slots,
        statuses={Kind.TRAINING_JOB: tuple(training.MOVES), Kind.TUNING_JOB: tuning.STATUSES},
        strategies=STRATEGIES,
        trouble=(Unavailable, ServiceUnavailable, sqlite3.Error),
    )


def _by_status(found: Sequence[Counted]) -> dict[tuple[str, str], int]:
    counts: Counter[tuple[str, str]] = Counter()
    for each in found:
        counts[each.kind, each.status] += each.count
    return dict(counts)
