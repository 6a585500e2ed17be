"""Every error that a client may see, as one tree.

    PegboxError
    ├── ValidationException              the request breaks a rule (HTTP 400)
    ├── ResourceNotFound                 the named thing is not there, for operations that declare it
    ├── ResourceInUse                    the name is taken, or the thing is busy
    ├── ResourceLimitExceeded            a quota is reached
    ├── ConflictException                two writers met
    ├── LogsNotFound                     no such log group or stream (ResourceNotFoundException)
    ├── InvalidParameter                 CloudWatch Logs' word for a broken rule (InvalidParameterException)
    ├── UnknownOperation                 the model has it, pegbox does not serve it (HTTP 404)
    ├── QueryError                       the query protocol's own codes, each with its own status
    ├── MalformedRequest                 the body is no request at all (SerializationException)
    ├── RequestTooLarge                  body or header over the limit (HTTP 413)
    ├── AuthError                        who are you?  `code` says what is wrong with the signature
    ├── ServiceUnavailable               try again (HTTP 503)
    ├── InternalFailure                  our fault (HTTP 500)
    └── S3Error                          the S3 error codes, each with its own status

Codes and statuses: SageMaker API reference, "Common Errors" and the errors of each operation.  The message is what the
client reads; it says what to do next.
"""

from __future__ import annotations

from collections.abc import Mapping


class PegboxError(Exception):
    """An error with the code and the HTTP status that AWS clients expect."""

    code = "InternalFailure"
    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ValidationException(PegboxError):
    """The request breaks a rule of the model or of the guide."""

    code, status = "ValidationException", 400


class ResourceNotFound(PegboxError):
    """The named resource does not exist."""

    code, status = "ResourceNotFound", 400


class ResourceInUse(PegboxError):
    """The name is taken, or the resource is in a state that forbids the call."""

    code, status = "ResourceInUse", 400


class ResourceLimitExceeded(PegboxError):
    """A quota of the account is reached: `used` and `wanted` together are above `limit`, all counted in `unit`.

    The form of the message is the service's.  `setting` is the one that raises the limit, None if none does.
    """

    code, status = "ResourceLimitExceeded", 400

    def __init__(self, quota: str, unit: str, *, limit: int, used: int, wanted: int, setting: str | None) -> None:
        remedy = "No setting of pegbox raises it."
        if setting is not None:
            remedy = f"Please raise pegbox's setting {setting} (PEGBOX_{setting.upper()}) for a higher limit."
        super().__init__(
            f"The account-level service limit '{quota}' is {limit} {unit}, with current utilization of {used} {unit} "
            f"and a request delta of {wanted} {unit}. {remedy}"
        )


class ConflictException(PegboxError):
    """Somebody else changed the resource at the same time."""

    code, status = "ConflictException", 400


class LogsNotFound(PegboxError):
    """There is no such log group or log stream."""

    code, status = "ResourceNotFoundException", 400


class InvalidParameter(PegboxError):
    """The request breaks a rule, in the words of CloudWatch Logs."""

    code, status = "InvalidParameterException", 400


class UnknownOperation(PegboxError):
    """The operation is not served here."""

    code, status = "UnknownOperationException", 404


class MalformedRequest(PegboxError):
    """The body cannot be read as a request of the protocol."""

    code, status = "SerializationException", 400


class RequestTooLarge(PegboxError):
    """The body, the header or the nesting is over the limit."""

    code, status = "RequestEntityTooLargeException", 413


class AuthError(PegboxError):
    """The signature, key or time of the request is not accepted.

    `code` is one of MissingAuthenticationTokenException, IncompleteSignatureException, UnrecognizedClientException,
    InvalidSignatureException, AccessDeniedException; S3 and the query protocol translate it to their own names.
    """

    status = 400

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ServiceUnavailable(PegboxError):
    """The server cannot answer now; clients retry."""

    code, status = "ServiceUnavailable", 503


class InternalFailure(PegboxError):
    """A fault of the server; clients retry."""

    code, status = "InternalFailure", 500


class QueryError(PegboxError):
    """An error of the query protocol that has another code there than elsewhere."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


class S3Error(PegboxError):
    """An error of the S3 API.  `extra` becomes further elements of the XML body (Resource, Key, BucketName ...)."""

    def __init__(self, code: str, status: int, message: str, extra: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code, self.status = code, status
        self.extra = dict(extra or {})
