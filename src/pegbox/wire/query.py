"""The AWS query protocol of STS: a form in, XML out.

Only scalar parameters are read; an operation with lists or structures in its input has to extend `parse`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import ListShape, Shape, StructureShape

from pegbox.errors import AuthError, MalformedRequest, PegboxError, QueryError
from pegbox.wire.dump import dump
from pegbox.wire.service import Operation

MOST_PARAMETERS = 1000
MOST_TOLD = 128  #: characters of a name in a message

#: what the protocol calls a bad signature, with the HTTP status.  (API reference of STS, "Common Errors")
_AUTH_CODES = {
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "AccessDeniedException": ("AccessDenied", 403),
}


def form(body: bytes) -> dict[str, str]:
    """The form's parameters.  Raises MalformedRequest."""
    try:
        text = body.decode()
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_PARAMETERS))
    except ValueError as error:
        raise MalformedRequest(f"The request body is not a form: {error}") from None


def parse(parameters: Mapping[str, str]) -> dict[str, Any]:
    """The request: every parameter but the two that name the operation."""
    return {name: value for name, value in parameters.items() if name not in ("Action", "Version")}


def answer(value: Mapping[str, Any] | None, operation: Operation, request_id: str) -> bytes:
    """`<OperationResponse><OperationResult>…`, shaped by the model."""
    shape = operation.model.output_shape
    inner = ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        inner = f"<{wrapper}>{_xml(dump(value or {}, shape, _iso), shape)}</{wrapper}>"
    space = operation.model.service_model.metadata.get("xmlNamespace", "")
    return (
        f'<{operation.name}Response xmlns="{escape(str(space))}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>"
    ).encode()


def as_query(error: PegboxError) -> PegboxError:
    """Any error of ours as the protocol names it."""
    if isinstance(error, AuthError) and error.code in _AUTH_CODES:
        return QueryError(*_AUTH_CODES[error.code], error.message)
    return error


def not_found(parameters: Mapping[str, str]) -> QueryError:
    """There is no such operation here."""
    action, version = parameters.get("Action", ""), parameters.get("Version", "NO_VERSION_SPECIFIED")
    return QueryError("InvalidAction", 400, f"Could not find operation {_told(action)} for version {_told(version)}")


def _told(name: str) -> str:
    # XML has no control characters, not even escaped ones
    return "".join(letter if letter.isprintable() else "?" for letter in name[:MOST_TOLD])


def refusal(error: PegboxError, request_id: str) -> bytes:
    """The body of an error."""
    side = "Sender" if error.status < 500 else "Receiver"
    return (
        f"<ErrorResponse><Error><Type>{side}</Type><Code>{escape(error.code)}</Code>"
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _xml(value: Any, shape: Shape) -> str:
    if isinstance(shape, StructureShape):
        return "".join(f"<{name}>{_xml(item, shape.members[name])}</{name}>" for name, item in value.items())
    if isinstance(shape, ListShape):
        return "".join(f"<member>{_xml(item, shape.member)}</member>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
