"""What is said when the answer is no: error bodies, the codes of S3 for bad signatures, what is not served."""

from __future__ import annotations

import errno
import sqlite3

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from pegbox.errors import AuthError, PegboxError, S3Error
from pegbox.wire.inflow import Cut, Inflow
from pegbox.wire.rest_s3 import xml
from pegbox.wire.rest_s3.checksums import LENGTHS
from pegbox.wire.signed import ClockSkew, Unreadable

log = structlog.get_logger()

FULL = {errno.ENOSPC, errno.EDQUOT}  #: a disk or a quota

#: every sub-resource of the S3 API; those that no route names are refused
SUBRESOURCES = frozenset(
    {
        "abac",
        "accelerate",
        "acl",
        "analytics",
        "annotation",
        "annotations",
        "append",
        "attributes",
        "cors",
        "delete",
        "encryption",
        "encryptionConfiguration",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "list-type",
        "location",
        "logging",
        "metadataAnnotationTable",
        "metadataConfiguration",
        "metadataInventoryTable",
        "metadataJournalTable",
        "metadataTable",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "partNumber",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "renameObject",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "select-type",
        "session",
        "tagging",
        "torrent",
        "uploadId",
        "uploads",
        "versionId",
        "versioning",
        "versions",
        "website",
    }
)

#: headers that ask for what the store does not do, and the values that ask for nothing
_DEMANDS: dict[str, frozenset[str]] = {
    "x-amz-acl": frozenset({"private", "bucket-owner-full-control", "bucket-owner-read"}),
    "x-amz-storage-class": frozenset({"STANDARD"}),
    "x-amz-object-lock-mode": frozenset(),
    "x-amz-object-lock-retain-until-date": frozenset(),
    "x-amz-object-lock-legal-hold": frozenset({"OFF"}),
    "x-amz-bucket-object-lock-enabled": frozenset({"false", "False"}),
    "x-amz-website-redirect-location": frozenset(),
    "x-amz-write-offset-bytes": frozenset(),
    "x-amz-rename-source": frozenset(),
    "x-amz-object-ownership": frozenset({"BucketOwnerEnforced"}),
    "x-amz-bucket-namespace": frozenset({"global"}),
    "x-amz-if-match-size": frozenset(),
    "x-amz-if-match-last-modified-time": frozenset(),
    "x-amz-if-match-initiated-time": frozenset(),
}
_CLASSES = frozenset(  #: storage classes
    {
        "STANDARD",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "REDUCED_REDUNDANCY",
        "GLACIER",
        "GLACIER_IR",
        "DEEP_ARCHIVE",
        "EXPRESS_ONEZONE",
        "FSX_ONTAP",
        "FSX_OPENZFS",
        "OUTPOSTS",
        "SNOW",
    }
)
_CANNED = frozenset(  #: canned access control lists
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    }
)
_DEMANDING_PREFIXES = (
    "x-amz-server-side-encryption",
    "x-amz-copy-source-server-side-encryption",
    "x-amz-grant-",
    "x-amz-object-lock-event-hold",
)
#: what may follow x-amz-checksum-; other algorithms would not be checked
_CHECKSUMS = frozenset({*LENGTHS, "algorithm", "mode", "type"})

_AUTH_CODES = {
    "MissingAuthenticationTokenException": ("AccessDenied", 403),
    "AccessDeniedException": ("AccessDenied", 403),
    "UnrecognizedClientException": ("InvalidAccessKeyId", 403),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
}
_AUTH_MESSAGES = {  #: where S3 says it in other words
    "MissingAuthenticationTokenException": "Access Denied",
    "UnrecognizedClientException": "The AWS Access Key Id you provided does not exist in our records.",
}


def error_response(error: PegboxError, request_id: str, resource: str, head: bool) -> Response:
    """An error as S3 words it; without a body to a HEAD."""
    told = as_s3(error)
    headers = {"x-amz-request-id": request_id}
    if told.status == 304 or head:
        return Response(
            None, told.status, headers | {name: told.extra[name] for name in ("ETag",) if name in told.extra}
        )
    extra = {**told.extra, "Resource": resource, "RequestId": request_id}
    body = xml.error_document(told.code, told.message, extra)
    return Response(body, told.status, headers, media_type="application/xml")


def as_s3(error: PegboxError) -> S3Error:
    """Any error of ours as one of S3's."""
    if isinstance(error, S3Error):
        return error
    if isinstance(error, ClockSkew):
        message = "The difference between the request time and the current time is too large."
        return S3Error("RequestTimeTooSkewed", 403, message, {"Details": error.message})
    if isinstance(error, Unreadable):
        return S3Error(error.s3_code, error.s3_status, error.message)
    if isinstance(error, AuthError):
        code, status = _AUTH_CODES.get(error.code, ("AccessDenied", 403))
        return S3Error(code, status, _AUTH_MESSAGES.get(error.code, error.message))
    return S3Error(error.code, error.status, error.message)


def fault(error: Exception, request: Request) -> S3Error:
    """What a client is told about trouble of ours, which goes to the log.  Status 507 is that of RFC 4918."""
    about = {"method": request.method, "path": request.scope["path"][:256]}
    if _is_full(error):
        log.warning("the object store's disk is full", error=str(error), **about)
        return S3Error("InsufficientStorage", 507, "The disk of the object store is full. Make room, then try again.")
    log.error("an S3 request failed", exc_info=error, **about)
    return S3Error("InternalError", 500, "We encountered an internal error. Please try again.")


def _is_full(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):  # the index
        return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in FULL


def check_demands(headers: Headers) -> None:
    """Refuse what would otherwise be lost in silence: ACLs, encryption, locks, storage classes."""
    acl = headers.get("x-amz-acl", "private")
    if acl not in _CANNED:
        raise S3Error("InvalidArgument", 400, "", {"ArgumentName": "x-amz-acl", "ArgumentValue": acl})
    storage = headers.get("x-amz-storage-class", "STANDARD")
    if storage not in _CLASSES:
        message = "The storage class you specified is not valid"
        raise S3Error("InvalidStorageClass", 400, message, {"StorageClassRequested": storage})
    for name, value in headers.items():
        harmless = _DEMANDS.get(name)
        if name.startswith(_DEMANDING_PREFIXES) or (harmless is not None and value not in harmless):
            raise not_implemented(name)
        if name.startswith("x-amz-checksum-") and name.removeprefix("x-amz-checksum-") not in _CHECKSUMS:
            raise not_implemented(name)


def cut_off(inflow: Inflow | None) -> S3Error:
    """A body is shorter than its Content-Length ("List of error codes")."""
    if inflow is not None and inflow.cut_by is Cut.SILENCE:
        message = (
            "Your socket connection to the server was not read from or written to within the timeout period. "
            "Idle connections will be closed."
        )
        return S3Error("RequestTimeout", 400, message)
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header"
    return S3Error("IncompleteBody", 400, message)


def not_allowed() -> S3Error:
    """There is no such method of a service, bucket or object."""
    return S3Error("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")


def not_implemented(what: str) -> S3Error:
    """This server does not do that."""
    message = f"A header, query or method you provided implies functionality that is not implemented: {what}"
    return S3Error("NotImplemented", 501, message, {"Header": what})
