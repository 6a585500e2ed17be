"""Archives that ask for more than a source archive has: nothing of them is left, and no memory is filled."""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pegbox.engine import archives, channels
from pegbox.engine.archives import unpack
from pegbox.engine.faults import ClientFault
from pegbox.objects.local import LocalStore

MOST = 1 << 30


def member(name: str, kind: bytes = tarfile.REGTYPE, **values: Any) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type = kind
    for attribute, value in values.items():
        setattr(found, attribute, value)
    return found


def packed(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> BinaryIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", format=form) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    file.seek(0)
    return file


def zipped(blocks: Iterable[bytes]) -> BinaryIO:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as archive:
        for block in blocks:
            archive.write(block)
    file.seek(0)
    return file


def refused(file: BinaryIO, tmp_path: Path, most: int = MOST) -> str:
    into = tmp_path / "code"
    with pytest.raises((ClientFault, tarfile.TarError)) as caught:
        unpack(file, into, most)
    assert not into.exists()
    assert sorted(tmp_path.iterdir()) == []
    return str(caught.value)


def test_a_source_archive_is_unpacked(tmp_path: Path) -> None:
    file = packed(
        (member("./"[:-1] + "/lib", tarfile.DIRTYPE, mode=0o755), b""),
        (member("./train.py", mode=0o6755), b"print()"),
        (member("lib/data.csv"), b"1,2"),
        (member("lib/same", tarfile.LNKTYPE, linkname="lib/data.csv"), b""),
        (member("latest", tarfile.SYMTYPE, linkname="lib/data.csv"), b""),
        (member("a/" * 50 + "deep"), b"x"),
        (member("n" * 200), b"long"),
    )
    unpack(file, tmp_path / "code", MOST)
    code = tmp_path / "code"
    assert (code / "train.py").read_text() == "print()"
    assert not (code / "train.py").stat().st_mode & 0o7000
    assert (code / "lib/same").read_text() == (code / "latest").read_text() == "1,2"
    assert (code / ("a/" * 50 + "deep")).is_file()
    assert (code / ("n" * 200)).is_file()


WAYS_OUT: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "up": [(member("../out"), b"x")],
    "up from below": [(member("a/../../out"), b"x")],
    "a link out": [(member("a", tarfile.SYMTYPE, linkname=".."), b"")],
    "an absolute link": [(member("a", tarfile.SYMTYPE, linkname="/etc"), b"")],
    "behind a link": [(member("a", tarfile.SYMTYPE, linkname="."), b""), (member("a/out"), b"x")],
    "through a link": [(member("a", tarfile.SYMTYPE, linkname="b"), b""), (member("a"), b"x")],
    "links that lead out together": [
        (member("d", tarfile.DIRTYPE), b""),
        (member("d/up", tarfile.SYMTYPE, linkname=".."), b""),
        (member("out", tarfile.SYMTYPE, linkname="d/up/.."), b""),
        (member("out/file"), b"x"),
    ],
    "a hard link out": [(member("a", tarfile.LNKTYPE, linkname="/etc/passwd"), b"")],
    "a hard link up": [(member("a", tarfile.LNKTYPE, linkname="../out"), b"")],
    "a hard link to a link": [
        (member("a", tarfile.SYMTYPE, linkname="b"), b""),
        (member("c", tarfile.LNKTYPE, linkname="a"), b""),
    ],
    "a device": [(member("a", tarfile.CHRTYPE, devmajor=1, devminor=3), b"")],
    "a pipe": [(member("a", tarfile.FIFOTYPE), b"")],
    "too deep": [(member("a/" * 65 + "b"), b"x")],
    "too long": [(member("/".join(["n" * 250] * 5)), b"x")],
}


@pytest.mark.parametrize("case", WAYS_OUT)
def test_ways_out_are_refused(tmp_path: Path, case: str) -> None:
    below = tmp_path / "below"
    below.mkdir()
    refused(packed((member("first"), b"kept?"), *WAYS_OUT[case]), below)
    assert sorted(tmp_path.iterdir()) == [below]


def test_an_absolute_name_is_taken_for_a_relative_one(tmp_path: Path) -> None:
    unpack(packed((member("/etc/passwd"), b"x")), tmp_path / "code", MOST)
    assert (tmp_path / "code/etc/passwd").read_text() == "x"


def test_files_have_a_size_together(tmp_path: Path) -> None:
    file = packed(*((member(str(number)), os.urandom(100)) for number in range(11)))
    assert "more than 1000 bytes" in refused(file, tmp_path, 1000)


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """300 MB of zeros in 300 kB."""
    info = member("zeros")
    info.size = 300 << 20
    file = zipped([info.tobuf(), *[bytes(1 << 20)] * 300, bytes(1024)])
    assert "200 times its size" in refused(file, tmp_path)
    assert "more than 1048576 bytes" in refused(zipped([info.tobuf(), bytes(2 << 20)]), tmp_path, 1 << 20)


def test_a_bomb_of_folders_that_names_imply_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "/".join("d" * 60)
    names = [(member(f"{number}/{deep}", tarfile.DIRTYPE), b"") for number in range(20)]
    assert f"more than {1 << 20} bytes" in refused(packed(*names), tmp_path, most=1 << 20)
    files = [(member(f"{number}/{deep}/file"), b"") for number in range(20)]
    assert f"more than {1 << 20} bytes" in refused(packed(*files), tmp_path, most=1 << 20)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1000)
    assert "more than 1000 members and folders" in refused(packed(*names), tmp_path)
    again = [(member(f"a/{deep}/{number}"), b"") for number in range(900)]
    unpack(packed(*again), tmp_path / "code", 1 << 20)


def test_a_bomb_of_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1000)
    file = zipped(member(f"d{number}", tarfile.DIRTYPE).tobuf() for number in range(1100))
    assert "more than 1000 members" in refused(file, tmp_path)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, kind: bytes) -> None:
    before = peak()
    info = member("x", kind)
    info.size = 2 << 30
    assert "too large" in refused(zipped([info.tobuf(), *[bytes(1 << 20)] * 50]), tmp_path)
    assert peak() - before < 30 << 20


def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    info = member("x", tarfile.GNUTYPE_LONGNAME)
    info.size = 512
    assert "without end" in refused(zipped((info.tobuf() + b"a" * 512) for _ in range(20_000)), tmp_path)
    sparse = bytearray(member("x", tarfile.REGTYPE).tobuf(tarfile.GNU_FORMAT))
    sparse[156:157] = tarfile.GNUTYPE_SPARSE
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse[:512])
    assert "sparse" in refused(zipped([bytes(sparse), bytes(10 << 20)]), tmp_path)


@pytest.mark.parametrize(
    "data",
    [b"", b"no gzip", gzip.compress(b"no tar" * 1000), gzip.compress(bytes(100))],
    ids=["nothing", "no gzip", "no tar", "half a block"],  # compressed data has the time in it
)
def test_what_is_no_archive_is_told(tmp_path: Path, data: bytes) -> None:
    with pytest.raises((tarfile.TarError, EOFError, OSError)):
        unpack(io.BytesIO(data), tmp_path / "code", MOST)
    assert not (tmp_path / "code").exists()


@pytest.mark.parametrize("moment", ["1e200", "1e999", "nan"])
def test_times_that_no_clock_has_are_refused(tmp_path: Path, moment: str) -> None:
    odd = member("train.py")
    odd.pax_headers = {"mtime": moment}
    assert "train.py" in refused(packed((odd, b"abc")), tmp_path)


def test_an_archive_that_is_cut_is_told(tmp_path: Path) -> None:
    whole = packed((member("a"), os.urandom(100_000))).read()
    for end in range(1, len(whole) - 1, 9973):
        with pytest.raises((tarfile.TarError, EOFError, OSError)):
            unpack(io.BytesIO(whole[:end]), tmp_path / "code", MOST)
        assert not (tmp_path / "code").exists()


# -- manifests


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        (tmp_path / "list").write_text(text)
        source = {"S3DataType": "ManifestFile", "S3Uri": f"file://{tmp_path}/list"}
        channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source}}
        return [str(each.path) for each in channels.inputs(LocalStore([tmp_path]), "1", channel)]

    return read


def test_a_manifest_is_read_entry_by_entry(manifest: Callable[[str], list[str]]) -> None:
    text = json.dumps([{"prefix": "s3://bucket/"}, "é.csv", "a/b", 'q"\\', "a/b"])
    assert manifest(text) == manifest(json.dumps(json.loads(text), indent=2)) == ["a/b", 'q"\\', "é.csv"]


@pytest.mark.parametrize(
    "text",
    [
        '[{"prefix": "s3://bucket/"}, "a"',
        '[{"prefix": "s3://bucket/"}, "a",]',
        '[{"prefix": "s3://bucket/"}, "a"] x',
        '[{"prefix": "s3://bucket/"} "a"]',
        '[{"prefix": "s3://bucket/"}, "a\\x"]',
        '[{"prefix": "s3://bucket/"}, ["a"]]',
        '[{"prefix": "s3://bucket/"}, "\\ud800"]',
        '[{"prefix": "s3://bucket/", "x": [' + "[" * 9000 + "]]}]",
    ],
)
def test_what_is_no_manifest_is_told(manifest: Callable[[str], list[str]], text: str) -> None:
    with pytest.raises(ClientFault, match="Data download failed"):
        manifest(text)


def test_a_manifest_has_an_end(manifest: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MOST_ENTRIES", 100)
    names = json.dumps([str(number) for number in range(101)])[1:]
    with pytest.raises(ClientFault, match="more than 100 entries"):
        manifest('[{"prefix": "s3://bucket/"}, ' + names)
    monkeypatch.setattr(channels, "MOST_MANIFEST", 100)
    with pytest.raises(ClientFault, match="longer than 100 bytes"):
        manifest('[{"prefix": "s3://bucket/"}, ' + names)
