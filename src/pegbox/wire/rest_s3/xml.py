"""XML of the S3 API: written as text, read with a bound on size and without entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from pegbox.errors import S3Error

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
LONGEST_DOCUMENT = 4 << 20  #: bytes; 10,000 parts with checksums have 2.5 MB
DEEPEST = 20  #: elements inside each other; the documents of S3 have at most 6
MOST_ELEMENTS = 100_000  #: 10,000 parts have 4 each

_SPECIAL = re.compile(r'[&<>"\x00-\x1f\x7f]')
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


def escape(text: str) -> str:
    """Text as XML.  Control characters become references, as on S3, though XML 1.0 forbids some of them."""
    return _SPECIAL.sub(lambda match: _NAMED.get(match[0], f"&#x{ord(match[0]):x};"), text)


def leaf(name: str, value: object) -> str:
    """An element with text; a value of None is no element at all."""
    if value is None:
        return ""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else escape(str(value))
    return f"<{name}>{text}</{name}>"


def leaves(values: Mapping[str, object]) -> str:
    """Elements with text, in order."""
    return "".join(leaf(name, value) for name, value in values.items())


def branch(name: str, *content: str) -> str:
    """An element around others."""
    return f"<{name}>{''.join(content)}</{name}>"


def document(name: str, *content: str) -> str:
    """A whole answer of the S3 API."""
    return f'{DECLARATION}<{name} xmlns="{NAMESPACE}">{"".join(content)}</{name}>'


def error_document(code: str, message: str, extra: Mapping[str, str]) -> str:
    """The body of an error."""
    return DECLARATION + branch("Error", leaves({"Code": code, "Message": message, **extra}))


def timestamp(moment: datetime) -> str:
    """ISO 8601 with milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse(body: bytes, root: str) -> Element:
    """Read a request document; names lose their namespace.  Raises S3Error MalformedXML."""
    parser = XMLParser(target=_Builder())
    try:
        parser.feed(body)
        found: Element = parser.close()
    except (ParseError, LookupError, ValueError):
        raise malformed() from None
    if found.tag != root:
        raise malformed()
    return found


def text_of(parent: Element, name: str) -> str | None:
    """The text of a child, None if there is no such child."""
    child = parent.find(name)
    return None if child is None else (child.text or "")


def children(parent: Element, name: str) -> Iterable[Element]:
    """All children of a name."""
    return parent.findall(name)


def malformed() -> S3Error:
    """The document is not what the operation takes."""
    message = "The XML you provided was not well-formed or did not validate against our published schema"
    return S3Error("MalformedXML", 400, message)


class _Builder(TreeBuilder):
    """Builds elements without namespaces; refuses document types, hence entities, and too many or too deep elements."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._count = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        self._count += 1
        if self._depth > DEEPEST or self._count > MOST_ELEMENTS:
            raise malformed()
        return super().start(tag.rpartition("}")[2], attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag.rpartition("}")[2])

    def doctype(self, name: str, pubid: str, system: str, /) -> None:
        raise malformed()
