"""Models of a disk: what is said of them, and that no archive leads out of the folder that it is unpacked in."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pegbox.client.connection import Connection
from pegbox.client.models import NOTHING, NoModel, fetch, shown
from pegbox.settings import load


@pytest.fixture
def near(tmp_path: Path) -> Connection:
    """A server of this machine."""
    return Connection(url="", settings=load({"home": tmp_path}, {}))


def packed(file: Path, *members: tarfile.TarInfo) -> str:
    with tarfile.open(file, "w:gz") as archive:
        for member in members:
            member.size = 3 if member.isfile() else 0
            archive.addfile(member, io.BytesIO(b"abc"))
    return f"file://{file}"


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


def test_what_is_there_is_shown_and_fetched(near: Connection, tmp_path: Path) -> None:
    uri = packed(tmp_path / "model.tar.gz", member("a/b"), member("c", tarfile.SYMTYPE, "a/b"))
    assert shown(near, uri) == uri
    assert fetch(near, uri, tmp_path / "out") == 2
    assert (tmp_path / "out" / "c").read_text() == "abc"
    (tmp_path / "empty").mkdir()
    folder = f"file://{tmp_path}/out/a/"
    assert (shown(near, folder), fetch(near, folder, tmp_path / "empty")) == (folder, 1)
    assert (tmp_path / "empty" / "b").read_text() == "abc"


def test_what_is_not_there_is_told(near: Connection, tmp_path: Path) -> None:
    empty = packed(tmp_path / "model.tar.gz")
    for uri in (empty, f"file://{tmp_path}/none.tar.gz", f"file://{tmp_path}/none/"):
        assert shown(near, uri) == NOTHING
        with pytest.raises(NoModel, match=NOTHING):
            fetch(near, uri, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["model.tar.gz"]


def test_a_folder_that_is_there_is_filled_and_stays_the_same(
    near: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may stand in it, as in `pegbox model NAME -o .`, or it may be mounted."""
    uri = packed(tmp_path / "model.tar.gz", member("a/b"), member("c"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert fetch(near, uri, Path()) == 2
    assert sorted(each.name for each in Path().iterdir()) == ["a", "c"]


@pytest.mark.parametrize("uri", ["https://account.blob.core.windows.net/mlflow/1/artifacts/", "file:///" + "a" * 300])
def test_of_a_place_that_nobody_here_can_look_into_nothing_but_its_name_is_told(
    near: Connection, tmp_path: Path, uri: str
) -> None:
    assert shown(near, uri) == uri


def test_what_lies_in_no_bucket_cannot_be_fetched(near: Connection, tmp_path: Path) -> None:
    with pytest.raises(NoModel, match=r"the host must be that of S3"):
        fetch(near, "https://account.blob.core.windows.net/mlflow/1/artifacts/", tmp_path / "out")


def damaged() -> dict[str, bytes]:
    """What somebody, or a broken disk, may have made of a model."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        odd = member("a")
        odd.pax_headers = {"mtime": "1e200"}
        archive.addfile(odd)
    whole = content.getvalue()
    return {
        "nothing": b"",
        "no archive": b"hi",
        "cut": whole[: len(whole) // 2],
        "spoilt": whole[:30] + bytes(3 * [255]) + whole[33:],
        "no tar in it": gzip.compress(b"no tar" * 20),
        "headers without end": gzip.compress(header(tarfile.XHDTYPE) * 3000),
        "a time that no clock has": whole,
    }


def header(kind: bytes) -> bytes:
    found = tarfile.TarInfo("x")
    found.type = kind
    return found.tobuf()


@pytest.mark.parametrize("case", damaged())
def test_of_a_damaged_one_the_place_is_shown_and_why_it_cannot_be_fetched(
    near: Connection, tmp_path: Path, case: str
) -> None:
    (tmp_path / "model.tar.gz").write_bytes(damaged()[case])
    uri = f"file://{tmp_path}/model.tar.gz"
    assert shown(near, uri) == uri
    with pytest.raises(NoModel, match=r"^the archive cannot be unpacked: [^\n]+$"):
        fetch(near, uri, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["model.tar.gz"]


def test_where_nobody_can_tell_the_place_is_shown(
    near: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    outside = replace(near, settings=replace(near.settings, s3_endpoint="http://127.0.0.1:9"))
    assert shown(outside, "s3://bucket/model.tar.gz") == "s3://bucket/model.tar.gz"
    away = replace(near, is_ours=False)
    assert shown(away, f"file://{tmp_path}/none.tar.gz") == f"file://{tmp_path}/none.tar.gz"
    with pytest.raises(NoModel, match="on the machine of the server"):
        fetch(away, f"file://{tmp_path}/none.tar.gz", tmp_path / "out")


def test_no_chain_of_links_leads_out_of_the_folder(near: Connection, tmp_path: Path) -> None:
    """tarfile's filter loses its way where paths get too long (CVE-2025-4517)."""
    flag = tmp_path / "flag"
    flag.write_text("mine")
    long, members, path = "d" * 247, [], ""
    for letter in "abcdefghijklmnop":
        members += [member(path + long, tarfile.DIRTYPE), member(path + letter, tarfile.SYMTYPE, long)]
        path += f"{long}/"
    end = "/".join("abcdefghijklmnop") + "/" + "l" * 254
    members += [member(end, tarfile.SYMTYPE, "../" * 16), member("out", tarfile.SYMTYPE, f"{end}/../../..")]
    members += [member("x", tarfile.LNKTYPE, "out/flag"), member("x"), member("out/new")]
    uri = packed(tmp_path / "model.tar.gz", *members)
    with pytest.raises(NoModel, match="cannot be unpacked"):
        fetch(near, uri, tmp_path / "models" / "one")
    assert flag.read_text() == "mine"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["flag", "model.tar.gz", "models"]
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        member("../evil"), member("a", tarfile.SYMTYPE, "/etc/passwd"), member("a", tarfile.LNKTYPE, "../../evil"),
        member("a", tarfile.FIFOTYPE),
    ],
)  # fmt: skip
def test_no_archive_leads_out_of_its_folder(near: Connection, tmp_path: Path, bad: tarfile.TarInfo) -> None:
    uri = packed(tmp_path / "model.tar.gz", member("good"), bad)
    with pytest.raises(NoModel, match="cannot be unpacked"):
        fetch(near, uri, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["model.tar.gz"]
