"""Trainer processes: how one begins, and how nothing of it is left."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from pegbox.runner import isolate, layout
from pegbox.runner.job import Job

NICENESS = 5  #: trainers never starve the server
PIPE_SIZE = 256 << 10
NOT_FOUND, NOT_RUNNABLE = 127, 126  #: exit codes of the shell for programs that cannot be run

_READ_BY_LIBRARIES_AT_LOAD = ("OMP_", "OPENBLAS_", "MKL_", "KMP_", "GOMP_", "LD_", "PYTHON")
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


def spawn(job: Job, host: str, environment: Mapping[str, str], hosts_file: Path) -> Trainer:
    """Fork the trainer of `host` into its own session.  A program that cannot be run is a Trainer with a refusal."""
    output, out = os.pipe()
    report, say = os.pipe()
    runner = os.getpid()
    pid = os.fork()
    if pid == 0:
        _child(job, host, environment, hosts_file, runner, out, say)
    os.close(out)
    os.close(say)
    with open(report, "rb") as file:
        said = {key: value for line in file for key, value in json.loads(line).items()}
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    os.set_blocking(output, False)
    return Trainer(host=host, pid=pid, output=output, **said)


def _child(
    job: Job, host: str, environment: Mapping[str, str], hosts_file: Path, runner: int, out: int, say: int
) -> NoReturn:
    code = NOT_RUNNABLE
    try:
        reset_signals()
        os.dup2(out, 1)
        os.dup2(out, 2)
        close_descriptors(keep=say)
        _tell(say, notes=_settle(job, host, hosts_file, runner))
        _enter(job, host)
        if job.module and _is_loaded(job):
            os.close(say)
            call_main(job.module, environment)
        _execute(job, environment)
    except _Refused as error:
        code = error.code
        _tell(say, refusal=f"ClientError: {error}")
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


class _Refused(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _settle(job: Job, host: str, hosts_file: Path, runner: int) -> list[str]:
    os.setsid()
    os.nice(NICENESS)
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
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def close_descriptors(*, keep: int = -1) -> None:
    """Close everything above stderr but `keep`."""
    most = os.sysconf("SC_OPEN_MAX")
    os.closerange(3, max(3, keep))
    os.closerange(max(3, keep + 1), most if most > 0 else 1 << 16)


def _is_loaded(job: Job) -> bool:
    """Whether main() may be called in a fork: the module is there, and no variable comes too late for its libraries."""
    own = {**job.image_environment, **job.environment}
    return job.module in sys.modules and not any(name.startswith(_READ_BY_LIBRARIES_AT_LOAD) for name in own)


def _execute(job: Job, environment: Mapping[str, str]) -> None:
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
        reason = error.strerror if isinstance(error, OSError) else error
        raise _Refused(code, f"cannot run {argv[0]!r}: {reason}") from None


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


def signal_groups(groups: Set[int], number: int) -> None:
    """Send a signal to process groups."""
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def own_groups(groups: Set[int]) -> set[int]:
    """Those of these process groups that a descendant of this process is in and that may be signalled.

    The number of a group whose leader was reaped is free as soon as its last member ends: then it may be another's.
    """
    return {group for group in groups & set(_descendants(os.getpid()).values()) if _may_signal(group)}


def _may_signal(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_descendants(keep: int) -> bool:
    """Send KILL to all descendants of this process but `keep`.  Returns whether there were any."""
    found = _descendants(os.getpid()).keys() - {keep}
    for pid in found:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def _descendants(root: int) -> dict[int, int]:
    """pid -> process group of every process below `root`."""
    children: dict[int, list[tuple[int, int]]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if entry.isdigit() and (place := _place(entry)) is not None:
            parent, group = place
            children.setdefault(parent, []).append((int(entry), group))
    found: dict[int, int] = {}
    waiting = [root]
    while waiting:
        new = {pid: group for pid, group in children.get(waiting.pop(), ()) if pid not in found}
        found |= new
        waiting += new
    return found


def _place(pid: str) -> tuple[int, int] | None:
    """Parent and process group, fields 4 and 5 of /proc/<pid>/stat (proc(5))."""
    try:
        fields = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()
        return int(fields[1]), int(fields[2])
    except (OSError, IndexError):
        return None
