"""Which server a command speaks to, and AWS clients of it.

AWS_ENDPOINT_URL names a server, as it does for every AWS client, which finds keys and region as usual.  Without it, or
with --home, it is the server of the home, with the home's own key: the one that has announced itself there, else one
that is started in the background.
"""

from __future__ import annotations

import configparser
import fcntl
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pegbox
from pegbox import announcement, background
from pegbox.settings import Settings, load, make_home

ENDPOINT = "AWS_ENDPOINT_URL"
OWN_MODELS = Path(pegbox.__file__).parent / "wire" / "models"  #: of what no service of AWS does
LOST = ("ConnectTimeoutError", "ConnectionClosedError", "EndpointConnectionError", "ReadTimeoutError")  #: of botocore
IDLE_SECONDS = 600  #: without a job and a request, after which a server ends that a command has started


class NoServer(Exception):
    """There is nobody to ask; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A server."""

    url: str
    settings: Settings
    is_ours: bool = True  #: it is that of the home, on this machine
    is_named: bool = False  #: by AWS_ENDPOINT_URL

    def client(self, service: str) -> Any:
        """A boto3 client."""
        import boto3
        from botocore.session import get_session

        settings = self.settings
        core = get_session()
        core.get_component("data_loader").search_paths.append(str(OWN_MODELS))
        session = boto3.Session(botocore_session=core)
        if self.is_named:
            return session.client(service, region_name=session.region_name or settings.region)
        if service == "s3" and settings.s3_endpoint:
            return session.client(service, endpoint_url=settings.s3_endpoint)
        return session.client(service, endpoint_url=self.url, region_name=settings.region, **key_of(settings.home))

    def again(self, tell: Callable[[str], None]) -> Connection:
        """Once the server does not answer any more: that of the same home, which is started if need be.

        Raises NoServer where the server is none of ours.
        """
        if not self.is_ours:
            raise NoServer(f"the server at {self.url} does not answer any more")
        return connect(self.settings.home, tell)


def is_loss(error: Exception) -> bool:
    """Whether a call ended since nobody answered."""
    return type(error).__name__ in LOST


def key_of(home: Path) -> dict[str, str]:
    """The home's own key, as its server has written it for its owner.  Raises NoServer."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string((home / "credentials").read_text())
        return {name: parser["default"][name] for name in ("aws_access_key_id", "aws_secret_access_key")}
    except (OSError, KeyError, UnicodeDecodeError, configparser.Error) as error:
        raise NoServer(f"{home / 'credentials'} has no key, which the home's server writes there: {error}") from None


def connect(
    home: Path | None, tell: Callable[[str], None], *, fresh: bool = False, environment: Mapping[str, str] = os.environ
) -> Connection:
    """The server that a command means; `fresh`: the home may be a new one.

    `tell` hears of a server that is started.  Raises NoServer, SettingsError, background.DidNotStart.
    """
    settings = load({"home": home}, environment)
    found = announcement.address(settings)
    named = "" if home else environment.get(ENDPOINT, "").rstrip("/")
    if named and not _is_url(named):
        raise NoServer(
            f"{ENDPOINT}={environment[ENDPOINT]} is no URL of a server: write for example http://localhost:8420"
        )
    if named and named != found:
        is_ours = found is None and named == announcement.url_of(settings.host, settings.port)
        if not is_ours or _listens(named):
            return Connection(url=named, settings=settings, is_ours=False, is_named=True)
    if found is None:
        if not fresh and not settings.database_url and not (settings.home / "pegbox.db").exists():
            raise NoServer(f"there is nothing in {settings.home} yet: pegbox tune starts a tuning job")
        found = _start(settings, tell, environment)
    return Connection(url=found, settings=settings, is_named=named == found)


def _start(settings: Settings, tell: Callable[[str], None], environment: Mapping[str, str]) -> str:
    make_home(settings.home)
    with (settings.home / "run" / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two commands at once start one server
        found = announcement.address(settings)
        if found is None:
            port = settings.port if _is_free(settings) else 0
            options = ["--port", str(port), "--idle", str(IDLE_SECONDS)]
            process, found = background.start(settings.home, options, environment)
            tell(
                f"a server has been started in the background on {settings.home} (process {process.pid}); "
                f"it ends when it has had nothing to do for {IDLE_SECONDS // 60} minutes"
            )
    return found


def _is_free(settings: Settings) -> bool:
    """Whether the port of the settings can be had; else any will do."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
        return True
    except OSError:
        return False


def _is_url(text: str) -> bool:
    try:
        place = urlsplit(text)
        return place.scheme in ("http", "https") and bool(place.hostname) and (place.port or 1) > 0
    except ValueError:  # the port is no number
        return False


def _listens(url: str) -> bool:
    place = urlsplit(url)
    try:
        socket.create_connection((place.hostname or "", place.port or 80), timeout=5).close()
        return True
    except OSError:
        return False
