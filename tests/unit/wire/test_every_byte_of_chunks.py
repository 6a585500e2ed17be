"""Whatever byte of a signed aws-chunked body is changed, it is refused.

botocore signs no chunks; the links are those of the S3 API reference, whose own example is in tests/unit/test_sigv4.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator

import pytest

from pegbox.errors import PegboxError
from pegbox.wire.rest_s3.framing import ChunkedDecoder
from pegbox.wire.sigv4 import ChunkChain, ChunkSeed

SEED = ChunkSeed(
    signing_key=b"k" * 32, timestamp="20261127T000000Z", scope="20261127/us-east-1/s3/aws4_request", signature="5" * 64
)
DATA = [b"first piece", b"0\r\nx-amz-trailer-signature", b""]
TRAILER = "x-amz-checksum-crc32:AAAAAA=="


def body(trailer: str) -> bytes:
    """The pieces of DATA as signed chunks, and a signed trailer if there is one."""
    previous, found = SEED.signature, b""

    def link(kind: str, rest: str) -> str:
        text = f"AWS4-HMAC-SHA256-{kind}\n{SEED.timestamp}\n{SEED.scope}\n{previous}\n{rest}"
        return hmac.new(SEED.signing_key, text.encode(), "sha256").hexdigest()

    for piece in DATA:
        previous = link("PAYLOAD", f"{hashlib.sha256(b'').hexdigest()}\n{hashlib.sha256(piece).hexdigest()}")
        end = b"\r\n" if piece else b""
        found += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + end
    if trailer:
        signature = link("TRAILER", hashlib.sha256(f"{trailer}\n".encode()).hexdigest())
        found += f"{trailer}\r\nx-amz-trailer-signature:{signature}\r\n".encode()
    return found + b"\r\n"


def decoded(wire: bytes, trailer: str, step: int = 1 << 20) -> tuple[bytes, dict[str, str]] | None:
    """Data and trailers; None if the body is refused."""
    decoder = ChunkedDecoder(ChunkChain(SEED), signed_trailer=bool(trailer))
    found = bytearray()
    try:
        for at in range(0, len(wire), step):
            for piece in decoder.feed(wire[at : at + step]):
                found += piece
        decoder.finish()
    except PegboxError:
        return None
    return bytes(found), decoder.trailers


def changes(wire: bytes) -> Iterator[bytes]:
    for at in range(len(wire)):
        old = wire[at : at + 1]
        for new in {b"0", b"a", b"f", b";", b":", b"\r", b"\n", b" ", old.swapcase(), b"", old + old} - {old}:
            yield wire[:at] + new + wire[at + 1 :]


@pytest.mark.parametrize("trailer", ["", TRAILER])
def test_every_changed_byte_is_refused(trailer: str) -> None:
    """What passes is written differently and means the same: `F` for `f`, `0b` for `b`, a line feed alone, blanks
    around the value of a trailer."""
    wire = body(trailer)
    wanted = (b"".join(DATA), dict([trailer.split(":")]) if trailer else {})
    assert decoded(wire, trailer) == wanted
    outcomes = [decoded(other, trailer) for other in changes(wire)]
    assert [outcome for outcome in outcomes if outcome not in (None, wanted)] == []
    assert outcomes.count(None) > 0.97 * len(outcomes)


@pytest.mark.parametrize("trailer", ["", TRAILER])
@pytest.mark.parametrize("step", [1, 2, 7, 64])
def test_the_pieces_of_the_network_do_not_matter(trailer: str, step: int) -> None:
    found = decoded(body(trailer), trailer, step)
    assert found is not None
    assert found[0] == b"".join(DATA)


@pytest.mark.parametrize("trailer", ["", TRAILER])
def test_chunks_can_be_neither_dropped_nor_swapped_nor_doubled(trailer: str) -> None:
    wire = body(trailer)
    starts = [wire.index(b"b;chunk"), wire.index(b"1a;chunk"), wire.index(b"0;chunk")]
    first, second, rest = wire[: starts[1]], wire[starts[1] : starts[2]], wire[starts[2] :]
    for other in (second + first + rest, first + rest, second + rest, first + first + second + rest, rest):
        assert decoded(other, trailer) is None
    for end in range(len(wire)):
        assert decoded(wire[:end], trailer) is None
