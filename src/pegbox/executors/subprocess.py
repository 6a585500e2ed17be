"""Attempts as local processes, each under a detached runner of its own (`python -m pegbox.runner`)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pegbox
from pegbox import crashpoints
from pegbox.baton import put_down
from pegbox.crashpoints import AFTER, BEFORE, reach
from pegbox.executors import directory as files
from pegbox.executors.base import Attempt, Observation, Phase
from pegbox.executors.containment import Containment
from pegbox.processes import identity, is_alive
from pegbox.runner import records

ZYGOTE_HURRY = 10.0  #: seconds for one answer when everything is imported
ZYGOTE_PATIENCE = 60.0  #: seconds for one answer; the first includes importing an algorithm's libraries

_INHERITED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_INHERITED_PREFIXES = ("LC_", "CUDA", "NVIDIA")


class SubprocessExecutor:
    """An Executor (see base) whose attempts are processes of this machine.

    `wake`: unix datagram socket that runners send their attempt's id to when there is something to observe.
    `containment`: off, auto (where the machine allows it) or require (else programs are refused).  `hidden`: what no
    program sees.  `zygote`: fork runners from a warm process.  `search`: further directories in which modules of
    trainers are looked for.
    """

    def __init__(
        self,
        wake: Path | None = None,
        *,
        containment: str | Containment = "auto",
        hidden: Sequence[Path] = (),
        zygote: bool = True,
        search: Sequence[Path] = (),
    ) -> None:
        self._wake, self._hidden, self._search = wake, hidden, search
        self._containment = Containment(containment) if isinstance(containment, str) else containment
        self._zygote = Zygote(search) if zygote else None
        self._children: set[int] = set()
        self._lock = threading.Lock()

    def prepare(self, module: str | None) -> None:
        """Start the zygote and import the trainer's module in it, in the background."""
        if self._zygote is not None:
            threading.Thread(target=self._zygote.warm, args=(module,), name="zygote", daemon=True).start()

    def start(self, attempt: Attempt) -> None:
        """Start the attempt, or adopt it when it is running, has ended, or was lost: trainers start at most once."""
        directory = attempt.directory
        found = files.names(directory)
        if found & {records.EXIT, records.RUNNER}:
            return
        if found & {records.LOCK, records.SPAWN}:
            spawned = files.read(f"{directory}/spawn.json")
            if files.lock_holder(directory) is not None or (spawned and is_alive(spawned)):
                return
        is_to_run = records.STOP not in found
        contain = not is_to_run or self._containment.is_wanted()
        self._reap()
        files.write_attempt(
            attempt,
            inherited=inherited(os.environ),
            wake=None if self._wake is None else str(self._wake),
            isolate=True,
            contain=contain,
            hidden=[*attempt.hidden, *map(str, self._hidden)],
        )
        reach(BEFORE, "runner spawn")
        pid = self._spawn(attempt)
        reach(AFTER, "runner spawn")
        files.write(directory / "spawn.json", identity(pid))

    def observe(self, directory: Path, cursor: int) -> Observation:
        """What has happened since `cursor`.  EXITED and LOST are told together with the last points, not before."""
        self._reap()
        phase, runner = files.phase(directory)
        end = files.read_exit(directory) if phase is Phase.EXITED else None
        if phase is Phase.EXITED and files.is_doubtful(directory, end):
            phase, end = Phase.LOST, None
        points, cursor, is_more = files.read_points(directory, cursor)
        if is_more:
            phase, end = Phase.RUNNING, None
        started = end.started if end else (runner or {}).get("started")
        rebooted = False
        if phase is Phase.LOST:
            files.kill_orphans(directory)
            files.clear(directory)
            files.end_groups(directory, runner)
            rebooted = files.was_rebooted(directory)
        return Observation(phase=phase, started=started, points=points, cursor=cursor, exit=end, rebooted=rebooted)

    def stop(self, directory: Path) -> None:
        """Leave the stop file and make the runner look at it.  Before start() it keeps trainers from starting.

        Where no file can be made, a signal alone has to do.  Raises OSError when nobody is there to get it.
        """
        if not directory.is_dir() or files.is_there(directory, "exit.json"):
            return
        try:
            files.leave_stop(directory)
        except OSError:
            if not files.signal_runner(directory, signal.SIGUSR2):
                raise
        else:
            files.signal_runner(directory, signal.SIGUSR1)

    def close(self) -> None:
        """End the zygote.  Runners stay."""
        if self._zygote is not None:
            self._zygote.close()
        self._reap()

    def _spawn(self, attempt: Attempt) -> int:
        if self._zygote is not None:
            pid = self._zygote.fork(attempt.directory, attempt.program.module)
            if pid is not None:
                return pid
        pid = launch("pegbox.runner", str(attempt.directory.resolve()), search=self._search)
        with self._lock:
            self._children.add(pid)
        return pid

    def _reap(self) -> None:
        with self._lock:
            self._children = {pid for pid in self._children if not has_ended(pid)}


class Zygote:
    """The warm process that forks runners (`python -m pegbox.runner.zygote`), started when first needed."""

    def __init__(self, search: Sequence[Path] = ()) -> None:
        self._search = search
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._pid = 0
        self._is_closed = False
        self._warmed: set[str | None] = set()  # by this process

    @property
    def pid(self) -> int:
        """Its pid, 0 while there is none."""
        return self._pid if self._channel else 0

    def warm(self, preload: str | None) -> None:
        """Import a module; what goes wrong will be told when it is needed."""
        self._request(None, preload)

    def fork(self, directory: Path, preload: str | None) -> int | None:
        """The pid of a new runner for `directory` that has `preload` imported.  None: start one without a zygote."""
        return self._request(str(directory.absolute()), preload)

    def _request(self, directory: str | None, preload: str | None) -> int | None:
        request = json.dumps({"directory": directory, "preload": preload}).encode() + b"\n"
        with put_down(), self._lock:
            for _ in range(2):
                if self._is_closed:
                    break
                try:
                    found = self._ask(request, ZYGOTE_HURRY if preload in self._warmed else ZYGOTE_PATIENCE)
                    self._warmed |= {None, preload}
                    return found.get("pid")
                except TimeoutError:
                    self._end()
                    break
                except (OSError, ValueError):
                    self._end()
            return None

    def _ask(self, request: bytes, seconds: float) -> dict[str, int]:
        if self._channel is None:
            self._begin()
            seconds = ZYGOTE_PATIENCE
        channel = self._channel
        if channel is None or self._is_closed:  # looked at after _begin() has set the channel, see close()
            raise ConnectionError("closed")
        if channel.gettimeout() != seconds:
            channel.settimeout(seconds)
        channel.sendall(request)
        answer = b""
        while not answer.endswith(b"\n"):
            data = channel.recv(4096)
            if not data:
                raise ConnectionError("the zygote died")
            answer += data
        found: dict[str, int] = json.loads(answer)
        return found

    def close(self) -> None:
        """End the process, for good.  A request that is under way fails at once, however silent the process is."""
        self._is_closed = True
        if (channel := self._channel) is not None:
            with contextlib.suppress(OSError):  # the request has closed it meanwhile
                channel.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._end()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._pid = launch("pegbox.runner.zygote", stdin=theirs.fileno(), search=self._search)
        self._channel, self._warmed = ours, set()

    def _end(self) -> None:
        if self._channel is None:
            return
        self._channel.close()
        self._channel = None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What trainers may see of the server's environment: no credentials, no settings."""
    return {
        name: value for name, value in environment.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def launch(module: str, *arguments: str, stdin: int | None = None, search: Sequence[Path] = ()) -> int:
    """Start `python -m module` in its own session, with stdin and nothing else of ours.  Returns its pid."""
    path = os.pathsep.join(map(str, [Path(pegbox.__file__).resolve().parent.parent, *search]))
    environment = inherited(os.environ) | {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    if crashpoints.VARIABLE in os.environ:
        environment[crashpoints.VARIABLE] = os.environ[crashpoints.VARIABLE]
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # more jobs than cores: a thread that spins starves others
    first = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if stdin is None else (os.POSIX_SPAWN_DUP2, stdin, 0)
    argv = [sys.executable, "-P", "-m", module, *arguments]
    return os.posix_spawn(sys.executable, argv, environment, file_actions=[first], setsid=True)


def has_ended(pid: int) -> bool:
    """Reap a child process if it has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
