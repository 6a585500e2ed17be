"""Take in a body: undo its framing, write it to a content file, check everything that was said about it.

Framing, hashing and writing happen in threads (pump); the MD5, which is the slowest of them, has one of its own.
A body that is short, changed or cut off never becomes anything.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from pegbox.errors import S3Error
from pegbox.objects.content import Incoming
from pegbox.objects.stored import Checksum
from pegbox.wire.rest_s3 import checksums, xml
from pegbox.wire.rest_s3.call import Call, in_thread
from pegbox.wire.rest_s3.framing import ChunkedDecoder, incomplete
from pegbox.wire.rest_s3.pump import Piece, pump
from pegbox.wire.sigv4 import ChunkChain

LARGEST_PUT = 5 << 30  #: bytes of one PUT, as on S3
_PREFIX = "x-amz-checksum-"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What the headers say about the body."""

    length: int  #: bytes of data, without framing
    framed: bool
    signed_trailer: bool
    md5: bytes | None
    algorithm: str | None  #: of the additional checksum
    checksum: str | None  #: its value, if it is not in the trailer
    in_trailer: bool


def announcement(call: Call) -> Announcement:
    """Read the headers about the body.  Raises S3Error."""
    stated = call.headers.get("x-amz-content-sha256", "")
    unsigned_framing = not stated and "aws-chunked" in call.headers.get("content-encoding", "")
    framed = stated.startswith("STREAMING-") or unsigned_framing
    algorithm, value, in_trailer = _checksum(call, framed)
    return Announcement(
        length=_length(call, "x-amz-decoded-content-length" if framed else "content-length"),
        framed=framed,
        signed_trailer=stated.endswith("-TRAILER"),
        md5=_content_md5(call),
        algorithm=algorithm,
        checksum=value,
        in_trailer=in_trailer,
    )


class Receiver:
    """A body on its way to a content file, or to memory if there is no file; a Sink of the pump's."""

    def __init__(self, call: Call, announced: Announcement, incoming: Incoming | None, algorithm: str | None) -> None:
        self.incoming = incoming
        self.announced = announced
        self.memory = bytearray()
        self._payload = call.caller.payload
        self._received = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256() if self._payload.sha256 else None
        self._algorithm = announced.algorithm or algorithm
        self._sum = checksums.new_sum(self._algorithm) if self._algorithm else None
        chain = ChunkChain(self._payload.chunks) if self._payload.chunks else None
        self._decoder = ChunkedDecoder(chain, announced.signed_trailer) if announced.framed else None

    @property
    def is_framed(self) -> bool:
        """Whether the data is in chunks."""
        return self._decoder is not None

    def unframe(self, block: Piece) -> Piece:
        """The data in what was on the wire, in one piece however small its chunks are.  Raises S3Error, AuthError."""
        data = block if self._decoder is None else b"".join(self._decoder.feed(block))
        self._received += len(data)
        if self._received > self.announced.length:
            raise incomplete(f"more than {self.announced.length} bytes came")
        return data

    def digest(self, data: Piece) -> None:
        """Take data into the ETag."""
        self._md5.update(data)

    def keep(self, data: Piece) -> None:
        """Take data into the other checksums, and write it."""
        if self._sha256 is not None:
            self._sha256.update(data)
        if self._sum is not None:
            self._sum.update(data)
        if self.incoming is not None:
            self.incoming.write(data)
        else:
            self.memory += data

    def feed(self, block: Piece) -> None:
        """All of it for one block, in this thread."""
        data = self.unframe(block)
        self.digest(data)
        self.keep(data)

    def finish(self) -> tuple[str, Checksum | None]:
        """The body is over: check it and bring it to disk.  Returns the ETag and the checksum.  Raises S3Error."""
        if self._decoder is not None:
            self._decoder.finish()
        if self._received != self.announced.length:
            raise incomplete(f"{self._received} bytes came of {self.announced.length}")
        self._check_sha256()
        digest = self._md5.digest()
        if self.announced.md5 not in (None, digest):
            raise S3Error("BadDigest", 400, "The Content-MD5 you specified did not match what we received.")
        checksum = self._check_checksum()
        if self.incoming is not None:
            self.incoming.settle()
        return digest.hex(), checksum

    def _check_sha256(self) -> None:
        if self._sha256 is not None and self._sha256.hexdigest() != self._payload.sha256:
            message = "The provided 'x-amz-content-sha256' header does not match what was computed."
            extra = {
                "ClientComputedContentSHA256": self._payload.sha256 or "",
                "S3ComputedContentSHA256": self._sha256.hexdigest(),
            }
            raise S3Error("XAmzContentSHA256Mismatch", 400, message, extra)

    def _check_checksum(self) -> Checksum | None:
        if self._sum is None or self._algorithm is None:
            return None
        claimed = self.announced.checksum
        if self.announced.in_trailer and self._decoder is not None:
            name = _PREFIX + self._algorithm
            if name not in self._decoder.trailers:
                raise S3Error("MalformedTrailerError", 400, f"The trailer {name} was announced but did not come.")
            claimed = checksums.check_value(self._algorithm, self._decoder.trailers[name])
        return checksums.settle(self._algorithm, self._sum, claimed)


async def receive(call: Call, algorithm: str | None, store: Callable[[Incoming, str, Checksum | None], T]) -> T:
    """Write the body to a content file and hand it to `store(file, etag, checksum)`.

    `algorithm` is that of the checksum to compute if the client names none.  Raises S3Error, AuthError,
    ClientDisconnect; then nothing is left.
    """
    announced = announcement(call)
    check_size(announced.length)
    incoming = await in_thread(call.store.receive)
    with incoming:
        receiver = Receiver(call, announced, incoming, algorithm)
        rest = await pump(call.request, receiver)

        def last() -> T:
            receiver.feed(rest)
            etag, checksum = receiver.finish()
            return store(incoming, etag, checksum)

        return await in_thread(last)


async def receive_document(call: Call, *, about_itself: bool = True) -> bytes:
    """The body of a request that carries XML; empty if there is none.  Raises S3Error, AuthError.

    `about_itself` says whether a checksum in the headers is that of the document.
    """
    if call.headers.get("content-length", "") == "0" or not _has_body(call):
        return b""
    announced = announcement(call)
    if not about_itself and not announced.in_trailer:
        announced = replace(announced, algorithm=None, checksum=None)
    if announced.length > xml.LONGEST_DOCUMENT:
        raise S3Error("MaxMessageLengthExceeded", 400, "Your request was too large.")
    receiver = Receiver(call, announced, None, None)
    rest = await pump(call.request, receiver)
    await in_thread(receiver.feed, rest)
    await in_thread(receiver.finish)
    return bytes(receiver.memory)


def check_size(length: int) -> None:
    """Refuse more than one PUT may carry.  Raises S3Error EntityTooLarge."""
    if length > LARGEST_PUT:
        message = "Your proposed upload exceeds the maximum allowed size"
        raise S3Error("EntityTooLarge", 400, message, {"ProposedSize": str(length), "MaxSizeAllowed": str(LARGEST_PUT)})


def _has_body(call: Call) -> bool:
    return "content-length" in call.headers or "transfer-encoding" in call.headers


def _length(call: Call, name: str) -> int:
    text = call.headers.get(name)
    if text is None:
        raise S3Error("MissingContentLength", 411, "You must provide the Content-Length HTTP header.")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise S3Error("InvalidArgument", 400, f"The header {name} must be a number.")
    return int(text)


def _content_md5(call: Call) -> bytes | None:
    text = call.headers.get("content-md5")
    if text is None:
        return None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != 16:
        raise S3Error("InvalidDigest", 400, "The Content-MD5 you specified was invalid.", {"Content-MD5": text})
    return digest


def _checksum(call: Call, framed: bool) -> tuple[str | None, str | None, bool]:
    """Algorithm and value of the additional checksum, and whether its value comes in the trailer."""
    given = {name: call.headers[_PREFIX + name] for name in checksums.LENGTHS if _PREFIX + name in call.headers}
    trailer = call.headers.get("x-amz-trailer", "").lower() if framed else ""
    announced = [name for name in checksums.LENGTHS if trailer == _PREFIX + name]
    if trailer and not announced:
        raise S3Error("InvalidRequest", 400, "The value specified in the x-amz-trailer header is not supported")
    if len(given) + len(announced) > 1:
        raise S3Error("InvalidRequest", 400, "Expecting a single x-amz-checksum- header.")
    if announced:
        return announced[0], None, True
    for algorithm, value in given.items():
        return algorithm, checksums.check_value(algorithm, value), False
    if "x-amz-sdk-checksum-algorithm" in call.headers and "content-md5" not in call.headers:
        raise S3Error(
            "InvalidRequest",
            400,
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers "
            "were found.",
        )
    return None, None, False
