"""Running the composed server: its socket, its signals, its log."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator

import structlog
import uvicorn

from pegbox import heap
from pegbox.announcement import announced, url_of
from pegbox.announcement import server as announced_server
from pegbox.app import Server, compose
from pegbox.executors.base import NotNow
from pegbox.idleness import Idleness
from pegbox.observe.logging import configure
from pegbox.settings import Settings, SettingsError
from pegbox.wire.connections import Crowd, Limits

BACKLOG = 128  #: connections that wait; so many are accepted at a time, before the limit on their number is looked at
STOP_SECONDS = 6.0  #: how long what is not a request may take after that, whatever it waits for
DRAIN_SECONDS = 3  #: how long running requests may take after SIGTERM
KEEP_ALIVE_SECONDS = 75
MOST_HEADER = 64 << 10  #: bytes of a request's head
MOST_CONNECTIONS = 2000
LEAST_CONNECTIONS = 16
OTHER_FILES = 256  #: descriptors that are not for these: databases, logs, data on its way to jobs, who is to be told no

GARBAGE = 20_000  #: new containers until the youngest are looked through; nearly all go by themselves

#: what to do when listening fails
ADVICE = {
    errno.EADDRINUSE: "another server may be running: give --port, or --port 0 for a free one",
    errno.EACCES: "the port is for the superuser: give --port 1024 or above",
    errno.EPERM: "the port is for the superuser: give --port 1024 or above",
}

log = structlog.get_logger()


def run(settings: Settings, idle: float | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C, or until there has been neither a request nor a job for `idle` seconds."""
    heap.share_arenas()
    os.umask(0o077)  # the database beside its journal, objects and logs are for their owner
    configure(settings.log_level, settings.log_format)
    other = announced_server(settings)  # before the socket is ours, which may be the address of one that died
    listener = _listen(settings)
    server = compose(settings)
    _require_containment(server)
    url = url_of(settings.host, listener.getsockname()[1])
    idleness = None if idle is None else Idleness(server.asgi, server.has_work, idle)
    server.start()
    gc.freeze()  # modules stay for good: there is nothing to find in them
    gc.set_threshold(GARBAGE)
    try:
        with announced(settings, url):
            log.info("serving", url=url, home=str(settings.home), auth="on" if settings.auth else "off")
            if other is not None:
                log.info("another server serves this home too: both do its jobs", url=other["url"], pid=other["pid"])
            asyncio.run(_Uvicorn(server.asgi, _limits(settings), idleness).serve(sockets=[listener]))
    finally:
        _end_within(STOP_SECONDS)
        idle = server.stop()
        log.info("stopped; running training goes on")
        if not idle:
            os._exit(0)  # the interpreter would wait for a thread whose work the next start does again


def _require_containment(server: Server) -> None:
    if server.containment.mode != "require":
        return
    try:
        missing = server.containment.missing()
    except NotNow:  # which does not mean that it cannot; without walls nothing runs anyway
        return
    if missing:
        why = "; ".join(f"{kind}: {reason}" for kind, reason in missing.items())
        raise SettingsError(f"containment is set to require, and this machine does not allow it ({why})")


def _end_within(seconds: float) -> None:
    """Leave in time, whatever a thread waits for: a lock, a full disk, a dead database.  The next start takes it up."""
    watchdog = threading.Timer(seconds, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()


class _Uvicorn(uvicorn.Server):
    """uvicorn, with signals that end it gently and no log of its own."""

    def __init__(self, app: object, limits: Limits, idleness: Idleness | None) -> None:
        self._crowd, self._idleness = Crowd(limits), idleness
        config = uvicorn.Config(
            idleness or app,  # type: ignore[arg-type]
            log_config=None,
            log_level="error",  # whoever sends no HTTP must not be able to fill the log
            access_log=False,
            lifespan="off",
            http=self._crowd.protocol,  # type: ignore[arg-type]
            ws="none",
            loop="asyncio",
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            h11_max_incomplete_event_size=MOST_HEADER,
        )
        super().__init__(config)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal, or until there is nothing to do."""
        beside = [asyncio.ensure_future(self._crowd.watch()), asyncio.ensure_future(self._end_when_idle())]
        try:
            await super().serve(sockets)
        finally:
            for each in beside:
                each.cancel()

    async def _end_when_idle(self) -> None:
        if self._idleness is not None:
            await self._idleness.wait()
            log.info("there is nothing to do")
            self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the server; a second SIGINT ends it at once."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield


def _limits(settings: Settings) -> Limits:
    """Two descriptors for each connection, its socket and a file, and some for everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = OTHER_FILES + 2 * MOST_CONNECTIONS
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(hard, wanted)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = MOST_CONNECTIONS if soft == unlimited else (soft - OTHER_FILES) // 2
    patience = settings.client_timeout
    return Limits(head=patience / 3, stall=patience, most=max(LEAST_CONNECTIONS, min(MOST_CONNECTIONS, most)))


def _listen(settings: Settings) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        # The protocol is named: asyncio turns Nagle's delay off only for sockets that say they are TCP.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except (OSError, UnicodeError) as error:
        raise _deaf(settings, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _deaf(settings, error) from None
    listener.set_inheritable(False)
    return listener


def _deaf(settings: Settings, error: OSError | UnicodeError) -> SettingsError:
    """Why nobody can listen there, and what to do."""
    number = error.errno if isinstance(error, OSError) else None
    own = announced_server(settings) if number == errno.EADDRINUSE else None
    if own is not None and str(own["url"]).endswith(f":{settings.port}"):
        return SettingsError(
            f"the server of {settings.home} runs already at {own['url']} (process {own['pid']}); one that a command "
            f"has started ends when it has had nothing to do for some minutes. To end it now: kill {own['pid']}"
        )
    advice = ADVICE.get(number, "give --host an address of this machine") if number else "give another --host"
    told = error.strerror if isinstance(error, OSError) and error.strerror else "no host name"
    return SettingsError(f"cannot listen on {settings.host}:{settings.port}: {told}; {advice}")
