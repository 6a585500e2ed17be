"""One request to the S3 API, taken apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar
from urllib.parse import quote, unquote_to_bytes

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request

from pegbox.errors import S3Error
from pegbox.objects.files import FileStore
from pegbox.wire.sigv4 import Caller, query_pairs

LONGEST_KEY = 1024  #: bytes of UTF-8
_HEADER_PREFIX = "x-amz-"
_HOST = re.compile(r"([A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the path names: the service ("", ""), a bucket (name, "") or an object."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"/{self.bucket}/{self.key}" if self.key else f"/{self.bucket}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request, who makes it and what it is about."""

    store: FileStore
    request: Request
    caller: Caller
    target: Target
    query: Mapping[str, str]
    headers: Headers  #: of the request, and those that a presigned URL carries in its query

    @property
    def account(self) -> str:
        """The account that calls."""
        return self.caller.account

    @property
    def bucket(self) -> str:
        """The bucket of the path."""
        return self.target.bucket

    @property
    def key(self) -> str:
        """The key of the path."""
        return self.target.key

    @property
    def location(self) -> str:
        """The address of the object; without the server's if what the client calls it can be none."""
        host = self.request.headers.get("host", "")
        server = f"{self.request.scope['scheme']}://{host}" if _HOST.fullmatch(host) else ""
        return f"{server}/{self.bucket}/{quote(self.key)}"

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number of the query, cut to `most`.  Raises S3Error InvalidArgument."""
        text = self.query.get(name)
        if text is None or text == "":
            return default
        if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > 2**31 - 1:
            raise invalid_argument(name, text, f"Argument {name} must be an integer between 0 and 2147483647")
        return min(int(text), most)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work beside the event loop."""
    return await run_in_threadpool(work, *args, **kwargs)


def target_of(request: Request) -> Target:
    """The bucket and key of a path.  Raises S3Error InvalidURI, KeyTooLongError."""
    raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    bucket, _, key = unquote_to_bytes(raw.removeprefix(b"/")).partition(b"/")
    if len(key) > LONGEST_KEY:
        extra = {"Size": str(len(key)), "MaxSizeAllowed": str(LONGEST_KEY)}
        raise S3Error("KeyTooLongError", 400, "Your key is too long", extra)
    try:
        return Target(bucket=bucket.decode(), key=key.decode())
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", 400, "Couldn't parse the specified URI.") from None


def query_of(request: Request) -> dict[str, str]:
    """The parameters of the query.  Raises S3Error InvalidArgument, also for one with two values.

    The signature covers the values in order of their bytes, so it cannot say which of them would come first.
    """
    found: dict[str, str] = {}
    for raw_name, raw_value in query_pairs(request.scope["query_string"]):
        try:
            name, value = raw_name.decode(), raw_value.decode()
        except UnicodeDecodeError:
            raise S3Error("InvalidArgument", 400, "The query string is not UTF-8") from None
        if found.setdefault(name, value) != value:
            raise invalid_argument(name, value, "A query parameter must not have two values")
    return found


def headers_of(request: Request, query: Mapping[str, str]) -> Headers:
    """The headers, and the parameters of the query that stand for some.

    Checksums there are left out: a presigned URL knows nothing of the body yet, though some SDKs pretend it does.
    """
    stand_ins = {
        name: value
        for name, value in query.items()
        if name.startswith(_HEADER_PREFIX) or name in ("content-type", "content-md5")
        if name not in request.headers and "checksum" not in name and _is_header(value)
    }
    raw = [(name.encode("latin-1", "replace"), value.encode("latin-1")) for name, value in stand_ins.items()]
    return Headers(raw=[*_joined(request.headers.raw), *raw])


def _joined(raw: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Each header once.  Of a repeated one the values are joined as the signature joins them, so that a value cut at
    a comma means what it meant before."""
    values: dict[bytes, bytes] = {}
    for name, value in raw:
        values[name] = values[name] + b"," + value if name in values else value
    return list(values.items())


def _is_header(value: str) -> bool:
    return all(" " <= letter <= "\xff" and letter != "\x7f" for letter in value)


def invalid_argument(name: str, value: str, message: str) -> S3Error:
    """An argument has a value that it must not have."""
    return S3Error("InvalidArgument", 400, message, {"ArgumentName": name, "ArgumentValue": value})
