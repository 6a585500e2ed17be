"""Where contained programs are run in tests, as whoever runs the tests and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pegbox.executors import containment
from pegbox.executors import directory as files
from pegbox.executors.base import Exit, Program
from pegbox.testing.attempts import an_attempt, log_of

ORDINARY = Path(__file__).with_name("ordinary.py")
INHERITED = {"PATH": "/usr/bin:/bin", "HOME": "/home/somebody"}


@dataclass(frozen=True)
class Place:
    """A folder that everybody may enter, and a way to run a shell program contained in it."""

    folder: Path
    who: str

    def run(
        self,
        script: str,
        *,
        hidden: list[Path] | None = None,
        inherited: Mapping[str, str] = INHERITED,
        staged: Mapping[str, str] | None = None,
        **program: Any,
    ) -> tuple[Exit, str]:
        """The end and the log of an attempt whose program is a shell script."""
        directory = self.folder / "home/attempts/1/1"
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for name, text in (staged or {}).items():
            self.write(str(directory / name), text)
        changes = {
            name: program.pop(name)
            for name in ("instance_count", "network_isolation", "limits", "channels")
            if name in program
        }
        attempt = an_attempt(directory, program=Program(argv=("/bin/sh", "-c", script), **program), **changes)
        names = [str(path) for path in (self.folder / "home", *(hidden or []))]
        files.write_attempt(attempt, inherited=inherited, wake=None, isolate=True, contain=True, hidden=names)
        command = ["-m", "pegbox.runner"] if self.who == "us" else [str(ORDINARY)]
        subprocess.run([sys.executable, *command, str(directory)], check=True, timeout=120)
        assert (directory / "runner.log").read_bytes() == b""
        ended = files.read_exit(directory)
        assert ended is not None
        return ended, log_of(directory).decode()

    def write(self, name: str, text: str) -> Path:
        """A file that whoever runs the program could read."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if self.who == "user":
            for each in (path, *path.parents):
                if each.is_relative_to(self.folder):
                    os.chown(each, 65534, 65534)
        return path


@pytest.fixture(params=["us", "user"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "user" and os.geteuid() != 0:
        pytest.skip("we are an ordinary user already")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Place(Path(name), request.param)


@pytest.fixture(scope="module")
def possible() -> None:
    if missing := containment.Containment("auto").missing():
        pytest.skip(f"this machine does not contain programs: {missing}")
