"""Trainer processes: how one begins, and how nothing of it is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import traceback
import zlib
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from pegbox.runner import cell, isolate, layout, view
from pegbox.runner.cgroups import Group
from pegbox.runner.job import Job

NICENESS = 5  #: trainers never starve the server
PIPE_SIZE = 256 << 10
NOT_FOUND, NOT_RUNNABLE = 127, 126  #: exit codes of the shell for programs that cannot be run

_READ_BY_LIBRARIES_AT_LOAD = ("OMP_", "OPENBLAS_", "MKL_", "KMP_", "GOMP_", "LD_", "PYTHON")
_AWAITED = {signal.SIGTERM, signal.SIGCHLD}  #: by the first process of a cell
_CALL_MAIN = "import importlib, sys; sys.exit(importlib.import_module(sys.argv.pop(1)).main())"


@dataclass(slots=True, kw_only=True)
class Trainer:
    """One started (or refused) trainer process."""

    host: str
    pid: int
    output: int  #: read end of the pipe that is its stdout and stderr
    notes: list[str] = field(default_factory=list)
    refusal: str = ""  #: why it could not be executed
    code: int | None = None  #: exit code once it ended; negative: the signal
    verdict: int = -1  #: in a cell, where its first process tells the wait status of the program

    def judge(self, code: int) -> None:
        """It has ended with this code; in a cell, the program may have ended with another."""
        self.code = code
        if self.verdict < 0:
            return
        with contextlib.suppress(BlockingIOError):
            if said := os.read(self.verdict, 64):
                self.code = os.waitstatus_to_exitcode(int(said))
        os.close(self.verdict)
        self.verdict = -1


def spawn(
    job: Job, host: str, environment: Mapping[str, str], hosts_file: Path, group: Group, refusal: str = ""
) -> Trainer:
    """Fork the trainer of `host` into its own session and `group`.  What cannot be run is a Trainer with a refusal.

    `refusal`: why it must not be run.
    """
    output, out = os.pipe()
    report, say = os.pipe()
    runner = os.getpid()
    seen: Sequence[view.Entry] = ()
    if job.contain and not refusal:
        try:
            seen = view.of(job, host, environment)
        except OSError as error:
            refusal = f"the program cannot be contained: {error}"
    gate = _Gate.open() if seen else None
    pid = os.fork()
    if pid == 0:
        if gate is not None:
            _child_of_a_cell(job, host, environment, seen, gate, group, out, say)
        _child(job, host, environment, hosts_file, runner, group, out, say, refusal)
    os.close(out)
    os.close(say)
    said: dict[str, Any] = {}
    with open(report, "rb") as file:
        for line in file:
            said |= json.loads(line)
            if "pid" in said and gate is not None and not gate.is_open:
                os.waitpid(pid, 0)  # now we are the parent of the one that it has left us
                gate.let_through()
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    os.set_blocking(output, False)
    verdict = -1 if gate is None else gate.keep_verdict()
    return Trainer(**{"host": host, "pid": pid, "output": output, "verdict": verdict, **said})


@dataclass(slots=True)
class _Gate:
    """Two pipes between the runner and the first process of a cell: the way in, and how the program ended."""

    way: int  #: read by the first process, which waits for a byte: then the runner is its parent
    opener: int
    told: int  #: read by the runner
    verdict: int
    is_open: bool = False

    @classmethod
    def open(cls) -> _Gate:
        return cls(*os.pipe(), *os.pipe())

    def let_through(self) -> None:
        self.is_open = True
        os.write(self.opener, b".")

    def keep_verdict(self) -> int:
        for fd in (self.way, self.opener, self.verdict):
            os.close(fd)
        os.set_blocking(self.told, False)
        return self.told

    def pass_through(self) -> None:
        """As the first process: wait for the runner to be our parent, and die with it."""
        if not os.read(self.way, 1):
            os._exit(NOT_RUNNABLE)
        isolate.die_with_parent(signal.SIGKILL)
        poll = select.poll()
        poll.register(self.verdict, select.POLLERR)
        if poll.poll(0):  # the reading end is gone: the runner died before
            os._exit(NOT_RUNNABLE)


def _child(
    job: Job,
    host: str,
    environment: Mapping[str, str],
    hosts_file: Path,
    runner: int,
    group: Group,
    out: int,
    say: int,
    refusal: str,
) -> NoReturn:
    """Without a cell: at most a private /etc/hosts and /opt/ml."""
    with _ending(say):
        _begin(out, keep={say})
        if refusal:
            raise _Refused(NOT_RUNNABLE, refusal)
        _join(group)
        _tell(say, notes=_settle(job, host, hosts_file, runner))
        _become_trainer(job, host, environment, say)


def _child_of_a_cell(
    job: Job,
    host: str,
    environment: Mapping[str, str],
    seen: Sequence[view.Entry],
    gate: _Gate,
    group: Group,
    out: int,
    say: int,
) -> NoReturn:
    with _ending(say):
        _begin(out, keep={say, gate.way, gate.verdict})
        signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
        _join(group)
        try:
            cell.unshare()
        except OSError as error:
            raise _Refused(NOT_RUNNABLE, f"the program cannot be contained: {error.strerror}") from None
        first = os.fork()
        if first:
            _tell(say, pid=first)
            os._exit(0)
        os.setsid()
        isolate.die_first()
        gate.pass_through()
        try:
            cell.build(seen, str(layout.root(job, host)), job.limits.memory)
        except OSError as error:
            raise _Refused(NOT_RUNNABLE, f"the program cannot be contained: {error.strerror}") from None
        main = os.fork()
        if main:
            _stay(main, gate.verdict)
        os.setsid()
        os.nice(NICENESS)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _AWAITED)
        close_descriptors(keep={say})
        _become_trainer(job, host, _visible(environment), say)


def _join(group: Group) -> None:
    try:
        group.join()
    except OSError as error:
        raise _Refused(NOT_RUNNABLE, f"the limits of the instance cannot be set: {error.strerror}") from None


def _stay(main: int, verdict: int) -> NoReturn:
    """As the first process of a cell: hold nothing of the program's, and wait for it."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    close_descriptors(keep={verdict})
    cell.attend(main, verdict)


def _visible(environment: Mapping[str, str]) -> dict[str, str]:
    """Without a TMPDIR that is not there."""
    if os.path.isdir(environment.get("TMPDIR", "/tmp")):
        return dict(environment)
    return {name: value for name, value in environment.items() if name != "TMPDIR"}


@contextlib.contextmanager
def _ending(say: int) -> Iterator[None]:
    """A forked process never comes back from here."""
    code = NOT_RUNNABLE
    try:
        yield
    except _Refused as error:
        code = error.code
        _tell(say, refusal=f"ClientError: {error}")
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _begin(out: int, keep: Set[int]) -> None:
    reset_signals()
    os.dup2(out, 1)
    os.dup2(out, 2)
    close_descriptors(keep=keep)


def _become_trainer(job: Job, host: str, environment: Mapping[str, str], say: int) -> NoReturn:
    _enter(job, host)
    namespaces = job.instance_count if job.contain else 0
    job.limits.apply(zlib.crc32(f"{job.id} {host}".encode()), namespaces)
    if job.module and _is_loaded(job):
        os.close(say)
        call_main(job.module, environment)
    os.set_inheritable(say, False)
    _execute(job, environment)


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _settle(job: Job, host: str, hosts_file: Path, runner: int) -> list[str]:
    os.setsid()
    os.nice(NICENESS)
    isolate.die_first()
    home = layout.home(job, host)
    notes = isolate.isolate(hosts_file, home / "ml", home / "opt") if job.isolate else []
    isolate.die_with_parent(signal.SIGKILL)
    if os.getppid() != runner:  # it died before
        os._exit(NOT_RUNNABLE)
    return notes


def _enter(job: Job, host: str) -> None:
    workdir = layout.workdir(job, host)
    try:
        os.chdir(workdir)
    except OSError as error:
        raise _Refused(NOT_RUNNABLE, f"cannot use the working directory {workdir}: {error.strerror}") from None


def _tell(say: int, **said: object) -> None:
    os.write(say, json.dumps(said).encode() + b"\n")


def reset_signals() -> None:
    """Undo what Python and the runner changed, so that programs begin as from a shell."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def close_descriptors(*, keep: Set[int] = frozenset()) -> None:
    """Close everything above stderr but `keep`."""
    most = os.sysconf("SC_OPEN_MAX")
    first = 3
    for fd in sorted(keep):
        os.closerange(first, max(first, fd))
        first = max(first, fd + 1)
    os.closerange(first, most if most > 0 else 1 << 16)


def _is_loaded(job: Job) -> bool:
    """Whether main() may be called in a fork: the module is there, and no variable comes too late for its libraries."""
    own = {**job.image_environment, **job.environment}
    return job.module in sys.modules and not any(name.startswith(_READ_BY_LIBRARIES_AT_LOAD) for name in own)


def _execute(job: Job, environment: Mapping[str, str]) -> NoReturn:
    found = dict(environment)
    argv = job.argv
    if job.module:
        argv = (sys.executable, "-P", "-c", _CALL_MAIN, job.module)
        if path := os.environ.get("PYTHONPATH"):
            found["PYTHONPATH"] = path + os.pathsep + found.get("PYTHONPATH", "")
    if not argv:
        raise _Refused(NOT_FOUND, "there is no program to run")
    try:
        os.execvpe(argv[0], argv, found)
    except (OSError, ValueError) as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_RUNNABLE
        raise _Refused(code, f"cannot run {argv[0]!r}: {_why(argv[0], error)}") from None


def _why(program: str, error: OSError | ValueError) -> str:
    """execve(2) says the same of a script and of its interpreter, and of a folder and of a file."""
    if isinstance(error, FileNotFoundError) and os.path.exists(program):
        return "the interpreter that its first line names is not there"
    if isinstance(error, PermissionError) and os.path.isdir(program):
        return "it is a directory"
    return str(getattr(error, "strerror", None) or error)


def call_main(module: str, environment: Mapping[str, str]) -> NoReturn:
    """Run main() of a loaded module as if it were a fresh process, and end."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module]
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        code = sys.modules[module].main()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(int(code or 0) & 0xFF)
