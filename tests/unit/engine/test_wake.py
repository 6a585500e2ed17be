"""Where the wake socket is, also for homes deeper than a socket's address can say."""

from __future__ import annotations

import contextlib
import queue
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.engine.wake import MOST_PATH, WakeSocket


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short directory for temporary files, but for those of pytest itself."""
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield Path(directory)


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    directory = tmp_path / ("d" * MOST_PATH) / "run"
    directory.mkdir(parents=True)
    return directory


def _say(path: Path, message: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.sendto(message.encode(), str(path))


def test_a_home_has_its_socket_in_it(temporary: Path) -> None:
    heard: queue.Queue[str] = queue.Queue()
    wake = WakeSocket(temporary, heard.put)
    assert wake.path == temporary / "wake.sock"
    _say(wake.path, "attempt-1")
    assert heard.get(timeout=10) == "attempt-1"
    wake.close()
    assert list(temporary.iterdir()) == []


def test_a_deep_home_has_the_same_socket_in_every_start(temporary: Path, deep: Path) -> None:
    heard: queue.Queue[str] = queue.Queue()
    first = WakeSocket(deep, heard.put)
    assert len(str(first.path)) <= MOST_PATH
    first.close()
    first.path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
        killed.bind(str(first.path))
    second = WakeSocket(deep, heard.put)
    _say(first.path, "attempt-1")
    assert heard.get(timeout=10) == "attempt-1"
    assert len(list(temporary.iterdir())) == 1
    second.close()


def test_closing_leaves_nothing_of_a_deep_home(temporary: Path, deep: Path) -> None:
    wake = WakeSocket(deep, lambda _: None)
    assert list(temporary.iterdir()) == [wake.path.parent]
    wake.close()
    assert list(temporary.iterdir()) == []
    again = WakeSocket(deep, lambda _: None)
    assert again.path == wake.path
    again.close()


def test_temporary_files_may_be_as_deep(deep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    heard: queue.Queue[str] = queue.Queue()
    wake = WakeSocket(deep, heard.put)
    _say(wake.path, "attempt-1")
    assert heard.get(timeout=10) == "attempt-1"
    wake.close()
    assert not wake.path.parent.exists()


def test_deep_homes_do_not_share_a_socket(temporary: Path, deep: Path) -> None:
    other = deep.with_name("other")
    other.mkdir()
    wakes = [WakeSocket(directory, lambda _: None) for directory in (deep, other)]
    assert wakes[0].path != wakes[1].path
    for wake in wakes:
        wake.close()


@pytest.mark.parametrize("trap", ["open", "link", "file"])
def test_a_directory_that_others_may_use_is_refused(temporary: Path, deep: Path, trap: str) -> None:
    wake = WakeSocket(deep, lambda _: None)
    place = wake.path.parent
    wake.close()
    if trap == "open":
        place.mkdir()
        place.chmod(0o777)
    elif trap == "link":
        (temporary / "elsewhere").mkdir(mode=0o700)
        place.symlink_to(temporary / "elsewhere")
    else:
        place.touch(mode=0o600)
    with pytest.raises(PermissionError, match="only its owner"):
        WakeSocket(deep, lambda _: None)


def test_a_second_server_of_a_home_leaves_the_first_its_socket(temporary: Path) -> None:
    heard: queue.Queue[str] = queue.Queue()
    first = WakeSocket(temporary, heard.put)
    second = WakeSocket(temporary, lambda _: None)
    assert second.path != first.path
    second.close()
    assert heard.get(timeout=10) == "-"  # how the second found out
    _say(first.path, "attempt-1")
    assert heard.get(timeout=10) == "attempt-1"
    first.close()
    assert list(temporary.iterdir()) == []


def test_the_socket_of_a_dead_server_is_replaced(temporary: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(temporary / "wake.sock"))
    heard: queue.Queue[str] = queue.Queue()
    wake = WakeSocket(temporary, heard.put)
    assert wake.path == temporary / "wake.sock"
    _say(wake.path, "attempt-1")
    assert heard.get(timeout=10) == "attempt-1"
    wake.close()


def test_a_server_that_is_stopped_holds_nobody_up(temporary: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stopped:
        stopped.bind(str(temporary / "wake.sock"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as runner:
            runner.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    runner.sendto(b"attempt-1", str(temporary / "wake.sock"))
        wakes: queue.Queue[WakeSocket] = queue.Queue()
        threading.Thread(target=lambda: wakes.put(WakeSocket(temporary, lambda _: None)), daemon=True).start()
        wake = wakes.get(timeout=10)
        assert wake.path != temporary / "wake.sock"
        wake.close()
