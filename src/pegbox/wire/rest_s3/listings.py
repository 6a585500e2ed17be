"""ListObjects, ListObjectsV2, ListObjectVersions and ListMultipartUploads."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import quote

from starlette.responses import Response

from pegbox.objects.stored import Page, StoredObject
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.buckets import check_encoding, xml_response
from pegbox.wire.rest_s3.call import Call, in_thread, invalid_argument
from pegbox.wire.rest_s3.describing import quoted

LARGEST_PAGE = 1000
NULL_VERSION = "null"  #: the version id of objects in a bucket without versions

Encode = Callable[[str], str]


async def list_objects(call: Call) -> Response:
    """ListObjects, version 1: pages begin after a key."""
    marker, limit = call.query.get("marker", ""), call.number("max-keys", LARGEST_PAGE, LARGEST_PAGE)
    delimiter, encode = call.query.get("delimiter", ""), encoder(call)
    page = await _page(call, marker, limit)
    head = {
        "Name": call.bucket,
        "Prefix": encode(call.query.get("prefix", "")),
        "Marker": encode(marker),
        "NextMarker": encode(page.last) if page.last is not None and delimiter else None,
    }
    return _answer(call, page, head, limit, owner=True)


async def list_objects_v2(call: Call) -> Response:
    """ListObjectsV2: pages begin after a token."""
    if call.query["list-type"] != "2":
        raise invalid_argument("list-type", call.query["list-type"], "Invalid List Type specified in Request")
    token, start = call.query.get("continuation-token"), call.query.get("start-after", "")
    limit, encode = call.number("max-keys", LARGEST_PAGE, LARGEST_PAGE), encoder(call)
    page = await _page(call, _after(token) if token else start, limit)
    head = {
        "Name": call.bucket,
        "Prefix": encode(call.query.get("prefix", "")),
        "ContinuationToken": token,
        "NextContinuationToken": None if page.last is None else _token(page.last),
        "StartAfter": encode(start) if start else None,
        "KeyCount": len(page.objects) + len(page.prefixes),
    }
    return _answer(call, page, head, limit, owner=call.query.get("fetch-owner", "").lower() == "true")


async def list_object_versions(call: Call) -> Response:
    """ListObjectVersions of a bucket without versions: each object is the one version of its key, named null."""
    key, version = call.query.get("key-marker", ""), call.query.get("version-id-marker", "")
    if version and not key:
        message = "A version-id marker cannot be specified without a key marker."
        raise invalid_argument("version-id-marker", version, message)
    limit, encode = call.number("max-keys", LARGEST_PAGE, LARGEST_PAGE), encoder(call)
    page = await _page(call, key, limit)
    of_object = page.last is not None and page.last not in page.prefixes
    head = {
        "Name": call.bucket,
        "Prefix": encode(call.query.get("prefix", "")),
        "KeyMarker": encode(key),
        "VersionIdMarker": version,
        "NextKeyMarker": None if page.last is None else encode(page.last),
        "NextVersionIdMarker": NULL_VERSION if of_object else None,
    }
    return xml_response(
        xml.document(
            "ListVersionsResult",
            xml.leaves({**head, **_tail(call, page, limit)}),
            *(_version(found, encode, person(call, "Owner")) for found in page.objects),
            *_common_prefixes(page.prefixes, encode),
        )
    )


async def list_multipart_uploads(call: Call) -> Response:
    """ListMultipartUploads."""
    limit, encode = call.number("max-uploads", LARGEST_PAGE, LARGEST_PAGE), encoder(call)
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    key, marker = call.query.get("key-marker", ""), call.query.get("upload-id-marker", "")
    after = (key, marker or None)
    page = await in_thread(call.store.uploads.in_progress, call.account, call.bucket, prefix, delimiter, after, limit)
    more = page.last is not None and limit > 0
    head: dict[str, object] = {
        "Bucket": call.bucket,
        "KeyMarker": encode(key),
        "UploadIdMarker": marker,
        "NextKeyMarker": encode(page.last[0]) if page.last and more else None,
        "NextUploadIdMarker": page.last[1] if page.last and more else None,
        "Prefix": encode(prefix),
        "Delimiter": encode(delimiter) if delimiter else None,
        "EncodingType": call.query.get("encoding-type") or None,
        "MaxUploads": limit,
        "IsTruncated": more,
    }
    uploads = (
        xml.branch(
            "Upload",
            xml.leaves({"Key": encode(upload.key), "UploadId": upload.id}),
            person(call, "Initiator"),
            person(call, "Owner"),
            xml.leaves({"StorageClass": "STANDARD", "Initiated": xml.timestamp(upload.started)}),
            xml.leaves({"ChecksumAlgorithm": upload.algorithm and upload.algorithm.upper()}),
            xml.leaves({"ChecksumType": upload.kind}),
        )
        for upload in page.uploads
    )
    prefixes = _common_prefixes(page.prefixes, encode)
    return xml_response(xml.document("ListMultipartUploadsResult", xml.leaves(head), *uploads, *prefixes))


def person(call: Call, name: str) -> str:
    """The caller, who is the owner and initiator of everything that it sees."""
    return xml.branch(name, xml.leaves({"ID": call.account, "DisplayName": call.account}))


def encoder(call: Call) -> Encode:
    """How keys are written: as they are, or percent-encoded if the client wants it."""
    if check_encoding(call):
        return lambda text: quote(text, safe="/*")
    return lambda text: text


async def _page(call: Call, after: str, limit: int) -> Page:
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    return await in_thread(call.store.list_objects, call.account, call.bucket, prefix, delimiter, after, limit)


def _answer(call: Call, page: Page, head: Mapping[str, object], limit: int, owner: bool) -> Response:
    encode, owned = encoder(call), person(call, "Owner") if owner else ""
    return xml_response(
        xml.document(
            "ListBucketResult",
            xml.leaves({**head, **_tail(call, page, limit)}),
            *(_contents(found, encode, owned) for found in page.objects),
            *_common_prefixes(page.prefixes, encode),
        )
    )


def _tail(call: Call, page: Page, limit: int) -> dict[str, object]:
    delimiter = call.query.get("delimiter", "")
    return {
        "MaxKeys": limit,
        "Delimiter": encoder(call)(delimiter) if delimiter else None,
        "EncodingType": call.query.get("encoding-type") or None,
        "IsTruncated": page.last is not None,
    }


def _common_prefixes(prefixes: Iterable[str], encode: Encode) -> Iterator[str]:
    return (xml.branch("CommonPrefixes", xml.leaf("Prefix", encode(prefix))) for prefix in prefixes)


def _version(found: StoredObject, encode: Encode, owner: str) -> str:
    values = {"VersionId": NULL_VERSION, "IsLatest": True}
    return xml.branch("Version", xml.leaves({**_values(found, encode), **values}), owner)


def _contents(found: StoredObject, encode: Encode, owner: str) -> str:
    return xml.branch("Contents", xml.leaves(_values(found, encode)), owner)


def _values(found: StoredObject, encode: Encode) -> dict[str, object]:
    values: dict[str, object] = {
        "Key": encode(found.key),
        "LastModified": xml.timestamp(found.modified),
        "ETag": quoted(found.etag),
    }
    if found.checksum is not None:
        values |= {"ChecksumAlgorithm": found.checksum.algorithm.upper(), "ChecksumType": found.checksum.kind}
    return values | {"Size": found.size, "StorageClass": "STANDARD"}


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _after(token: str) -> str:
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
        if raw:
            return raw.decode()
    except (binascii.Error, ValueError):
        pass
    raise invalid_argument("continuation-token", token, "The continuation token provided is incorrect")
