"""How clients of this machine find the server of a home: by what it announced in the home, for as long as it is there.

Imports little, since every command asks.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pegbox.settings import Settings

LOOK_SECONDS = 5.0  #: how long a server may take to say that it is there


def address(settings: Settings) -> str | None:
    """The URL of this home's server, if one is running."""
    found = server(settings)
    return None if found is None else str(found["url"])


def server(settings: Settings) -> Mapping[str, Any] | None:
    """`url` and `pid` of this home's server, if one is running."""
    return next((each for each in _announcements(settings) if _answers(each)), None)


def url_of(host: str, port: int) -> str:
    """Where a server is reached that listens there."""
    reached = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


@contextlib.contextmanager
def announced(settings: Settings, url: str) -> Iterator[None]:
    """Write down where the server is, so that `pegbox env` finds it, for as long as it is there.

    In the home's file, and in one of its own: the home's is that of the server that started last, which may die first.
    """
    announcement = {"url": url, "pid": os.getpid()}
    own = _own_file(settings, os.getpid())
    _forget_the_dead(settings)
    for file in (own, _file(settings)):
        _announce(file, announcement)
    try:
        yield
    finally:
        own.unlink(missing_ok=True)
        _forget_the_dead(settings)
        others = [other for other in _announcements(settings) if other != announcement and _answers(other)]
        if others:  # another server on this home, which goes on
            _announce(_file(settings), others[0])
        else:
            _file(settings).unlink(missing_ok=True)


def _forget_the_dead(settings: Settings) -> None:
    """Files of servers that were killed; the home's is replaced anyway."""
    for file in _file(settings).parent.glob("server-*.json"):
        try:
            os.kill(int(_announcement(file)["pid"]), 0)
        except PermissionError:
            pass
        except (KeyError, ValueError, TypeError, OSError):
            file.unlink(missing_ok=True)


def _own_file(settings: Settings, pid: int) -> Path:
    return _file(settings).with_name(f"server-{pid}.json")


def _announce(file: Path, announcement: Mapping[str, Any]) -> None:
    scratch = file.with_suffix(f".{os.getpid()}")
    scratch.write_text(json.dumps(announcement))
    scratch.replace(file)


def _announcements(settings: Settings) -> Iterator[Mapping[str, Any]]:
    """The home's, then those of its single servers."""
    home = _file(settings)
    for file in (home, *sorted(home.parent.glob("server-*.json"))):
        if found := _announcement(file):
            yield found


def _announcement(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _answers(announcement: Mapping[str, Any]) -> bool:
    """Whether the announced server is there, and not something else at its address."""
    connection = None
    try:
        place = urlsplit(str(announcement["url"]))
        connection = http.client.HTTPConnection(place.netloc, timeout=LOOK_SECONDS)
        connection.request("GET", "/health")
        found = json.load(connection.getresponse())
        return isinstance(found, dict) and found.get("pid") == announcement["pid"]
    except (KeyError, OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        if connection is not None:
            connection.close()


def _file(settings: Settings) -> Path:
    """Where a running server says how it is reached."""
    return settings.home / "run" / "server.json"
