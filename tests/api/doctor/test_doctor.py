"""What `pegbox doctor` says of a home as a whole: of its folder, its images and the machine."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from examination import examine, found, repaired
from jobs import pegbox
from running import RunningServer

Start = Callable[..., RunningServer]
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "doctor.md"
SOURCE = Path(__file__).parents[3] / "src" / "pegbox" / "maintenance" / "doctor"


def test_every_kind_is_documented() -> None:
    kinds = {kind for file in SOURCE.glob("*.py") for kind in re.findall(r'kind="([a-z-]+)"', file.read_text())}
    kinds |= {"content-missing", "content-size", "content-digest", "content-unnamed", "incoming-leftover"}
    documented = set(re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE))))
    assert documented == kinds


def test_a_healthy_home_is_told_in_words(live: RunningServer) -> None:
    assert pegbox(live, "doctor", "--deep") == "Nothing is wrong.\n"


def test_a_wall_that_the_machine_does_not_allow(live: RunningServer) -> None:
    forbidden = 'echo 0 > /proc/sys/user/max_pid_namespaces; exec "$0" -m pegbox doctor --json --home "$1"'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", forbidden, sys.executable, str(live.home)],
        capture_output=True,
        text=True,
        env={**os.environ, "PEGBOX_CONTAINMENT": "auto"},
        timeout=60,
    )
    found = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert ("containment", "files") in {(each["kind"], each["about"]) for each in found}
    assert {each["kind"] for each in found} == {"containment"}


def test_a_home_that_others_may_read(live: RunningServer) -> None:
    live.home.chmod(0o755)
    repaired(live, "permissions")
    assert live.home.stat().st_mode & 0o777 == 0o700


def test_notes_of_a_home_that_are_no_text_stop_neither_doctor_nor_server(start_server: Start) -> None:
    server = start_server(environment={"PEGBOX_CONTAINMENT": "off"})
    server.stop()
    for name in ("identity", "database", "boot_id"):
        (server.home / "run" / name).write_bytes(b"\xff\xfe")
    found(server)
    server.start()
    assert examine(server.home) == (0, [])


def test_what_a_killed_server_leaves(live: RunningServer, start_server: Start) -> None:
    server = start_server()
    server.kill()
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as dead:
        dead.bind(str(server.home / "run" / "wake-1.sock"))
    assert sorted(found(server)) == ["server-file", "server-file", "socket", "socket"]
    assert examine(server.home, "--repair")[0] == 0
    assert found(server) == []


def test_an_image_whose_program_is_gone(live: RunningServer, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    pegbox(live, "image", "add", "gone", "--command", "python x.py", "--workdir", str(folder))
    folder.rmdir()
    assert found(live, "--repair") == ["image-workdir"]
    pegbox(live, "image", "remove", "gone")
    pegbox(live, "image", "add", "odd", "--python", "/nope/python", "--workdir", str(tmp_path))
    assert found(live, "--repair") == ["image-python"]
    pegbox(live, "image", "remove", "odd")
    pegbox(live, "image", "add", "odd", "--command", "no-such-program", "--workdir", str(tmp_path))
    assert found(live, "--repair") == ["image-command"]
    pegbox(live, "image", "remove", "odd")
