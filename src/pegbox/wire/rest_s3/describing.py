"""What headers say about an object, in and out."""

from __future__ import annotations

import re
from email.utils import format_datetime

from starlette.datastructures import Headers

from pegbox.errors import S3Error
from pegbox.objects.files import DEFAULT_TYPE
from pegbox.objects.stored import Checksum, Description, StoredObject
from pegbox.wire.rest_s3.call import Call, invalid_argument
from pegbox.wire.rest_s3.tags import tags_of_header

MOST_METADATA = 2048  #: bytes of user metadata, names and values

_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")
_META = "x-amz-meta-"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


def description_of(headers: Headers) -> Description:
    """What a writer says about an object.  Raises S3Error MetadataTooLarge, InvalidTag, InvalidArgument."""
    metadata: dict[str, str] = {}
    for name, value in headers.items():
        if name.startswith(_META):
            key, value = name.removeprefix(_META), value.strip(" \t")
            if not _TOKEN.fullmatch(key):
                raise invalid_argument(name, value, "Metadata names must be those of HTTP headers.")
            metadata[key] = f"{metadata[key]},{value}" if key in metadata else value
    if sum(len(name) + len(value) for name, value in metadata.items()) > MOST_METADATA:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise S3Error("MetadataTooLarge", 400, message, {"MaxSizeAllowed": str(MOST_METADATA)})
    # Fields of forms and parameters of URLs stand for headers: unlike these they may have blanks around them.
    kept = {name: value for name in _KEPT if (value := headers.get(name, "").strip(" \t"))}
    encoding = [part.strip() for part in kept.pop("content-encoding", "").split(",")]
    if real := ", ".join(part for part in encoding if part and part != "aws-chunked"):
        kept["content-encoding"] = real
    kept.setdefault("content-type", DEFAULT_TYPE)
    return Description(headers=kept, metadata=metadata, tags=tags_of_header(headers))


def headers_of(call: Call, found: StoredObject) -> dict[str, str]:
    """The headers of an answer about an object.  Raises S3Error InvalidArgument for a bad response-* override."""
    headers = {
        **found.description.headers,
        **{_META + name: value for name, value in found.description.metadata.items()},
        **_overrides(call),
        "etag": quoted(found.etag),
        "last-modified": last_modified(found),
        "accept-ranges": "bytes",
    }
    if found.description.tags:
        headers["x-amz-tagging-count"] = str(len(found.description.tags))
    if call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
        headers |= checksum_headers(found.checksum)
    return headers


def checksum_headers(checksum: Checksum | None) -> dict[str, str]:
    """The headers that tell a checksum."""
    if checksum is None:
        return {}
    return {f"x-amz-checksum-{checksum.algorithm}": checksum.value, "x-amz-checksum-type": checksum.kind}


def last_modified(found: StoredObject) -> str:
    """When an object was written, as HTTP writes it."""
    return format_datetime(found.modified, usegmt=True)


def quoted(etag: str) -> str:
    """An ETag as HTTP writes it."""
    return f'"{etag}"'


def _overrides(call: Call) -> dict[str, str]:
    found = {}
    for name in _KEPT:
        value = call.query.get(f"response-{name}")
        if value is None:
            continue
        if any(ord(letter) > 255 or ord(letter) in (0x7F, *range(0x20)) for letter in value):
            raise invalid_argument(f"response-{name}", value, "Header value cannot be represented using ISO-8859-1.")
        found[name] = value.strip()
    return found
