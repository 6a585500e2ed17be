"""Requests that a web page makes its visitor's browser send, told by their Host and Origin.

Where signatures are not verified nothing else tells them from those of a client of this machine.  A page may send
forms anywhere, with its Origin (Fetch standard, "Origin header"), and may let the name of its own server come to mean
127.0.0.1 ("DNS rebinding"), which shows in Host.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from pegbox.errors import AuthError


def check_local(headers: Headers, is_loopback: Callable[[str], bool]) -> None:
    """Raise AuthError if the request is to a name that is not this machine's own, or comes from a page of elsewhere.

    `is_loopback` says whether an address is one that only this machine reaches.
    """
    for host in headers.getlist("host"):
        if not _is_ours(f"//{host}", is_loopback):
            raise _refused(f"The Host {host[:200]!r} is not localhost or a loopback address")
    for origin in headers.getlist("origin"):
        if not _is_ours(origin, is_loopback):
            raise _refused(f"The request comes from a web page of {origin[:200]!r}")


def _is_ours(url: str, is_loopback: Callable[[str], bool]) -> bool:
    try:
        name = (urlsplit(url).hostname or "").removesuffix(".")
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)  # RFC 6761, 6.3


def _refused(why: str) -> AuthError:
    return AuthError("AccessDeniedException", f"{why}: without signatures (--auth off) that is refused.")
