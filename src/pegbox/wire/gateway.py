"""One port for every service: who asks, for what, by which protocol; then parse, validate, call, dump or refuse.

The service is told by X-Amz-Target, by a path of its own, by a form's Version, else it is S3; the credential scope of
the signature has to agree.  One place, `_guarded`, turns exceptions into answers.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pegbox.errors import (
    AuthError,
    InternalFailure,
    PegboxError,
    RequestTooLarge,
    S3Error,
    UnknownOperation,
    ValidationException,
)
from pegbox.wire import exchange, json11, query
from pegbox.wire.bodies import MOST_DRAINED, Room, read_body, stated_length, too_large
from pegbox.wire.exchange import Exchange, Standing
from pegbox.wire.origins import check_local
from pegbox.wire.quick import checked
from pegbox.wire.registry import Handler, Table
from pegbox.wire.rest_s3 import S3Endpoint, is_form
from pegbox.wire.service import (
    INVOCATION,
    INVOKE,
    JSON_TARGETS,
    QUERY_VERSIONS,
    REST_PATHS,
    SIGNED_AS,
    Operation,
    find_operation,
)
from pegbox.wire.signed_form import verify_form
from pegbox.wire.sigv4 import Caller, Head, Key, Payload, admit, scope_of, verify

Parse = Callable[[], dict[str, Any]]  #: the arguments of an operation.  Raises MalformedRequest

log = structlog.get_logger()

SHORT_BODY = 64 << 10  #: bytes of a body that is read before anything is checked
MOST_HEADERS = 256
LONGEST_HEADERS = 64 << 10  #: bytes of all names and values
MOST_PARAMETERS = 256  #: of a query
LONGEST_TARGET = 16 << 10  #: bytes of path and query; a key and two markers of 1,024 bytes, percent-encoded, have 9 KiB
JSON_TYPES = ("application/x-amz-json-1.1", "application/x-amz-json-1.0")
REST_TYPE = "application/json"
EXCESSIVE = "Your request header and query parameters exceed the maximum allowed size."
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may call."""

    find_key: Callable[[str], Key | None]
    verify: bool  #: whether signatures are checked
    is_loopback: Callable[[str], bool]  #: whether only this machine reaches an address
    account: str  #: of callers that are not checked
    region: str  #: of callers that name none
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The ASGI application behind every AWS client."""

    table: Table
    invoke: Callable[[Handler, dict[str, Any], Caller, str], Any]  #: calls a handler, in a thread
    access: Access
    s3: S3Endpoint
    max_body: int
    observer: exchange.Observer = field(default_factory=exchange.Unobserved)
    room: Room = field(default_factory=Room)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        head = _head(Request(scope))
        is_s3 = _protocol(head, Request(scope)) == "s3"
        current = exchange.begin(scope, exchange.s3_id() if is_s3 else str(uuid.uuid4()))
        with structlog.contextvars.bound_contextvars(request_id=current.request_id):
            try:
                response = await self._answer(Request(scope, current.receiving(receive)), head, current)
                await response(scope, receive, current.sending(send))
            finally:
                self.observer.answered(current)
                current.tell()

    async def _answer(self, request: Request, head: Head, current: Exchange) -> Response:
        request_id = current.request_id
        protocol = _protocol(head, request)
        if _is_excessive(request):
            return self._excessive(request, request_id)
        if not self.access.verify:
            current.standing = Standing.PROVEN
            try:
                check_local(request.headers, self.access.is_loopback)
            except AuthError as error:
                return self._refusal(protocol, request, request_id)(error)
        match protocol:
            case "json":
                return await self._guarded(self._json(request, head, current), _JsonRefusal(request_id))
            case "rest":
                return await self._guarded(self._rest(request, head, current), _JsonRefusal(request_id, REST_TYPE))
            case "query":
                return await self._guarded(self._query(request, head, current), _QueryRefusal(request_id))
        return await self._s3(request, head, current)

    async def _guarded(self, answer: Awaitable[Response], refuse: Callable[[PegboxError], Response]) -> Response:
        try:
            return await answer
        except PegboxError as error:
            return refuse(error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:
            log.exception("a request failed")
            return refuse(InternalFailure("An internal error occurred. Please try your request again."))

    async def _json(self, request: Request, head: Head, current: Exchange) -> Response:
        body = await self._body(request, head, current)
        prefix, _, name = request.headers["x-amz-target"].partition(".")
        service = JSON_TARGETS.get(prefix)
        current.means(service)
        caller = await self._caller(head, service, body, current)
        operation = self._operation(service, name)
        current.means(operation.service, operation.name)
        answer = await self._run(operation, partial(json11.parse, body), caller, current.request_id)
        asked = request.headers.get("content-type")
        version = asked if asked in JSON_TYPES else JSON_TYPES[0]
        return Response(json11.answer(answer, operation), 200, _headers(current.request_id, version))

    async def _rest(self, request: Request, head: Head, current: Exchange) -> Response:
        body = await self._body(request, head, current)
        wanted = _rest_operation(head, request)
        assert wanted is not None  # that is what its protocol was known by
        service, name = wanted
        current.means(service)
        caller = await self._caller(head, service, body, current)
        operation = self._operation(service, name)
        current.means(service, name)
        answer = await self._run(operation, partial(json11.parse, body), caller, current.request_id)
        return Response(json11.answer(answer, operation), 200, _headers(current.request_id, REST_TYPE))

    async def _query(self, request: Request, head: Head, current: Exchange) -> Response:
        body = await self._body(request, head, current)
        parameters = query.form(body)
        service = QUERY_VERSIONS.get(parameters.get("Version", ""))
        current.means(service)
        caller = await self._caller(head, service, body, current)
        try:
            operation = self._operation(service, parameters.get("Action", ""))
        except UnknownOperation:
            raise query.not_found(parameters) from None
        current.means(operation.service, operation.name)
        answer = await self._run(operation, partial(query.parse, parameters), caller, current.request_id)
        told = query.answer(answer, operation, current.request_id)
        return Response(told, 200, _headers(current.request_id, "text/xml"))

    async def _s3(self, request: Request, head: Head, current: Exchange) -> Response:
        current.means("s3")
        if is_form(request):
            return await self.s3.post(request, partial(self._form_caller, head, current))
        try:
            caller = await self._caller(head, "s3", None, current)
        except PegboxError as error:  # the signature is wrong, or nobody can say whether it is right
            return self.s3.refuse(error, request)
        return await self.s3(request, caller)

    def _excessive(self, request: Request, request_id: str) -> Response:
        if "x-amz-target" in request.headers:
            return _JsonRefusal(request_id)(RequestTooLarge(EXCESSIVE))
        return self.s3.refuse(S3Error("RequestHeaderSectionTooLarge", 400, EXCESSIVE), request)

    def _refusal(self, protocol: str, request: Request, request_id: str) -> Callable[[PegboxError], Response]:
        match protocol:
            case "json":
                return _JsonRefusal(request_id)
            case "rest":
                return _JsonRefusal(request_id, REST_TYPE)
            case "query":
                return _QueryRefusal(request_id)
        return partial(self.s3.refuse, request=request)

    async def _body(self, request: Request, head: Head, current: Exchange) -> bytes:
        """The body; a long one is not awaited from somebody whose key is not known."""
        stated = stated_length(request)
        if stated > max(self.max_body, MOST_DRAINED):
            raise too_large(self.max_body)
        if not self.access.verify or 0 <= stated <= SHORT_BODY:
            return await read_body(request, self.max_body)
        await run_in_threadpool(admit, head, self.access.find_key, self.access.clock())
        current.standing = Standing.KNOWN
        return await read_body(request, self.max_body, self.room)

    async def _run(self, operation: Operation, parse: Parse, caller: Caller, request_id: str) -> Any:
        def work() -> Any:  # a large body is parsed and checked beside the event loop, too
            arguments = parse()
            try:
                arguments = checked(arguments, operation.model.input_shape)
            except ValidationException as error:
                raise operation.invalid(error) from None
            handler = self.table[operation.service, operation.name]
            return self.invoke(handler, arguments, caller, request_id)

        return await run_in_threadpool(work)

    def _operation(self, service: str | None, name: str) -> Operation:
        operation = find_operation(service, name) if service else None
        if operation is None:
            raise UnknownOperation(f"The operation {name[:128]!r} is not known.")
        if (operation.service, operation.name) not in self.table:
            raise UnknownOperation(f"The operation {operation.name} is not implemented by this server.")
        return operation

    async def _caller(self, head: Head, service: str | None, body: bytes | None, current: Exchange) -> Caller:
        caller = await self._verified(head, service, body) if self.access.verify else self._anyone(head, service or "")
        current.standing = Standing.PROVEN
        structlog.contextvars.bind_contextvars(account=caller.account)
        return caller

    async def _verified(self, head: Head, service: str | None, body: bytes | None) -> Caller:
        body_hash = None if body is None else hashlib.sha256(body).hexdigest()
        caller = await run_in_threadpool(verify, head, self.access.find_key, self.access.clock(), body_hash)
        expected = None if service is None else SIGNED_AS.get(service, service)
        if expected is not None and caller.service != expected:
            raise AuthError(
                "InvalidSignatureException",
                f"Credential should be scoped to correct service: '{expected}', not '{caller.service}'.",
            )
        return caller

    def _form_caller(self, head: Head, current: Exchange, fields: Mapping[str, str]) -> Caller:
        caller = verify_form(fields, self.access.find_key) if self.access.verify else self._anyone(head, "s3")
        current.standing = Standing.PROVEN
        return caller

    def _anyone(self, head: Head, service: str) -> Caller:
        """With signatures unchecked, a key id of twelve digits names the account."""
        scope = scope_of(head)
        key_id = scope.key_id if scope else ""
        return Caller(
            key_id=key_id,
            account=key_id if re.fullmatch(r"[0-9]{12}", key_id) else self.access.account,
            region=scope.region if scope else self.access.region,
            service=service,
            payload=Payload(),
        )


@dataclass(frozen=True, slots=True)
class _JsonRefusal:
    request_id: str
    media_type: str = JSON_TYPES[0]

    def __call__(self, error: PegboxError) -> Response:
        headers = _headers(self.request_id, self.media_type) | {"x-amzn-ErrorType": error.code} | _parting(error)
        return Response(json11.refusal(error), error.status, headers)


@dataclass(frozen=True, slots=True)
class _QueryRefusal:
    request_id: str

    def __call__(self, error: PegboxError) -> Response:
        told = query.as_query(error)
        headers = _headers(self.request_id, "text/xml") | _parting(told)
        return Response(query.refusal(told, self.request_id), told.status, headers)


def _is_excessive(request: Request) -> bool:
    """Whether there is more in a head than anybody needs: checking it would take long."""
    query: bytes = request.scope["query_string"]
    headers: list[tuple[bytes, bytes]] = request.scope["headers"]
    return (
        len(headers) > MOST_HEADERS
        or query.count(b"&") > MOST_PARAMETERS
        or len(query) + len(request.scope.get("raw_path") or b"") > LONGEST_TARGET
        or sum(len(name) + len(value) for name, value in headers) > LONGEST_HEADERS
    )


def _protocol(head: Head, request: Request) -> str:
    """json, rest, query or s3."""
    if "x-amz-target" in request.headers:
        return "json"
    if _rest_operation(head, request):
        return "rest"
    if _is_excessive(request):
        return "s3"
    scope = scope_of(head)
    is_form = request.method == "POST" and request.headers.get("content-type", "").startswith(FORM)
    return "query" if is_form and (scope is None or scope.service != "s3") else "s3"


def _rest_operation(head: Head, request: Request) -> tuple[str, str] | None:
    """Service and operation of a request that is told by its path."""
    method, path = request.method, request.scope["path"]
    if method == "POST" and INVOCATION.fullmatch(path):
        scope = scope_of(head)
        return INVOKE if scope is not None and scope.service == SIGNED_AS[INVOKE[0]] else None
    return REST_PATHS.get((method, path))


def _head(request: Request) -> Head:
    scope = request.scope
    return Head(
        request.method,
        scope.get("raw_path") or scope["path"].encode(),
        scope["query_string"],
        [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
    )


def _headers(request_id: str, content_type: str) -> dict[str, str]:
    return {"x-amzn-RequestId": request_id, "Content-Type": content_type}


def _parting(error: PegboxError) -> dict[str, str]:
    # What is left of a body that is too large is not read: nothing else can follow on the connection.
    return {"Connection": "close"} if isinstance(error, RequestTooLarge) else {}
