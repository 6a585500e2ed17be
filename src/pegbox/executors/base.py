"""Where attempts run: the contract between the engine and whatever runs a training program.

Repeatable: every method may be called again after a crash with the same arguments and has the same effect.
Threads:    methods are called from several threads, never twice at once for one attempt.
Silence:    a lost process is an Observation (phase LOST), not an exception.
Ownership:  a started attempt outlives the server; its directory is the only link between the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to execute: an argv, or a Python module whose `main() -> int` is the trainer (built-in algorithms)."""

    argv: tuple[str, ...] = ()
    module: str | None = None  #: forked from the zygote when one is up, else run with `python -m`
    workdir: str | None = None  #: below the instance's /opt/ml unless absolute; default: its own directory
    environment: Mapping[str, str] = field(default_factory=dict)  #: of the image, below the request's own
    paths: tuple[str, ...] = ()  #: files and folders that the image names: they stay readable in a cell
    binds: tuple[str, ...] = ()  #: PATH or PATH:ro, further places that the program may see there


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one instance may use; None: as much as there is."""

    memory: int | None = None  #: bytes
    cpus: int | None = None
    disk: int | None = None  #: bytes below its own directory, and of one file anywhere
    processes: int | None = None  #: and threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try at one training job: everything that the runner must know.

    What a training program sees of it: SageMaker developer guide, "How Amazon SageMaker Provides Training Information".
    """

    id: str  #: unique and stable: job id and attempt number
    directory: Path  #: the attempt's own directory; channels are already staged in it
    job_name: str
    job_arn: str
    region: str
    program: Program
    hyperparameters: Mapping[str, str]
    environment: Mapping[str, str]  #: `Environment` of the request
    channels: Mapping[str, Mapping[str, Any]]  #: inputdataconfig.json, by channel name
    metrics: Sequence[Mapping[str, str]]  #: MetricDefinitions: Name, Regex
    instance_count: int
    instance_type: str
    checkpoint_path: str | None  #: CheckpointConfig.LocalPath, below /opt/ml
    max_runtime: float | None  #: seconds of training, MaxRuntimeInSeconds
    grace: float = 120.0  #: seconds between TERM and KILL
    limits: Limits = field(default_factory=Limits)
    hidden: tuple[str, ...] = ()  #: folders that the program must not see, the home that the attempt lies in for one
    network_isolation: bool = False  #: EnableNetworkIsolation: the instances reach each other and nothing else, or fail
    most_log: int = 4 << 30  #: bytes of each instance's log; of more, the beginning and the end are kept
    created: float | None = None  #: epoch seconds; with `job_arn` it says which job this is, for ever
    most_points: int = 1_000_000  #: metric values that are kept; of more, all in the beginning, then fewer and fewer


class Phase(Enum):
    """Where an attempt stands."""

    STARTING = "Starting"  # asked for, no process seen yet
    RUNNING = "Running"
    EXITED = "Exited"  # `exit` says how
    LOST = "Lost"  # the runner is gone and left no exit record, or the machine went down before its outputs were safe


class Cause(Enum):
    """Why the training processes ended."""

    EXIT = "Exit"  # by themselves
    STOPPED = "Stopped"  # stop() was called
    MAX_RUNTIME = "MaxRuntime"  # max_runtime was reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How an attempt ended."""

    cause: Cause
    codes: Mapping[str, int]  #: host name -> exit code; negative: the signal
    started: float  #: epoch seconds, first training process
    ended: float  #: epoch seconds, last training process
    failure: str = ""  #: text of /opt/ml/output/failure, else the last lines printed; at most 1024 characters
    boot_id: str | None = None  #: the run of the machine's kernel in which it ended, if it is known
    on_disk: bool = False  #: whether all that it left was brought to disk before


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One metric value taken from the log."""

    offset: int  #: byte offset in the attempt's points file: the identity of the point
    host: str  #: algo-1 ...
    metric: str
    value: float
    at: float  #: epoch seconds at which the line was read
    is_kept: bool = True  #: whether it is more than the last value so far of a metric with too many


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What is new since `cursor`."""

    phase: Phase
    started: float | None  #: epoch seconds at which training began
    points: Sequence[Point]
    cursor: int  #: pass it to the next observe()
    exit: Exit | None = None
    rebooted: bool = False  #: of a LOST one: whether the machine has been started again since


class NotNow(Exception):
    """An attempt cannot be started, for a reason that may pass; the message says which."""


class Executor(Protocol):
    """Runs attempts somewhere."""

    def prepare(self, module: str | None) -> None:
        """Attempts of a program with this module will follow soon: get ready.  Returns at once; only a hint."""
        ...

    def start(self, attempt: Attempt) -> None:
        """Start the attempt, or adopt it when it is already running or has ended.  Idempotent by `attempt.id`.

        Raises NotNow when it has to be tried again later.
        """
        ...

    def observe(self, directory: Path, cursor: int) -> Observation:
        """Read what has happened since `cursor` (0 at first)."""
        ...

    def stop(self, directory: Path) -> None:
        """Ask for TERM now and KILL after the attempt's grace.  Returns at once; raises OSError when it cannot ask."""
        ...

    def close(self) -> None:
        """Let go of what belongs to this server (the zygote); attempts go on."""
        ...
