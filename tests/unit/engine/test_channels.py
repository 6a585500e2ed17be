"""Channels of many objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegbox.engine import channels
from pegbox.engine.faults import ClientFault
from pegbox.objects.local import LocalStore


def test_many_objects_come_side_by_side(tmp_path: Path) -> None:
    source, into = tmp_path / "source", tmp_path / "into"
    for number in range(1030):
        path = source / f"{number % 7}" / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    store = LocalStore([tmp_path])
    channel = {
        "ChannelName": "train",
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"file://{source}/"}},
    }
    found = channels.inputs(store, "", channel)
    channels.fetch(store, "", found, into)
    assert sorted(path.read_text() for path in into.rglob("*") if path.is_file()) == sorted(map(str, range(1030)))
    (source / "3" / "10").unlink()
    with pytest.raises(ClientFault, match=r"/source/3/10\] does not exist"):
        channels.fetch(store, "", found, tmp_path / "again")
