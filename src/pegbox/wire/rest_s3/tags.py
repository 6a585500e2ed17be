"""Tags of objects and buckets: as XML, as the header x-amz-tagging, and the rules for both.

Rules: S3 user guide, "Categorizing your storage using tags": 10 tags an object, 50 a bucket; keys of 1 to 128
characters, values of up to 256: letters, digits, spaces and + - = . _ : / @.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from starlette.datastructures import Headers

from pegbox.errors import S3Error
from pegbox.wire.rest_s3 import xml
from pegbox.wire.sigv4 import query_pairs

MOST_OF_OBJECT, MOST_OF_BUCKET = 10, 50
LONGEST_KEY, LONGEST_VALUE = 128, 256  #: characters

_SIGNS = frozenset("+-=._:/@")
_HEADER = "x-amz-tagging"


def tags_of_header(headers: Headers) -> dict[str, str]:
    """The tags of x-amz-tagging, written like a query string.  Raises S3Error InvalidArgument, InvalidTag."""
    text = headers.get(_HEADER, "")
    try:
        pairs = [(name.decode(), value.decode()) for name, value in query_pairs(text.encode("latin-1"))]
    except UnicodeDecodeError:
        raise _bad_header(text) from None
    if len(dict(pairs)) < len(pairs):
        raise _bad_header(text)
    return _checked(pairs, MOST_OF_OBJECT)


def tags_of_document(body: bytes, most: int) -> dict[str, str]:
    """The tags of a Tagging element, at most so many.  Raises S3Error MalformedXML, InvalidTag."""
    sets = list(xml.children(xml.parse(body, "Tagging"), "TagSet"))
    if len(sets) != 1:
        raise xml.malformed()
    return tags_of_set(sets[0], most)


def tags_of_set(parent: Element, most: int) -> dict[str, str]:
    """The tags in an element, at most so many.  Raises S3Error MalformedXML, InvalidTag."""
    pairs = []
    for tag in xml.children(parent, "Tag"):
        key, value = xml.text_of(tag, "Key"), xml.text_of(tag, "Value")
        if key is None or value is None:
            raise xml.malformed()
        pairs.append((key, value))
    return _checked(pairs, most)


def _checked(pairs: Sequence[tuple[str, str]], most: int) -> dict[str, str]:
    """The tags, if they keep the rules.  Raises S3Error InvalidTag."""
    if len(pairs) > most:
        raise _invalid(f"There must be no more than {most} tags")
    for key, value in pairs:
        if not 1 <= len(key) <= LONGEST_KEY or not _plain(key):
            raise _invalid("The TagKey you have provided is invalid", key)
        if len(value) > LONGEST_VALUE or not _plain(value):
            raise _invalid("The TagValue you have provided is invalid", key)
        if key.lower().startswith("aws:"):
            raise _invalid("Your TagKey cannot be prefixed with aws:", key)
    if len(dict(pairs)) < len(pairs):
        raise _invalid("Cannot provide multiple Tags with the same key")
    return dict(pairs)


def _plain(text: str) -> bool:
    return all(letter in _SIGNS or unicodedata.category(letter)[0] in "LNZ" for letter in text)


def _invalid(message: str, key: str | None = None) -> S3Error:
    return S3Error("InvalidTag", 400, message, {} if key is None else {"TagKey": key})


def _bad_header(text: str) -> S3Error:
    message = (
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters "
        "without tag name duplicates."
    )
    return S3Error("InvalidArgument", 400, message, {"ArgumentName": _HEADER, "ArgumentValue": text})
