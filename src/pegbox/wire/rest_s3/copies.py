"""CopyObject and UploadPartCopy."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from pegbox.errors import S3Error
from pegbox.objects.files import STEP
from pegbox.objects.stored import Checksum, OpenObject, Part, StoredObject, Upload
from pegbox.wire.rest_s3 import checksums, xml
from pegbox.wire.rest_s3.buckets import xml_response
from pegbox.wire.rest_s3.call import Call, in_thread, invalid_argument
from pegbox.wire.rest_s3.conditions import check_read, copy_range, write_conditions
from pegbox.wire.rest_s3.describing import description_of, quoted

_SOURCE = "x-amz-copy-source"


async def copy_object(call: Call) -> Response:
    """CopyObject."""
    stored = await in_thread(_copy, call)
    return xml_response(_result("CopyObjectResult", stored))


def copy_part(call: Call, upload: Upload, number: int) -> Part:
    """Make a range of an object a part of an upload.  Raises S3Error."""
    with _open_source(call) as source, call.store.receive() as incoming:
        first, count = 0, source.info.size
        if f"{_SOURCE}-range" in call.headers:
            first, count = copy_range(call.headers[f"{_SOURCE}-range"], source.info.size)
        etag, checksum = _digests(source, first, count, upload.algorithm)
        incoming.append_range(source.fd, first, count)
        incoming.settle()
        return call.store.uploads.put_part(call.account, upload, number, incoming, etag, checksum)


def part_result(part: Part) -> str:
    """The body of the answer to UploadPartCopy."""
    return _result("CopyPartResult", part)


def _copy(call: Call) -> StoredObject:
    metadata, tags = _directive(call, "x-amz-metadata-directive"), _directive(call, "x-amz-tagging-directive")
    with _open_source(call) as source:
        is_itself = (source.info.bucket, source.info.key) == (call.bucket, call.key)
        if is_itself and metadata == "COPY" and "x-amz-storage-class" not in call.headers:
            raise S3Error(
                "InvalidRequest",
                400,
                "This copy request is illegal because it is trying to copy an object to itself without changing the "
                "object's metadata, storage class, website redirect location or encryption attributes.",
            )
        given, kept = description_of(call.headers), source.info.description
        description = replace(
            given if metadata == "REPLACE" else kept, tags=(given if tags == "REPLACE" else kept).tags
        )
        conditions = write_conditions(call.headers)
        checksum = _checksum(call, source)
        return call.store.copy_object(call.account, source, call.bucket, call.key, description, conditions, checksum)


def _checksum(call: Call, source: OpenObject) -> Checksum | None:
    """The one that x-amz-checksum-algorithm asks for, unless the source has it.  Raises S3Error InvalidRequest."""
    if "x-amz-checksum-algorithm" not in call.headers:
        return None
    algorithm = checksums.algorithm_of(call.headers["x-amz-checksum-algorithm"])
    present = source.info.checksum
    if present is not None and (present.algorithm, present.kind) == (algorithm, "FULL_OBJECT"):
        return present
    return _digests(source, 0, source.info.size, algorithm)[1]


def _directive(call: Call, name: str) -> str:
    directive = call.headers.get(name, "COPY")
    if directive not in ("COPY", "REPLACE"):
        what = name.removeprefix("x-amz-").removesuffix("-directive")
        raise invalid_argument(name, directive, f"Unknown {what} directive.")
    return directive


def _open_source(call: Call) -> OpenObject:
    bucket, key = _source_of(call)
    source = call.store.open_object(call.account, bucket, key)
    try:
        check_read(source.info, call.headers, f"{_SOURCE}-")
    except BaseException:
        source.close()
        raise
    return source


def _source_of(call: Call) -> tuple[str, str]:
    text = call.headers[_SOURCE]
    path, _, query = text.partition("?")
    if query not in ("", "versionId=null"):
        raise invalid_argument(_SOURCE, text, "Copying a version is not supported")
    bucket, _, key = unquote_to_bytes(path.removeprefix("/")).partition(b"/")
    try:
        names = bucket.decode(), key.decode()
    except UnicodeDecodeError:
        names = "", ""
    if not all(names):
        raise invalid_argument(_SOURCE, text, "Copy Source must mention the source bucket and key: sourcebucket/key")
    return names


def _digests(source: OpenObject, first: int, count: int, algorithm: str | None) -> tuple[str, Checksum | None]:
    etag = hashlib.md5(usedforsecurity=False)
    total = checksums.new_sum(algorithm) if algorithm else None
    for offset in range(first, first + count, STEP):
        piece = source.read(offset, min(STEP, first + count - offset))
        etag.update(piece)
        if total is not None:
            total.update(piece)
    return etag.hexdigest(), checksums.settle(algorithm, total, None) if algorithm and total else None


def _result(name: str, stored: StoredObject | Part) -> str:
    values: dict[str, object] = {"LastModified": xml.timestamp(stored.modified), "ETag": quoted(stored.etag)}
    if stored.checksum is not None:
        values[checksums.field_name(stored.checksum.algorithm)] = stored.checksum.value
        if isinstance(stored, StoredObject):
            values["ChecksumType"] = stored.checksum.kind
    return xml.document(name, xml.leaves(values))
