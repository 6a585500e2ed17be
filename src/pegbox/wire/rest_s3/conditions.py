"""Conditional requests and ranges (RFC 9110 sections 13 and 14; S3 API reference, GetObject, CopyObject)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pegbox.errors import S3Error
from pegbox.objects.stored import Conditions, StoredObject

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def write_conditions(headers: Mapping[str, str]) -> Conditions:
    """If-Match and If-None-Match of a write; the latter takes `*` alone, and not both may be given.  Raises S3Error."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if none_match is not None and (none_match.strip() != "*" or match is not None):
        message = "A header you provided implies functionality that is not implemented"
        raise S3Error("NotImplemented", 501, message, {"Header": "If-None-Match"})
    return Conditions(
        if_match=None if match is None else unquoted(match), if_none_match=None if none_match is None else "*"
    )


def check_read(found: StoredObject, headers: Mapping[str, str], prefix: str = "") -> None:
    """Check If-Match and its kin, each name after `prefix`.  Raises S3Error 412 or NotModified 304."""
    copying = bool(prefix)
    match, none_match = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    unmodified, modified = headers.get(f"{prefix}if-unmodified-since"), headers.get(f"{prefix}if-modified-since")
    if match is not None:
        if not _among(found.etag, match):
            raise _failed("If-Match")
    elif (moment := _date(unmodified)) is not None and _seconds(found) > moment:
        raise _failed("If-Unmodified-Since")
    if none_match is not None:
        if _among(found.etag, none_match):
            raise _failed("If-None-Match") if copying else _not_modified(found)
    elif (moment := _date(modified)) is not None and _seconds(found) <= moment:
        raise _failed("If-Modified-Since") if copying else _not_modified(found)


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the count that a Range header asks for; None if it asks for everything, or for nonsense.

    Raises S3Error InvalidRange.
    """
    match = _RANGE.fullmatch(text.strip()) if text else None
    if match is None or (not match[1] and not match[2]):
        return None
    if not match[1]:
        count = min(int(match[2]), size)
        if not count:
            raise _unsatisfiable(text, size)
        return size - count, count
    first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    if match[2] and int(match[2]) < first:
        return None
    if first >= size:
        raise _unsatisfiable(text, size)
    return first, last - first + 1


def copy_range(text: str, size: int) -> tuple[int, int]:
    """First byte and count of x-amz-copy-source-range, which must lie inside the object.  Raises S3Error."""
    match = _RANGE.fullmatch(text)
    if match is None or not match[1] or not match[2] or int(match[2]) < int(match[1]):
        message = "The x-amz-copy-source-range value must be of the form bytes=first-last"
        raise S3Error("InvalidArgument", 400, message, {"ArgumentValue": text})
    first, last = int(match[1]), int(match[2])
    if last >= size:
        raise S3Error("InvalidRange", 416, f"Range specified is not valid for source object of size: {size}")
    return first, last - first + 1


def unquoted(etag: str) -> str:
    """An ETag without the quotes that may be around it."""
    return etag.strip().removeprefix("W/").strip('"')


def _among(etag: str, listed: str) -> bool:
    return any(each in ("*", etag) for each in map(unquoted, listed.split(",")))


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text else None
        return date if date is None or date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _seconds(found: StoredObject) -> datetime:
    return found.modified.replace(microsecond=0)


def _failed(condition: str) -> S3Error:
    message = "At least one of the pre-conditions you specified did not hold"
    return S3Error("PreconditionFailed", 412, message, {"Condition": condition})


def _not_modified(found: StoredObject) -> S3Error:
    return S3Error("NotModified", 304, "Not Modified", {"ETag": f'"{found.etag}"'})


def _unsatisfiable(text: str | None, size: int) -> S3Error:
    extra = {"RangeRequested": text or "", "ActualObjectSize": str(size)}
    return S3Error("InvalidRange", 416, "The requested range is not satisfiable", extra)
