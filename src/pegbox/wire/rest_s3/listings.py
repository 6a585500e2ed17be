"""ListObjects and ListObjectsV2."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from urllib.parse import quote

from starlette.responses import Response

from pegbox.objects.stored import Page, StoredObject
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.buckets import check_encoding, xml_response
from pegbox.wire.rest_s3.call import Call, in_thread, invalid_argument
from pegbox.wire.rest_s3.describing import quoted

LARGEST_PAGE = 1000

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
    page = await _page(call, start if token is None else _after(token), limit)
    head = {
        "Name": call.bucket,
        "Prefix": encode(call.query.get("prefix", "")),
        "ContinuationToken": token,
        "NextContinuationToken": None if page.last is None else _token(page.last),
        "StartAfter": encode(start) if start else None,
        "KeyCount": len(page.objects) + len(page.prefixes),
    }
    return _answer(call, page, head, limit, owner=call.query.get("fetch-owner", "").lower() == "true")


def encoder(call: Call) -> Encode:
    """How keys are written: as they are, or percent-encoded if the client wants it."""
    if check_encoding(call):
        return lambda text: quote(text, safe="/*")
    return lambda text: text


async def _page(call: Call, after: str, limit: int) -> Page:
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    return await in_thread(call.store.list_objects, call.account, call.bucket, prefix, delimiter, after, limit)


def _answer(call: Call, page: Page, head: Mapping[str, object], limit: int, owner: bool) -> Response:
    encode, delimiter = encoder(call), call.query.get("delimiter", "")
    tail = {
        "MaxKeys": limit,
        "Delimiter": encode(delimiter) if delimiter else None,
        "EncodingType": call.query.get("encoding-type") or None,
        "IsTruncated": page.last is not None,
    }
    owned = xml.branch("Owner", xml.leaves({"ID": call.account, "DisplayName": call.account})) if owner else ""
    return xml_response(
        xml.document(
            "ListBucketResult",
            xml.leaves({**head, **tail}),
            *(_contents(found, encode, owned) for found in page.objects),
            *(xml.branch("CommonPrefixes", xml.leaf("Prefix", encode(prefix))) for prefix in page.prefixes),
        )
    )


def _contents(found: StoredObject, encode: Encode, owner: str) -> str:
    values: dict[str, object] = {
        "Key": encode(found.key),
        "LastModified": xml.timestamp(found.modified),
        "ETag": quoted(found.etag),
    }
    if found.checksum is not None:
        values |= {"ChecksumAlgorithm": found.checksum.algorithm.upper(), "ChecksumType": found.checksum.kind}
    values |= {"Size": found.size, "StorageClass": "STANDARD"}
    return xml.branch("Contents", xml.leaves(values), owner)


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
