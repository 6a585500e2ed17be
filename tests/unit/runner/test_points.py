from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.runner.points import FIRST_WAKE, WAKE_INTERVAL, Wake


class Ear:
    """Hears a runner; time passes when it is told to."""

    def __init__(self, path: Path) -> None:
        self.now = 100.0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.wake = Wake(str(path), "7-1", lambda: self.now)

    def heard(self) -> int:
        found = 0
        try:
            while self.socket.recv(100) == b"7-1":
                found += 1
        except BlockingIOError:
            pass
        return found


@pytest.fixture
def ear() -> Iterator[Ear]:
    with tempfile.TemporaryDirectory() as short:
        found = Ear(Path(short, "wake"))
        yield found
        found.socket.close()


def test_what_ends_soon_is_told_once(ear: Ear) -> None:
    ear.wake.soon()
    ear.now += FIRST_WAKE - 0.01
    ear.wake.if_due()
    assert ear.heard() == 0
    ear.wake.now()
    ear.now += 1
    ear.wake.if_due()
    assert ear.heard() == 1


def test_later_news_is_told_at_once_and_then_at_intervals(ear: Ear) -> None:
    ear.wake.soon()
    ear.now += FIRST_WAKE
    ear.wake.if_due()
    assert ear.heard() == 1
    ear.now += 2 * WAKE_INTERVAL
    ear.wake.soon()
    assert ear.heard() == 1
    ear.wake.soon()
    assert ear.heard() == 0
    ear.now += WAKE_INTERVAL
    ear.wake.if_due()
    assert ear.heard() == 1
