"""Undo the aws-chunked framing of a body, checking the signature of each chunk if there are any.

    1000;chunk-signature=<hex>\\r\\n <0x1000 bytes> \\r\\n
    0;chunk-signature=<hex>\\r\\n
    x-amz-checksum-crc32:<base64>\\r\\n  x-amz-trailer-signature:<hex>\\r\\n  \\r\\n

S3 API reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and
"... Including Trailing Headers".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from enum import Enum

from pegbox.errors import S3Error
from pegbox.wire.sigv4 import ChunkChain

_LONGEST_LINE = 4096
_MOST_TRAILERS = 16
_HEADER = re.compile(rb"([0-9a-fA-F]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER = re.compile(rb"([A-Za-z0-9-]{1,64}):[ \t]*([\x21-\x7e]{0,256})[ \t]*")
_SIGNATURE = "x-amz-trailer-signature"


class _At(Enum):
    HEADER = "header"
    DATA = "data"
    DATA_END = "data end"
    TRAILER = "trailer"
    DONE = "done"


class ChunkedDecoder:
    """Feed it the body as it comes; it gives back the data.  Raises S3Error, AuthError."""

    def __init__(self, chain: ChunkChain | None, signed_trailer: bool) -> None:
        self.trailers: dict[str, str] = {}
        self._chain, self._signed_trailer = chain, signed_trailer
        self._at = _At.HEADER
        self._line = bytearray()
        self._left = 0
        self._last = False
        self._signature = ""
        self._hash = hashlib.sha256()

    def feed(self, data: bytes | memoryview) -> Iterator[memoryview]:
        """The data inside the framing of `data`."""
        rest = memoryview(data)
        while rest:
            if self._at is _At.DATA:
                piece, rest = rest[: self._left], rest[self._left :]
                yield self._took(piece)
            elif self._at is _At.DONE:
                raise incomplete("there are bytes behind its last chunk")
            else:
                rest = self._take_line(rest)

    def finish(self) -> None:
        """The body is over: it must have had its last chunk."""
        if self._at is not _At.DONE:
            raise incomplete("it ends before its last chunk")

    def _took(self, piece: memoryview) -> memoryview:
        if self._chain is not None:
            self._hash.update(piece)
        self._left -= len(piece)
        if not self._left:
            self._at = _At.DATA_END
        return piece

    def _take_line(self, rest: memoryview) -> memoryview:
        window = bytes(rest[: _LONGEST_LINE + 1])
        end = window.find(b"\n")
        self._line += window if end < 0 else window[:end]
        if len(self._line) > _LONGEST_LINE:
            raise incomplete("a line of its framing is too long")
        if end < 0:
            return rest[len(window) :]
        line = bytes(self._line).removesuffix(b"\r")
        self._line.clear()
        {_At.HEADER: self._header, _At.DATA_END: self._data_end, _At.TRAILER: self._trailer}[self._at](line)
        return rest[end + 1 :]

    def _header(self, line: bytes) -> None:
        match = _HEADER.fullmatch(line)
        if match is None or (self._chain is not None and match[2] is None):
            raise incomplete("the header of a chunk is malformed")
        self._left, self._signature = int(match[1], 16), (match[2] or b"").decode()
        self._hash = hashlib.sha256()
        self._last = not self._left
        if self._last:
            self._check_chunk()
        self._at = _At.TRAILER if self._last else _At.DATA

    def _data_end(self, line: bytes) -> None:
        if line:
            raise incomplete("a chunk is longer than its header says")
        self._check_chunk()
        self._at = _At.HEADER

    def _check_chunk(self) -> None:
        if self._chain is not None:
            self._chain.chunk(self._signature, self._hash.hexdigest())

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._check_trailer()
            self._at = _At.DONE
            return
        match = _TRAILER.fullmatch(line)
        name = match[1].decode().lower() if match else ""
        if match is None or name in self.trailers or len(self.trailers) >= _MOST_TRAILERS:
            raise S3Error("MalformedTrailerError", 400, "The request contained trailing data that was not well-formed")
        self.trailers[name] = match[2].decode()

    def _check_trailer(self) -> None:
        signature = self.trailers.pop(_SIGNATURE, "")
        if self._chain is not None and self._signed_trailer:
            text = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            self._chain.trailer(signature, hashlib.sha256(text.encode()).hexdigest())
        elif self._chain is not None and self.trailers:
            raise S3Error("MalformedTrailerError", 400, "The request has a trailer that its signature does not cover")


def incomplete(why: str) -> S3Error:
    """The body is not as long, or not as framed, as its headers say."""
    message = f"You did not provide the number of bytes specified by the Content-Length HTTP header: {why}"
    return S3Error("IncompleteBody", 400, message)
