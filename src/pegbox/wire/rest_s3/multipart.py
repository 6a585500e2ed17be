"""Multipart uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from starlette.responses import Response, StreamingResponse

from pegbox.errors import PegboxError, S3Error
from pegbox.objects.content import Incoming
from pegbox.objects.stored import Checksum, Part, StoredObject, Upload
from pegbox.objects.uploads import Changed, invalid_part, multipart_etag, select_parts
from pegbox.wire.rest_s3 import checksums, xml
from pegbox.wire.rest_s3.body import receive, receive_document
from pegbox.wire.rest_s3.buckets import xml_response
from pegbox.wire.rest_s3.call import Call, in_thread, invalid_argument
from pegbox.wire.rest_s3.conditions import unquoted, write_conditions
from pegbox.wire.rest_s3.copies import copy_part, part_result
from pegbox.wire.rest_s3.describing import checksum_headers, description_of, quoted
from pegbox.wire.rest_s3.listings import encoder, person
from pegbox.wire.rest_s3.refusals import as_s3, fault

LARGEST_NUMBER = 10_000
ATTEMPTS = 100  #: looks at an upload that others change while it is completed
PATIENCE = 5.0  #: seconds after which, and between which, a client that waits for Complete gets a sign of life


async def create_multipart_upload(call: Call) -> Response:
    """CreateMultipartUpload."""
    algorithm, kind = _checksum_plan(call)
    description = description_of(call.headers)
    create = call.store.uploads.create
    upload = await in_thread(create, call.account, call.bucket, call.key, description, algorithm, kind)
    headers = {"x-amz-checksum-algorithm": algorithm.upper(), "x-amz-checksum-type": kind} if algorithm else {}
    values = {"Bucket": call.bucket, "Key": call.key, "UploadId": upload.id}
    return xml_response(
        xml.document("InitiateMultipartUploadResult", xml.leaves(values)),
        {name: value for name, value in headers.items() if value},
    )


async def upload_part(call: Call) -> Response:
    """UploadPart and UploadPartCopy."""
    number = call.number("partNumber", 0, LARGEST_NUMBER + 1)
    if not 1 <= number <= LARGEST_NUMBER:
        message = f"Part number must be an integer between 1 and {LARGEST_NUMBER}, inclusive"
        raise invalid_argument("partNumber", call.query["partNumber"], message)
    upload = await _upload(call)
    if "x-amz-copy-source" in call.headers:
        return xml_response(part_result(await in_thread(copy_part, call, upload, number)))

    def store(incoming: Incoming, etag: str, checksum: Checksum | None) -> Part:
        _check_algorithm(upload, checksum)
        return call.store.uploads.put_part(call.account, upload, number, incoming, etag, checksum)

    part = await receive(call, upload.algorithm, store)
    headers = checksum_headers(part.checksum)
    headers.pop("x-amz-checksum-type", None)
    return Response(None, 200, {"etag": quoted(part.etag), **headers})


async def complete_multipart_upload(call: Call) -> Response:
    """CompleteMultipartUpload.  A long one answers at once and sends blanks until it knows more, as S3 does."""
    wanted = _wanted(xml.parse(await receive_document(call, about_itself=False), "CompleteMultipartUpload"))
    work = asyncio.ensure_future(_complete(call, wanted))
    await asyncio.wait([work], timeout=PATIENCE)
    if work.done():
        return xml_response(work.result())
    return StreamingResponse(_signs_of_life(work, call), media_type="application/xml")


async def abort_multipart_upload(call: Call) -> Response:
    """AbortMultipartUpload."""
    upload = await _upload(call)
    await in_thread(call.store.uploads.abort, call.account, upload)
    return Response(None, 204)


async def list_parts(call: Call) -> Response:
    """ListParts."""
    limit, after = call.number("max-parts", 1000, 1000), call.number("part-number-marker", 0, LARGEST_NUMBER)
    upload, found = await in_thread(call.store.uploads.parts, *_named(call), after, limit + 1)
    page, more = found[:limit], len(found) > limit
    head: dict[str, object] = {
        "Bucket": call.bucket,
        "Key": encoder(call)(call.key),
        "UploadId": upload.id,
        "PartNumberMarker": after,
        "NextPartNumberMarker": page[-1].number if page else 0,
        "MaxParts": limit,
        "IsTruncated": more and limit > 0,
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": upload.algorithm.upper() if upload.algorithm else None,
        "ChecksumType": upload.kind,
    }
    people = (person(call, "Initiator"), person(call, "Owner"))
    return xml_response(xml.document("ListPartsResult", xml.leaves(head), *people, *map(_part, page)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A part as CompleteMultipartUpload names it."""

    number: int
    etag: str
    checksums: Mapping[str, str]  #: by algorithm


def _wanted(request: Element) -> list[_Wanted]:
    found = [_wanted_part(part) for part in xml.children(request, "Part")]
    if not 1 <= len(found) <= LARGEST_NUMBER:
        raise xml.malformed()
    return found


def _wanted_part(part: Element) -> _Wanted:
    number, etag = (xml.text_of(part, "PartNumber") or "").strip(), xml.text_of(part, "ETag")
    if not number.isascii() or not number.isdigit() or len(number) > 5 or etag is None:
        raise xml.malformed()
    values = {name: xml.text_of(part, checksums.field_name(name)) for name in checksums.LENGTHS}
    given = {name: value for name, value in values.items() if value}
    return _Wanted(number=int(number), etag=unquoted(etag), checksums=given)


async def _complete(call: Call, wanted: Sequence[_Wanted]) -> str:
    stored = await in_thread(_finish, call, wanted)
    values: dict[str, object] = {
        "Location": call.location,
        "Bucket": call.bucket,
        "Key": call.key,
        "ETag": quoted(stored.etag),
    }
    if stored.checksum is not None:
        values[checksums.field_name(stored.checksum.algorithm)] = stored.checksum.value
        values["ChecksumType"] = stored.checksum.kind
    return xml.document("CompleteMultipartUploadResult", xml.leaves(values))


async def _signs_of_life(work: asyncio.Future[str], call: Call) -> AsyncIterator[str]:
    yield xml.DECLARATION
    while not work.done():
        yield " "
        await asyncio.wait([work], timeout=PATIENCE)
    try:
        yield work.result().removeprefix(xml.DECLARATION)
    except Exception as error:  # the status has been sent: whatever it is has to be told here
        told = as_s3(error) if isinstance(error, PegboxError) else fault(error, call.request)
        yield xml.error_document(told.code, told.message, told.extra).removeprefix(xml.DECLARATION)


def _finish(call: Call, wanted: Sequence[_Wanted]) -> StoredObject:
    for _ in range(ATTEMPTS):
        with suppress(Changed):  # somebody else was quicker, and it is seen now
            return _finish_now(call, wanted)
    raise S3Error("InternalError", 500, "The content of a part is missing.")


def _finish_now(call: Call, wanted: Sequence[_Wanted]) -> StoredObject:
    pairs = [(part.number, part.etag) for part in wanted]
    uploads = call.store.uploads
    try:
        upload, present = uploads.parts(*_named(call))
    except S3Error as error:
        if error.code == "NoSuchUpload" and (done := _done_before(call, pairs)) is not None:
            return done
        raise
    parts = select_parts(present, pairs)
    for part, named in zip(parts, wanted, strict=True):
        known = {part.checksum.algorithm: part.checksum.value} if part.checksum else {}
        if any(known.get(algorithm) != value for algorithm, value in named.checksums.items()):
            raise invalid_part(part.number)
    _check_size(call, parts)
    checksum = _checksum_of(upload, parts)
    _check_whole(call, upload, checksum)
    return uploads.complete(call.account, upload, parts, checksum, write_conditions(call.headers))


def _done_before(call: Call, pairs: Sequence[tuple[int, str]]) -> StoredObject | None:
    """The object, if this very Complete has succeeded before and only its answer was lost."""
    try:
        etag = multipart_etag([etag for _, etag in pairs])
        found = call.store.head_object(call.account, call.bucket, call.key)
    except (S3Error, ValueError):
        return None
    return found if found.etag == etag else None


def _checksum_plan(call: Call) -> tuple[str | None, str | None]:
    """The algorithm and kind of the upload's checksums.  Raises S3Error InvalidRequest."""
    name = call.headers.get("x-amz-checksum-algorithm", "")
    kind = call.headers.get("x-amz-checksum-type", "").upper()
    if not name:
        if kind:
            raise S3Error("InvalidRequest", 400, "The x-amz-checksum-type header needs x-amz-checksum-algorithm.")
        return None, None
    name = checksums.algorithm_of(name)
    kind = kind or ("FULL_OBJECT" if name == "crc64nvme" else "COMPOSITE")
    impossible = {("crc64nvme", "COMPOSITE"), ("sha1", "FULL_OBJECT"), ("sha256", "FULL_OBJECT")}
    if kind not in ("FULL_OBJECT", "COMPOSITE") or (name, kind) in impossible:
        message = f"The {kind} checksum type cannot be used with the {name} checksum algorithm."
        raise S3Error("InvalidRequest", 400, message)
    return name, kind


def _checksum_of(upload: Upload, parts: Sequence[Part]) -> Checksum | None:
    """The checksum of the object to be; None if one of its parts has none of the upload's algorithm."""
    found = [part.checksum for part in parts if part.checksum and part.checksum.algorithm == upload.algorithm]
    if upload.algorithm is None or len(found) < len(parts):
        return None
    if upload.kind == "COMPOSITE":
        return checksums.composite(upload.algorithm, [checksum.value for checksum in found])
    sized = [(checksum.value, part.size) for checksum, part in zip(found, parts, strict=True)]
    return checksums.full(upload.algorithm, sized)


def _check_algorithm(upload: Upload, checksum: Checksum | None) -> None:
    if upload.algorithm and checksum and checksum.algorithm != upload.algorithm:
        raise _mismatch(upload.algorithm, checksum.algorithm)


def _mismatch(expected: str | None, actual: str) -> S3Error:
    message = (
        f"Checksum Type mismatch occurred, expected checksum Type: {expected or 'null'}, actual checksum Type: {actual}"
    )
    return S3Error("InvalidRequest", 400, message)


def _check_size(call: Call, parts: Sequence[Part]) -> None:
    stated = call.headers.get("x-amz-mp-object-size")
    if stated is not None and stated != str(sum(part.size for part in parts)):
        raise S3Error("InvalidRequest", 400, "The provided x-amz-mp-object-size is not the size of the object.")


def _check_whole(call: Call, upload: Upload, checksum: Checksum | None) -> None:
    """Compare x-amz-checksum-* of the request with that of the whole.  Raises S3Error BadDigest, InvalidRequest."""
    kind = call.headers.get("x-amz-checksum-type", "").upper()
    if kind and kind != upload.kind:
        message = (
            f"The upload was created using the {upload.kind or 'null'} checksum mode. "
            "The complete request must use the same checksum mode."
        )
        raise S3Error("BadDigest", 400, message)
    for algorithm in checksums.LENGTHS:
        stated = call.headers.get(f"x-amz-checksum-{algorithm}")
        if stated is None:
            continue
        if checksum is None or checksum.algorithm != algorithm:
            raise _mismatch(upload.algorithm, algorithm)
        if stated.partition("-")[0] != checksum.value.partition("-")[0]:
            raise S3Error("BadDigest", 400, f"The {algorithm} you specified did not match the calculated checksum.")


async def _upload(call: Call) -> Upload:
    return await in_thread(call.store.uploads.get, *_named(call))


def _named(call: Call) -> tuple[str, str, str, str]:
    return call.account, call.bucket, call.key, call.query["uploadId"]


def _part(part: Part) -> str:
    values: dict[str, object] = {
        "PartNumber": part.number,
        "LastModified": xml.timestamp(part.modified),
        "ETag": quoted(part.etag),
        "Size": part.size,
    }
    if part.checksum is not None:
        values[checksums.field_name(part.checksum.algorithm)] = part.checksum.value
    return xml.branch("Part", xml.leaves(values))
