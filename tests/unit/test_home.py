"""The name of a home, which a power cut right after its first start must not take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pegbox.engine import homes
from pegbox.home import identity_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


def test_an_identity_stays(home: Path) -> None:
    first = identity_of(home)
    assert first and identity_of(home) == first
    assert [path.name for path in (home / "run").iterdir()] == ["identity"]


@pytest.mark.parametrize("left", [b"", b"\0" * 21, b"\xff\xfe"], ids=["empty", "zeros", "rubbish"])
def test_an_identity_without_its_bytes_is_made_anew(home: Path, left: bytes) -> None:
    (home / homes.IDENTITY).write_bytes(left)
    made = identity_of(home)
    assert made.strip("\0")
    assert identity_of(home) == made
    assert (home / homes.IDENTITY).read_text() == made


def test_an_identity_is_on_disk_before_it_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(fd: int) -> None:
        synced.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else os.readlink(f"/proc/self/fd/{fd}"))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    identity_of(home)
    assert len(synced) == 2
    assert synced[0].startswith(str(home / "run" / "identity."))
    assert synced[1] == "folder"
