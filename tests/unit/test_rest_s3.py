"""The pieces of the S3 endpoint that need no server: framing, checksums, conditions, XML."""

from __future__ import annotations

import base64
import random
import zlib
from datetime import UTC, datetime
from itertools import pairwise
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.errors import AuthError, S3Error
from pegbox.objects.stored import Description, StoredObject
from pegbox.wire.rest_s3 import checksums, xml
from pegbox.wire.rest_s3.conditions import byte_range, check_read
from pegbox.wire.rest_s3.crc_lanes import crc_of
from pegbox.wire.rest_s3.framing import ChunkedDecoder
from pegbox.wire.signed import ChunkSeed
from pegbox.wire.sigv4 import ChunkChain

# -- framing


def frame(pieces: list[bytes], trailer: bytes = b"") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n" + trailer + b"\r\n"


def decode(wire: bytes, cuts: list[int]) -> bytes:
    decoder = ChunkedDecoder(None, signed_trailer=False)
    edges = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
    data = b"".join(bytes(piece) for start, end in pairwise(edges) for piece in decoder.feed(wire[start:end]))
    decoder.finish()
    return data


@given(st.lists(st.binary(max_size=200), max_size=6), st.lists(st.integers(0, 5000), max_size=10))
def test_framing_is_undone_however_it_is_cut(pieces: list[bytes], cuts: list[int]) -> None:
    assert decode(frame(pieces, b"x-amz-checksum-crc32:AAAAAA==\r\n"), cuts) == b"".join(pieces)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=4), st.integers(0, 1000))
def test_a_truncated_framing_is_refused(pieces: list[bytes], at: int) -> None:
    wire = frame(pieces)
    with pytest.raises(S3Error):
        decode(wire[: at % len(wire)], [])


@given(st.binary(max_size=300))
def test_nonsense_is_refused(wire: bytes) -> None:
    seed = ChunkSeed(signing_key=b"k", timestamp="t", scope="s", signature="0")
    for chain in (None, ChunkChain(seed)):
        decoder = ChunkedDecoder(chain, signed_trailer=chain is not None)
        try:
            list(decoder.feed(wire))
            decoder.finish()
        except (S3Error, AuthError):
            continue
        assert chain is None


def test_a_line_without_an_end_is_not_kept() -> None:
    decoder = ChunkedDecoder(None, signed_trailer=False)
    with pytest.raises(S3Error):
        for _ in range(10):
            list(decoder.feed(b"0" * 1000))


# -- checksums


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [("crc32", "cbf43926"), ("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")],
)
def test_check_values_of_the_catalogue(algorithm: str, expected: str) -> None:
    total = checksums.new_sum(algorithm)
    total.update(b"1234")
    total.update(memoryview(b"56789"))
    digest = total.digest()
    assert digest is not None
    assert digest.hex() == expected


def crc(algorithm: str, data: bytes) -> str:
    total = checksums.new_sum(algorithm)
    total.update(data)
    return base64.b64encode(total.digest()).decode()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["crc32", "crc32c", "crc64nvme"]), st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_checksums_of_parts_add_up(algorithm: str, pieces: list[bytes]) -> None:
    whole = checksums.full(algorithm, [(crc(algorithm, piece), len(piece)) for piece in pieces])
    assert whole.value == crc(algorithm, b"".join(pieces))


def test_checksums_of_large_parts_add_up() -> None:
    first, second = b"a" * 9_000_001, b"b" * 5_000_003
    whole = checksums.full("crc32", [(crc("crc32", piece), len(piece)) for piece in (first, second)])
    assert base64.b64decode(whole.value) == zlib.crc32(first + second).to_bytes(4, "big")


SIZES = [1, 63, 64, 65, 4095, 4097, 65_536, 100_001]


@pytest.mark.parametrize("algorithm", ["crc32c", "crc64nvme"])
def test_long_pieces_have_the_checksum_of_short_ones(algorithm: str) -> None:
    for size in SIZES:
        data = random.Random(size).randbytes(size)
        whole, bytewise = checksums.new_sum(algorithm), checksums.new_sum(algorithm)
        for _ in range(2):
            whole.update(memoryview(data))
            for start in range(0, size, checksums.LONG - 1):
                bytewise.update(data[start : start + checksums.LONG - 1])
        assert whole.digest() == bytewise.digest(), size


@pytest.mark.parametrize("length", [1, 1000, 100_000])
def test_lanes_agree_with_zlib(length: int) -> None:
    data = bytes(range(256)) * (length // 256 + 1)
    ones = (1 << 32) - 1
    shift = checksums.power(0xEDB88320, 32, len(data))
    register = checksums.multiply(shift, ones, 0xEDB88320, 32) ^ crc_of(data, 0xEDB88320, 32)
    assert register ^ ones == zlib.crc32(data)


# -- conditions


def test_ranges_stay_inside() -> None:
    for size in range(4):
        for text in ("bytes=0-", "bytes=1-2", "bytes=-1", "bytes=0-0", "bytes=2-", "bytes=9-"):
            try:
                chosen = byte_range(text, size)
            except S3Error as error:
                assert (error.code, error.status) == ("InvalidRange", 416)
                continue
            assert chosen is not None
            assert 0 <= chosen[0] < chosen[0] + chosen[1] <= size


@given(st.text(max_size=40))
def test_dates_that_are_none_are_ignored(text: str) -> None:
    found = StoredObject(
        bucket="b",
        key="k",
        size=0,
        etag="e",
        modified=datetime(2030, 1, 1, tzinfo=UTC),
        description=Description(),
        checksum=None,
        part_sizes=(),
        content="c",
    )
    if not any(letter.isdigit() for letter in text):
        check_read(found, {"if-modified-since": text, "if-unmodified-since": text})


# -- XML


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="￾￿"), max_size=50))
def test_text_comes_back_from_xml(text: str) -> None:
    assert (fromstring(xml.document("A", xml.leaf("B", text)))[0].text or "") == text


@given(st.binary(max_size=100))
def test_no_bytes_but_a_document_are_a_document(body: bytes) -> None:
    with pytest.raises(S3Error):
        xml.parse(body, "Delete")


def test_namespaces_do_not_matter() -> None:
    document = f'<Delete xmlns="{xml.NAMESPACE}"><Quiet>true</Quiet></Delete>'
    assert xml.text_of(xml.parse(document.encode(), "Delete"), "Quiet") == "true"


@pytest.mark.parametrize(
    "body",
    [
        b"<Delete>" + b"<a>" * 30 + b"</a>" * 30 + b"</Delete>",
        b"<a>" * 500_000,
        b"<Delete>" + b"<a/>" * 200_000 + b"</Delete>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><Delete>&b;</Delete>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Delete/>',
        b"<Delete>&b;</Delete>",
        b"\xff\xfe<\x00a\x00/\x00>\x00",
        b'<?xml version="1.0" encoding="x"?><Delete/>',
    ],
)
def test_documents_have_limits(body: bytes) -> None:
    with pytest.raises(S3Error, match="well-formed"):
        xml.parse(body, "Delete")
