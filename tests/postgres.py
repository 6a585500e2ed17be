"""A PostgreSQL cluster for tests: made by initdb, on a unix socket, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg


def find_binaries() -> Path | None:
    """The newest directory with initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


class Cluster:
    """A running cluster; `database` makes an empty database and gives its SQLAlchemy URL."""

    def __init__(self, binaries: Path, connections: int = 200) -> None:
        self._binaries = binaries
        self._root = Path(tempfile.mkdtemp(prefix="pegbox-pg-"))
        self._as = []
        if os.geteuid() == 0:  # the server refuses to run as root
            self._root.chmod(0o755)
            shutil.chown(self._root, "nobody")
            self._as = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        data = self._root / "data"
        self._run("initdb", "-D", str(data), "-A", "trust", "-U", "pegbox", "--no-sync", "-E", "UTF8", "--locale=C")
        settings = ("listen_addresses=''", f"unix_socket_directories='{self._root}'", "fsync=off")
        self._options = " ".join(f"-c {setting}" for setting in (*settings, f"max_connections={connections}"))
        self.start()

    def database(self, name: str) -> str:
        server = self.url("postgres").replace("+psycopg", "")
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"create database {name} strategy file_copy".encode())  # quick, since nothing is synced
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://pegbox@/{name}?host={self._root}"

    def sql(self, name: str, statement: str) -> str:
        """Run a statement in a database; returns what it gives, without any decoration."""
        command = [str(self._binaries / "psql"), "-h", str(self._root), "-U", "pegbox", "-d", name, "-Atc", statement]
        return subprocess.run([*self._as, *command], check=True, capture_output=True, text=True).stdout.strip()

    def start(self) -> None:
        log = str(self._root / "log")
        self._run("pg_ctl", "-D", str(self._root / "data"), "-w", "-o", self._options, "-l", log, "start")

    def stop(self) -> None:
        """As by a crash: nothing is written down, and connections are cut."""
        self._run("pg_ctl", "-D", str(self._root / "data"), "-m", "immediate", "stop")

    def freeze(self) -> None:
        """Stop all of its processes where they are: connections stay, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        first = int((self._root / "data/postmaster.pid").read_text().split()[0])
        os.kill(first, number)  # so that it starts no more
        for pid in Path(f"/proc/{first}/task/{first}/children").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), number)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self._root, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*self._as, str(self._binaries / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            cwd=self._root,
        )
