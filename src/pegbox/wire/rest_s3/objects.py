"""Operations on whole objects, but for copies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pegbox.errors import S3Error
from pegbox.objects.content import Incoming
from pegbox.objects.files import STEP
from pegbox.objects.stored import NO_CONDITIONS, Checksum, Conditions, OpenObject, StoredObject
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.body import receive, receive_document
from pegbox.wire.rest_s3.buckets import xml_response
from pegbox.wire.rest_s3.call import Call, in_thread
from pegbox.wire.rest_s3.conditions import byte_range, check_read, unquoted, write_conditions
from pegbox.wire.rest_s3.describing import checksum_headers, description_of, headers_of, quoted
from pegbox.wire.rest_s3.refusals import not_implemented

MOST_DELETED = 1000  #: keys of one DeleteObjects


async def put_object(call: Call) -> Response:
    """PutObject, with If-Match and If-None-Match."""
    description, conditions = description_of(call.headers), write_conditions(call.headers)
    await in_thread(check_target, call, conditions)

    def store(incoming: Incoming, etag: str, checksum: Checksum | None) -> StoredObject:
        return call.store.put_object(
            call.account,
            call.bucket,
            call.key,
            incoming,
            etag=etag,
            description=description,
            checksum=checksum,
            conditions=conditions,
        )

    stored = await receive(call, None, store)
    return Response(None, 200, {"etag": quoted(stored.etag), **checksum_headers(stored.checksum)})


async def get_object(call: Call) -> Response:
    """GetObject, whole, a range or a part."""
    return await in_thread(_open, call)


async def head_object(call: Call) -> Response:
    """HeadObject: the headers that GetObject would give."""
    found = await in_thread(call.store.head_object, call.account, call.bucket, call.key)
    status, headers, _, _ = _slice(call, found)
    return Response(None, status, headers)


async def delete_object(call: Call) -> Response:
    """DeleteObject; a missing one is no error."""
    match = call.headers.get("if-match")
    conditions = NO_CONDITIONS if match is None else Conditions(if_match=unquoted(match))
    (error,) = await in_thread(call.store.delete_objects, call.account, call.bucket, [(call.key, conditions)])
    if error is not None:
        raise error
    return Response(None, 204)


async def delete_objects(call: Call) -> Response:
    """DeleteObjects: up to 1000 keys, each answered for itself."""
    request = xml.parse(await receive_document(call), "Delete")
    wanted = list(xml.children(request, "Object"))
    if not 1 <= len(wanted) <= MOST_DELETED:
        raise xml.malformed()
    for unheard in ("LastModifiedTime", "Size"):  # conditions of directory buckets
        if any(each.find(unheard) is not None for each in wanted):
            raise not_implemented(unheard)
    quiet = (xml.text_of(request, "Quiet") or "").strip().lower() == "true"
    refused = {number: error for number, each in enumerate(wanted) if (error := _version_error(each))}
    keys = [_key_to_delete(each) for number, each in enumerate(wanted) if number not in refused]
    answers = iter(await in_thread(call.store.delete_objects, call.account, call.bucket, keys))
    told = []
    for number, each in enumerate(wanted):
        key = xml.text_of(each, "Key") or ""
        error = refused.get(number) or next(answers)
        if error is not None:
            told.append(xml.branch("Error", xml.leaves({"Key": key, "Code": error.code, "Message": error.message})))
        elif not quiet:
            told.append(xml.branch("Deleted", xml.leaf("Key", key)))
    return xml_response(xml.document("DeleteResult", *told))


def check_target(call: Call, conditions: Conditions) -> None:
    """Say no before the body comes, where that is possible already.  Raises S3Error."""
    if conditions == NO_CONDITIONS:
        call.store.buckets.get(call.account, call.bucket)
        return
    try:
        present: str | None = call.store.head_object(call.account, call.bucket, call.key).etag
    except S3Error as error:
        if error.code != "NoSuchKey":
            raise
        present = None
    conditions.check(present)


@dataclass(frozen=True, slots=True)
class _Streamed:
    """A large body, read in pieces while it is sent; the object is closed whatever happens."""

    source: OpenObject
    response: Response
    first: int
    count: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnect(receive))
        try:
            head = {"type": "http.response.start", "status": self.response.status_code}
            await send({**head, "headers": self.response.raw_headers})
            await self._send_body(send, gone)
        finally:
            gone.cancel()
            self.source.close()

    async def _send_body(self, send: Send, gone: asyncio.Future[None]) -> None:
        position, end = self.first, self.first + self.count
        while position < end and not gone.done():
            piece = await in_thread(self.source.read, position, min(STEP, end - position))
            if not piece:
                raise OSError("the content file is shorter than the index says")
            position += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": position < end})


class StreamedResponse(Response):
    """A response whose body is read from an object."""

    def __init__(self, source: OpenObject, status: int, headers: dict[str, str], first: int, count: int) -> None:
        super().__init__(None, status, headers)
        self._streamed = _Streamed(source, self, first, count)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await self._streamed(scope, receive, send)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _open(call: Call) -> Response:
    source = call.store.open_object(call.account, call.bucket, call.key)
    try:
        status, headers, first, count = _slice(call, source.info)
        if count <= STEP:
            body = source.read(first, count)
            source.close()
            return Response(body, status, headers)
    except BaseException:
        source.close()
        raise
    return StreamedResponse(source, status, headers, first, count)


def _slice(call: Call, found: StoredObject) -> tuple[int, dict[str, str], int, int]:
    """Status, headers, first byte and count of the answer.  Raises S3Error, also for 304 and 412."""
    check_read(found, call.headers)
    headers = headers_of(call, found)
    if "partNumber" in call.query:
        chosen: tuple[int, int] | None = _part(call, found)
        if found.part_sizes:
            headers["x-amz-mp-parts-count"] = str(len(found.part_sizes))
    else:
        chosen = byte_range(_range(call, found), found.size)
    first, count = chosen or (0, found.size)
    headers["content-length"] = str(count)
    if chosen is None or not found.size:
        return 200, headers, first, count
    headers["content-range"] = f"bytes {first}-{first + count - 1}/{found.size}"
    if count < found.size:  # the checksum is that of the whole
        headers = {name: value for name, value in headers.items() if not name.startswith("x-amz-checksum-")}
    return 206, headers, first, count


def _range(call: Call, found: StoredObject) -> str | None:
    expected = call.headers.get("if-range")
    return None if expected is not None and unquoted(expected) != found.etag else call.headers.get("range")


def _part(call: Call, found: StoredObject) -> tuple[int, int]:
    number = call.number("partNumber", 0, 10_001)
    if "range" in call.headers:
        raise S3Error("InvalidRequest", 400, "Cannot specify both Range header and partNumber query parameter")
    sizes = found.part_sizes or (found.size,)
    if not 1 <= number <= len(sizes):
        raise S3Error("InvalidPartNumber", 416, "The requested partnumber is not satisfiable")
    return sum(sizes[: number - 1]), sizes[number - 1]


def _key_to_delete(wanted: Element) -> tuple[str, Conditions]:
    key, etag = xml.text_of(wanted, "Key"), xml.text_of(wanted, "ETag")
    if not key:
        raise xml.malformed()
    return key, NO_CONDITIONS if not etag else Conditions(if_match=unquoted(etag))


def _version_error(wanted: Element) -> S3Error | None:
    if xml.text_of(wanted, "VersionId") in (None, "", "null"):
        return None
    return S3Error("NoSuchVersion", 404, "The specified version does not exist.")
