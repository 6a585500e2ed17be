"""PostObject: uploads from web forms (multipart/form-data, RFC 7578), allowed by a signed policy.

The fields come first and are few; then comes the file, which is streamed to a content file as the body of a PUT is.
Nothing is kept before the signature and the policy have been checked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from pegbox.errors import S3Error
from pegbox.objects.content import Incoming
from pegbox.objects.files import STEP, FileStore
from pegbox.objects.stored import Checksum, StoredObject
from pegbox.wire.rest_s3 import checksums, xml
from pegbox.wire.rest_s3.body import LARGEST_PUT
from pegbox.wire.rest_s3.call import LONGEST_KEY, Call, Target, in_thread, invalid_argument, target_of
from pegbox.wire.rest_s3.describing import checksum_headers, description_of, quoted
from pegbox.wire.rest_s3.post_policy import Sizes, check_policy
from pegbox.wire.rest_s3.refusals import check_demands, not_allowed
from pegbox.wire.rest_s3.tags import MOST_OF_OBJECT, tags_of_document
from pegbox.wire.sigv4 import Caller

LONGEST_FIELDS = 20 << 10  #: bytes before the file, as on S3
MULTIPART = "multipart/form-data"
LONGEST_BOUNDARY = 256  #: bytes; RFC 2046, 5.1.1, allows 70

Signer = Callable[[Mapping[str, str]], Caller]  #: who signed the policy among these fields; raises AuthError

_URL = ":/?#[]@!$&'()*+,;=%~"  #: signs of a URL; all others are percent-encoded
_HEADERS = frozenset({"content-type", "cache-control", "content-disposition", "content-encoding", "expires"})


def is_form(request: Request) -> bool:
    """Whether this is an upload from a form, which carries its signature in the body."""
    return (
        request.method == "POST"
        and request.headers.get("content-type", "").lower().startswith(MULTIPART)
        and "authorization" not in request.headers
        and b"Signature=" not in request.scope["query_string"]
    )


async def post_object(store: FileStore, request: Request, signer: Signer) -> Response:
    """PostObject."""
    target = target_of(request)
    if target.key or not target.bucket:
        raise not_allowed()
    form = _Form(_boundary(request))
    pieces = aiter(request.stream())
    async for piece in pieces:
        form.feed(piece)
        if form.in_file:
            break
    if not form.in_file:
        raise invalid_argument("file", "", "POST requires exactly one file upload per request.")
    call, sizes = await in_thread(_admit, store, request, target, form, signer)
    with await in_thread(store.receive) as incoming:
        upload = _Upload(call, form.fields, incoming, sizes)
        async for piece in pieces:
            form.feed(piece)
            if form.waiting >= STEP:
                await in_thread(upload.take, form.taken())
        form.finish()
        await in_thread(upload.take, form.taken())
        stored = await in_thread(upload.store)
    return _answer(call, form.fields, stored)


class _Form:
    """The fields of a form, and of its file what has come and is not taken yet."""

    def __init__(self, boundary: bytes) -> None:
        self.fields: dict[str, str] = {}
        self.filename = ""
        self.in_file = False
        self.waiting = 0
        self._pieces: list[bytes] = []
        self._read, self._long, self._ended = 0, 0, False
        self._header, self._headers = (bytearray(), bytearray()), dict[bytes, bytes]()
        self._value = bytearray()
        self._file_over = False
        callbacks = {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._over,
        }
        self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]

    def feed(self, data: bytes) -> None:
        """Take in what was on the wire.  Raises S3Error."""
        if not self.in_file:
            self._read += len(data)
        try:
            self._parser.write(data)
        except FormParserError:
            raise _malformed() from None
        if not self.in_file and self._read > LONGEST_FIELDS:
            raise _too_long()

    def finish(self) -> None:
        """The body is over: so must be the form.  Raises S3Error."""
        if not self._ended:
            raise _malformed()

    def taken(self) -> bytes:
        """What has come of the file since the last time."""
        data, self._pieces, self.waiting = b"".join(self._pieces), [], 0
        return data

    def _begin(self) -> None:
        self._headers.clear()
        self._value.clear()

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def _open(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = _text(options.get(b"name", b"")).lower()
        if self._name == "file" and not self.in_file:
            self.in_file = True
            self.filename = _text(options.get(b"filename", b"")).replace("\\", "/").rsplit("/", 1)[-1]

    def _data(self, data: bytes, start: int, end: int) -> None:
        if not self.in_file:
            self._long += end - start
            if self._long > LONGEST_FIELDS:
                raise _too_long()
            self._value += data[start:end]
        elif not self._file_over:
            self._pieces.append(data[start:end])
            self.waiting += end - start

    def _end(self) -> None:
        if self.in_file:
            self._file_over = True  # whatever follows the file is ignored, as on S3
        elif self._name in self.fields:
            raise invalid_argument(self._name, "", "A field of the form must not be repeated.")
        else:
            self.fields[self._name] = _text(bytes(self._value))

    def _over(self) -> None:
        self._ended = True


@dataclass(slots=True)
class _Upload:
    """The file on its way into the store.  Used by one thread at a time."""

    call: Call
    fields: Mapping[str, str]
    incoming: Incoming
    sizes: Sizes
    _md5: hashlib._Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    _algorithm: str | None = None
    _sum: checksums.Sum | None = None

    def __post_init__(self) -> None:
        for name in checksums.LENGTHS:
            if f"x-amz-checksum-{name}" in self.fields:
                self._algorithm, self._sum = name, checksums.new_sum(name)

    def take(self, data: bytes) -> None:
        """Take in some of the file.  Raises S3Error EntityTooLarge."""
        if self.incoming.size + len(data) > self.sizes.most:
            raise self._wrong_size("EntityTooLarge", "exceeds the maximum allowed size", "MaxSizeAllowed")
        self._md5.update(data)
        if self._sum is not None:
            self._sum.update(data)
        self.incoming.write(data)

    def store(self) -> StoredObject:
        """All has come: make it the object.  Raises S3Error."""
        if self.incoming.size < self.sizes.least:
            raise self._wrong_size("EntityTooSmall", "is smaller than the minimum allowed size", "MinSizeAllowed")
        checksum = self._checked()
        self.incoming.settle()
        return self.call.store.put_object(
            self.call.account,
            self.call.bucket,
            self.call.key,
            self.incoming,
            etag=self._md5.hexdigest(),
            description=description_of(self.call.headers),
            checksum=checksum,
        )

    def _checked(self) -> Checksum | None:
        if self._algorithm is None or self._sum is None:
            return None
        claimed = checksums.check_value(self._algorithm, self.fields[f"x-amz-checksum-{self._algorithm}"])
        return checksums.settle(self._algorithm, self._sum, claimed)

    def _wrong_size(self, code: str, what: str, limit: str) -> S3Error:
        allowed = self.sizes.most if limit.startswith("Max") else self.sizes.least
        return S3Error(code, 400, f"Your proposed upload {what}", {limit: str(allowed)})


def _admit(store: FileStore, request: Request, target: Target, form: _Form, signer: Signer) -> tuple[Call, Sizes]:
    """Who uploads what, if it is allowed.  Raises S3Error, AuthError."""
    fields = form.fields
    if "key" not in fields:
        raise invalid_argument("key", "", "Bucket POST must contain a field named 'key'.")
    if "policy" not in fields:
        if "awsaccesskeyid" in fields or "x-amz-credential" in fields:
            raise invalid_argument("policy", "", "Bucket POST must contain a field named 'policy'.")
        raise S3Error("AccessDenied", 403, "Access Denied")
    caller = signer(fields)
    fields = fields | {"key": fields["key"].replace("${filename}", form.filename)}  # conditions are for what it becomes
    sizes = check_policy(fields["policy"], {**fields, "bucket": target.bucket}, datetime.now(UTC), LARGEST_PUT)
    headers = _headers(fields)
    check_demands(headers)
    description_of(headers)
    key = fields["key"]
    if not 1 <= len(key.encode()) <= LONGEST_KEY:
        raise S3Error("KeyTooLongError", 400, "Your key is too long", {"MaxSizeAllowed": str(LONGEST_KEY)})
    store.buckets.get(caller.account, target.bucket)
    place = Target(bucket=target.bucket, key=key)
    return Call(store=store, request=request, caller=caller, target=place, query={}, headers=headers), sizes


def _headers(fields: Mapping[str, str]) -> Headers:
    """The fields as the headers of a PUT that would mean the same.  Raises S3Error."""
    found = {}
    for name, value in fields.items():
        if any(letter < " " or letter == "\x7f" for letter in value) and name != "tagging":
            raise invalid_argument(name, "", "A field of the form must not contain control characters.")
        if name in _HEADERS or name.startswith("x-amz-"):
            found[name] = value
    if "acl" in fields:
        found["x-amz-acl"] = fields["acl"]
    if "tagging" in fields:
        tags = tags_of_document(fields["tagging"].encode(), MOST_OF_OBJECT)
        found["x-amz-tagging"] = urlencode(tags)
    return Headers(raw=[(name.encode("latin-1", "replace"), value.encode()) for name, value in found.items()])


def _answer(call: Call, fields: Mapping[str, str], stored: StoredObject) -> Response:
    location = call.location
    headers = {"etag": quoted(stored.etag), "location": location, **checksum_headers(stored.checksum)}
    redirect = quote(fields.get("success_action_redirect") or fields.get("redirect", ""), safe=_URL)
    if redirect.startswith(("http://", "https://")):
        told = f"bucket={quote(call.bucket)}&key={quote(call.key, safe='')}&etag={quote(quoted(stored.etag))}"
        return Response(None, 303, headers | {"location": f"{redirect}{'&' if '?' in redirect else '?'}{told}"})
    status = fields.get("success_action_status")
    if status == "201":
        values = {"Location": location, "Bucket": call.bucket, "Key": call.key, "ETag": quoted(stored.etag)}
        body = xml.document("PostResponse", xml.leaves(values))
        return Response(body, 201, headers, media_type="application/xml")
    return Response(None, 200 if status == "200" else 204, headers)


def _boundary(request: Request) -> bytes:
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= LONGEST_BOUNDARY:
        raise _malformed()
    return boundary


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _malformed() from None


def _malformed() -> S3Error:
    message = "The body of your POST request is not well-formed multipart/form-data."
    return S3Error("MalformedPOSTRequest", 400, message)


def _too_long() -> S3Error:
    message = "Your POST request fields preceding the upload file were too large."
    return S3Error("MaxPostPreDataLengthExceeded", 400, message)
