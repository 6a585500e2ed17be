"""The composition root: settings become a database, object stores, an executor, an engine and an ASGI application.

The only module that knows all layers.
"""

from __future__ import annotations

import os
import platform
import secrets
import sqlite3
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pegbox import __version__, heap
from pegbox.domain import training, tuning
from pegbox.engine import homes
from pegbox.engine.ballast import Ballast
from pegbox.engine.context import Context
from pegbox.engine.loop import Engine
from pegbox.engine.mailbox import Mailbox
from pegbox.engine.outage import Outage
from pegbox.engine.proposer import ProcessProposer
from pegbox.engine.removal import sync
from pegbox.engine.wake import WakeSocket
from pegbox.errors import ServiceUnavailable
from pegbox.executors.base import NotNow
from pegbox.executors.containment import MEANING, WALLS, Containment
from pegbox.executors.subprocess import SubprocessExecutor, inherited
from pegbox.keys import KeyRing
from pegbox.logs.base import LogStore
from pegbox.logs.files import AttemptLogs
from pegbox.maintenance import losses
from pegbox.objects.base import Location, NoSuchObject, ObjectStore
from pegbox.objects.files import FileStore
from pegbox.objects.local import LocalStore
from pegbox.objects.metered import MeteredStore
from pegbox.objects.remote import RemoteStore
from pegbox.objects.routed import RoutedStore
from pegbox.observe.prometheus import CONTENT_TYPE, Living, Metrics, Sources, Stored
from pegbox.operations import (
    actions,
    artifacts,
    associations,
    audit,
    contexts,
    endpoint_configs,
    endpoints,
    experiments,
    identity,
    indexing,
    lineage,
    logs,
    measurements,
    models,
    search,
    tags,
    training_jobs,
    trial_components,
    trials,
    tuning_jobs,
)
from pegbox.operations.call import Call
from pegbox.settings import RESTORING, Settings, SettingsError, is_loopback, make_home
from pegbox.store import examine, place
from pegbox.store.base import Full, Unavailable
from pegbox.store.census import Counted
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.strategies.registry import STRATEGIES
from pegbox.wire.connections import parting
from pegbox.wire.gateway import Access, Gateway
from pegbox.wire.registry import Handler, Table, collect
from pegbox.wire.rest_s3 import S3Endpoint
from pegbox.wire.sigv4 import Caller, Key

log = structlog.get_logger()

UNAVAILABLE = "The database does not answer. Please try your request again."
FULL = "The disk of the database is full. Make room, then try your request again."
LOOK_SECONDS = 3.0  #: between two looks whether the database is there, or what the machine allows
FIRST_LOOK_SECONDS = 0.25  #: between the first two at the database; both may have been started at once
DAY = 86_400.0  #: seconds
STOP_SECONDS = 5.0  #: how long the engine may take to finish what it is doing


def operation_table() -> Table:
    """Every operation that is served."""
    return collect(
        [
            actions,
            artifacts,
            associations,
            contexts,
            audit,
            endpoint_configs,
            endpoints,
            experiments,
            identity,
            lineage,
            logs,
            measurements,
            models,
            search,
            tags,
            training_jobs,
            trial_components,
            trials,
            tuning_jobs,
        ]
    )


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
        self.engine.start()
        threading.Thread(target=self._tell_of_containment, name="containment", daemon=True).start()
        self.indexing.start()
        threading.Thread(target=heap.keep_small, args=(self.stopped,), name="heap", daemon=True).start()

    def _tell_of_containment(self) -> None:
        told = ""
        while True:
            try:
                return self._tell_what_is_missing()
            except NotNow as error:
                if told != (told := str(error)):
                    log.warning("programs wait", why=told)
            if self.stopped.wait(LOOK_SECONDS):
                return

    def _tell_what_is_missing(self) -> None:
        if self.containment.mode == "off":
            log.warning("training programs are not contained: the setting containment is off", so=MEANING["files"])
            return
        for kind, reason in self.containment.found().items():
            if reason and kind in WALLS:
                log.warning("this machine does not contain training programs", what=kind, why=reason, so=MEANING[kind])
            elif reason:
                log.info("a limit is not held by the kernel", what=kind, why=reason, so=MEANING[kind])

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


def open_home(settings: Settings) -> None:
    """Make the home directory, for its owner only.  Raises SettingsError for one that is half restored."""
    check_restored(settings)
    make_home(settings.home)


def check_restored(settings: Settings) -> None:
    """Raise SettingsError for a home that is half restored."""
    if (settings.home / RESTORING).exists():
        raise SettingsError(f"a restore into {settings.home} was not finished: run pegbox restore again")


def open_store(settings: Settings, patience: float = 0.0, *, make: bool = True) -> SqlStore:
    """The database, brought to the present schema.  One on a server of its own is waited for so many seconds.

    Raises SettingsError for one that the home has lost, and unless it may `make` one, for one that is not there yet.
    """
    open_home(settings) if make else check_restored(settings)
    store = _patiently(settings, time.monotonic() + patience, make)
    for file in store.files():
        with suppress(OSError):  # most are not there, and some may be another user's
            file.chmod(0o600)
    return store


def check_database(settings: Settings, store: SqlStore) -> None:
    """Raise SettingsError if making tables would hide that they are lost."""
    if lost := losses.of_database(settings, store):
        raise SettingsError(lost)


def check_made(settings: Settings, store: SqlStore) -> None:
    """Raise SettingsError if there is no database to look into: the home may be another than was meant."""
    if settings.sqlite_at_home and place.is_missing(store.engine):
        raise SettingsError(
            f"{settings.home} is no home of a server: --home or PEGBOX_HOME names one, and pegbox serve makes one"
        )
    if place.is_missing(store.engine) or examine.revision(store.engine) is None:
        raise SettingsError("the database has no tables: see the setting database_url; pegbox serve makes them")


def _patiently(settings: Settings, deadline: float, make: bool) -> SqlStore:
    pause = FIRST_LOOK_SECONDS
    while True:
        store = SqlStore(settings.database, migrate=False, hasty=True)
        try:
            check_database(settings, store)
            if not make:
                check_made(settings, store)
            store.upgrade()
            return store
        except BaseException as error:
            store.close()
            if not isinstance(error, Unavailable):
                raise
            if not settings.database_url.startswith("postgresql") or time.monotonic() >= deadline:
                raise
            log.warning("waiting for the database", error=" ".join(str(error).split()))
            time.sleep(pause)
            pause = min(2 * pause, LOOK_SECONDS)


def compose(settings: Settings) -> Server:
    """Everything but threads and sockets in their places."""
    ballast = Ballast(settings.home)
    ballast.make_room()
    store = open_store(settings, settings.database_wait)
    keys = KeyRing(store.keys, settings, time.time)
    keys.first()
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
    gateway = Gateway(
        table=operation_table(),
        invoke=_Invoke(
            store,
            mailbox,
            database,
            settings,
            objects,
            AttemptLogs(settings.home),
        ),
        access=Access(
            find_key=_Answering(keys.find, database),
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
    pages: dict[str, ASGIApp] = {"/health": _Health(gateway), "/metrics": _Metrics(gateway, metrics, settings.metrics)}
    asgi = parting(_Front(gateway, pages))
    stopped = threading.Event()
    background = threading.Thread(target=indexing.keep_indexing, args=(store, stopped), name="indexing", daemon=True)
    engine = Engine(context, mailbox)
    return Server(settings, store, engine, files, wake, context, containment, asgi, stopped, background)


NOTHING = "\0\N{REPLACEMENT CHARACTER}"  #: what a power cut, or a bad disk, has left of a name


def identity_of(home: Path) -> str:
    """The name under which this home holds slots: its attempts can be reached through it alone, whatever the host."""
    file = home / homes.IDENTITY
    if not file.exists():
        _name(file, os.link)
    elif not file.read_text(errors="replace").strip(NOTHING):
        _name(file, os.replace)
    return file.read_text(errors="replace")


def _name(file: Path, settle: Callable[[Path, Path], None]) -> None:
    """Give the home a name, on disk before anything is known by it; another server of the home may be quicker."""
    scratch = file.with_suffix(f".{os.getpid()}")
    with scratch.open("w") as new:
        new.write(f"{platform.node() or 'localhost'}-{uuid.uuid4().hex[:12]}")
        new.flush()
        os.fsync(new.fileno())
    with suppress(FileExistsError):
        settle(scratch, file)
    scratch.unlink(missing_ok=True)
    sync(file.parent)


@dataclass(frozen=True, slots=True)
class _Answering:
    """Looks keys up; trouble with the database is no fault of the request's."""

    find: Callable[[str], Key | None]
    database: Outage

    def __call__(self, identity: str) -> Key | None:
        try:
            return self.find(identity)
        except Unavailable as error:
            raise _unavailable(error, self.database) from error


@dataclass(frozen=True, slots=True)
class _Invoke:
    """Gives an operation its call."""

    store: SqlStore
    mailbox: Mailbox
    database: Outage
    settings: Settings
    objects: ObjectStore
    logs: LogStore

    def __call__(self, handler: Handler, arguments: dict[str, Any], caller: Caller, request_id: str) -> Any:
        call = Call(
            request_id=request_id,
            account=caller.account,
            region=caller.region,
            key_id=caller.key_id,
            store=self.store,
            clock=time.time,
            seed=lambda: secrets.randbits(31),
            find_image=self.store.images.find,
            poke=self.mailbox.poke,
            most_at_once=self.settings.parallel_training_jobs,
            most_tuning_jobs=self.settings.tuning_jobs,
            most_tuning_days=self.settings.tuning_days,
            most_warm_start_changes=self.settings.warm_start_changes,
            hyperband_model=self.settings.hyperband_model,
            one_contains=self.settings.one_contains,
            is_there=_Presence(self.objects, caller.account),
            logs=self.logs,
        )
        try:
            return handler(arguments, call)
        except Unavailable as error:
            raise _unavailable(error, self.database) from error


@dataclass(frozen=True, slots=True)
class _Presence:
    """Looks into the buckets of an account."""

    objects: ObjectStore
    account: str

    def __call__(self, location: Location, *, as_prefix: bool) -> bool:
        try:
            first = next(iter(self.objects.list(self.account, location)), None)  # the name itself comes before longer
        except NoSuchObject:
            return False
        return first is not None and (as_prefix or first.key == location.key)


def _unavailable(error: Unavailable, database: Outage) -> ServiceUnavailable:
    """What a client is told about a database that does not answer; the log hears of it too."""
    database.met(error)
    return ServiceUnavailable(FULL if isinstance(error, Full) else UNAVAILABLE)


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


@dataclass(frozen=True, slots=True)
class _Front:
    """Our own pages, and the gateway for everything else, whatever signs are in the path."""

    gateway: ASGIApp
    pages: Mapping[str, ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self.pages.get(scope["path"]) if scope["method"] in ("GET", "HEAD") else None
        await (page or self.gateway)(scope, receive, send)


def _is_signed(request: Request) -> bool:
    """Whether it is a request for a bucket that has the name of one of our own pages."""
    query = request.query_params
    return "authorization" in request.headers or "X-Amz-Signature" in query or "Signature" in query


class _Health:
    """`GET /health`, unless it is a signed request for a bucket of that name."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_signed(Request(scope)):
            await self._gateway(scope, receive, send)
            return
        answer: Mapping[str, Any] = {"status": "ok", "version": __version__, "pid": os.getpid()}
        await JSONResponse(answer)(scope, receive, send)


class _Metrics:
    """`GET /metrics`, for those who may; for others, and signed, a request for a bucket of that name.

    A scraper cannot sign.  So by default only this machine may ask, and nobody on whose behalf a proxy here asks.
    """

    def __init__(self, gateway: Gateway, metrics: Metrics, shown_to: str) -> None:
        self._gateway, self._metrics, self._shown_to = gateway, metrics, shown_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if _is_signed(request) or not self._may_read(request):
            await self._gateway(scope, receive, send)
            return
        page = await run_in_threadpool(self._metrics.render)
        await Response(page, media_type=CONTENT_TYPE)(scope, receive, send)

    def _may_read(self, request: Request) -> bool:
        if self._shown_to != "loopback":
            return self._shown_to == "on"
        forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
        return request.client is not None and is_loopback(request.client.host) and not forwarded
