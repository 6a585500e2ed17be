"""GetObjectAttributes."""

from __future__ import annotations

from starlette.responses import Response

from pegbox.objects.stored import StoredObject
from pegbox.wire.rest_s3 import checksums, xml
from pegbox.wire.rest_s3.buckets import xml_response
from pegbox.wire.rest_s3.call import Call, in_thread, invalid_argument
from pegbox.wire.rest_s3.describing import last_modified

LARGEST_PAGE = 1000

_HEADER = "x-amz-object-attributes"
_NAMES = frozenset({"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"})


async def get_object_attributes(call: Call) -> Response:
    """GetObjectAttributes: the ones that x-amz-object-attributes names.  Parts are told if they had checksums."""
    text = ",".join(call.headers.getlist(_HEADER))
    wanted = {name.strip() for name in text.split(",")}
    if not wanted <= _NAMES:
        raise invalid_argument(_HEADER, text, "Invalid attribute name specified.")
    found = await in_thread(call.store.head_object, call.account, call.bucket, call.key)
    told = {
        "ETag": xml.leaf("ETag", found.etag),
        "Checksum": _checksum(found),
        "ObjectParts": _parts(call, found),
        "StorageClass": xml.leaf("StorageClass", "STANDARD"),
        "ObjectSize": xml.leaf("ObjectSize", found.size),
    }
    body = xml.document("GetObjectAttributesResponse", *(part for name, part in told.items() if name in wanted))
    return xml_response(body, {"last-modified": last_modified(found)})


def _checksum(found: StoredObject) -> str:
    if found.checksum is None:
        return ""
    # Of a composite one the number of parts is not told here.
    value = found.checksum.value.partition("-")[0]
    values = {checksums.field_name(found.checksum.algorithm): value, "ChecksumType": found.checksum.kind}
    return xml.branch("Checksum", xml.leaves(values))


def _parts(call: Call, found: StoredObject) -> str:
    if not found.part_sizes:
        return ""
    limit = _number(call, "x-amz-max-parts", LARGEST_PAGE, LARGEST_PAGE)
    after = _number(call, "x-amz-part-number-marker", 0, 10_000)
    page = range(after + 1, min(after + limit, len(found.part_sizes)) + 1)
    last = page[-1] if page else after
    head: dict[str, object] = {
        "PartsCount": len(found.part_sizes),
        "PartNumberMarker": after,
        "NextPartNumberMarker": last,
        "MaxParts": limit,
        "IsTruncated": last < len(found.part_sizes),
    }
    told = (_part(found, number) for number in page) if found.part_checksums else ()
    return xml.branch("ObjectParts", xml.leaves(head), *told)


def _part(found: StoredObject, number: int) -> str:
    values: dict[str, object] = {"PartNumber": number, "Size": found.part_sizes[number - 1]}
    if found.checksum is not None:
        values[checksums.field_name(found.checksum.algorithm)] = found.part_checksums[number - 1]
    return xml.branch("Part", xml.leaves(values))


def _number(call: Call, name: str, default: int, most: int) -> int:
    text = call.headers.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise invalid_argument(name, text, f"Argument {name} must be a whole number")
    return min(int(text), most)
