"""Driving crash tests: the switch of `pegbox.crashpoints`, a feeder that keeps tuning jobs running, and their check."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pegbox.crashpoints import PASSES, PLAN, TAKEN, VARIABLE
from pegbox.store.sql import SqlStore
from pegbox.testing import crash_work, invariants

TURN = 0.05  #: seconds between two looks
STARTS = 5  #: a server may be killed while it starts


class Process(Protocol):
    """What can be known of a server's process."""

    pid: int

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""


class Server(Protocol):
    """A server that can be killed and started again."""

    home: Path
    url: str
    process: Process

    def start(self) -> None:
        """Start it; raises RuntimeError when it ends before it answers."""

    def kill(self) -> None:
        """KILL."""

    def client(self, service: str, **changes: Any) -> Any:
        """A boto3 client."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A plan that was carried out."""

    pid: int
    thread: str
    directory: Path  #: in which the process worked: an attempt's, for a runner


class Switch:
    """The directory of crash points."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir()
        self.environment = {VARIABLE: str(directory)}

    def place(self, where: str, *, signal: str = "KILL", number: int = 1) -> None:
        """Have the next process that is the `number`-th time at `where` ("before exit.json") end.

        With ` or ` between them there may be several places.
        """
        self.taken_file.unlink(missing_ok=True)
        scratch = self._directory / "next"
        scratch.write_text(f"{signal} {number} {where}\n")
        scratch.rename(self._directory / PLAN)

    def withdraw(self) -> bool:
        """Take back a plan that nobody has carried out; False if somebody has."""
        try:
            (self._directory / PLAN).unlink()
        except FileNotFoundError:
            return False
        return True

    @property
    def taken_file(self) -> Path:
        """Where the process says that it carries out the plan."""
        return self._directory / TAKEN

    def taken(self) -> Taken | None:
        """Who has carried out the plan."""
        try:
            pid, thread, directory = self.taken_file.read_text().splitlines()[0].split(" ", 2)
        except FileNotFoundError:
            return None
        return Taken(int(pid), thread, Path(directory))

    def passes(self, thread: str | None = None) -> list[str]:
        """Every pass so far, in order, of all threads or of one."""
        return [place for by, place in self._passes() if thread in (None, by)]

    def most_by_one(self) -> dict[str, int]:
        """How often each place was passed by that process which passed it most often."""
        counted = Counter((by.partition("/")[0], place) for by, place in self._passes())
        found: dict[str, int] = {}
        for (_, place), times in counted.items():
            found[place] = max(times, found.get(place, 0))
        return found

    def _passes(self) -> list[tuple[str, str]]:
        try:
            lines = (self._directory / PASSES).read_text().splitlines()
        except FileNotFoundError:
            return []
        return [(by, place) for by, _, place in (line.partition(" ") for line in lines)]


@dataclass(slots=True)
class Feeder:
    """Keeps `running` tuning jobs on servers, whatever happens to them, and stops one training job of each.

    Every other tuning job has a RetryStrategy.  `image` runs the program in `folder`.
    """

    servers: list[Server]
    image: str
    folder: Path
    running: int = 2
    jobs: int = 3
    at_once: int = 2
    retries: int = 0
    steps: int = 4
    pause: float = 0.1
    stops: bool = True
    most: int | None = None  #: tuning jobs in all
    names: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    _stopped: set[str] = field(default_factory=set)
    _clients: dict[str, Any] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def server(self) -> Server:
        """The first that lives."""
        living = [server for server in self.servers if server.process.poll() is None]
        return (living or self.servers)[0]

    def revive(self) -> None:
        """Start all that are dead."""
        for server in self.servers:
            revive(server)

    def client(self) -> Any:
        """Of SageMaker, for the present address of a server that lives."""
        from botocore.config import Config

        server = self.server
        if server.url not in self._clients:
            config = Config(read_timeout=20, connect_timeout=5)
            self._clients[server.url] = server.client("sagemaker", config=config)
        return self._clients[server.url]

    def step(self, *, more: bool = True) -> None:
        """Look once; with `more`, ask for further tuning jobs when there are too few."""
        client = self.client()
        for name in [name for name in self.names if name not in self.ended]:
            found = crash_work.unless_down(client.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)
            if found is None or "HyperParameterTuningJobStatus" not in found:
                return  # it died before, or in the middle of, its answer
            if found["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
                self.ended.add(name)
            elif self.stops and name not in self._stopped:
                self._stop_one(client, name)
        if more and len(self.names) - len(self.ended) < self.running and self.most != len(self.names):
            self._create(client)

    def _create(self, client: Any) -> None:
        number = next(self._numbers)
        name = f"crash-{number:04}"
        request = crash_work.tuning_request(
            name,
            self.image,
            jobs=self.jobs,
            at_once=self.at_once,
            steps=self.steps,
            pause=self.pause,
            retries=self.retries * (number % 2),
        )
        deadline = time.monotonic() + crash_work.PATIENCE
        while not crash_work.create_once(self.client().create_hyper_parameter_tuning_job, **request):
            self.revive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} could not be created")
            time.sleep(TURN)
        self.names.append(name)

    def _stop_one(self, client: Any, name: str) -> None:
        found = crash_work.unless_down(
            client.list_training_jobs_for_hyper_parameter_tuning_job,
            HyperParameterTuningJobName=name,
            SortBy="CreationTime",
            SortOrder="Descending",
        )
        jobs = (found or {}).get("TrainingJobSummaries", [])
        running = [job["TrainingJobName"] for job in jobs if "TrainingStartTime" in job]
        if running and len(jobs) > 1:
            from botocore.exceptions import ClientError

            try:
                if crash_work.unless_down(client.stop_training_job, TrainingJobName=running[0]) is not None:
                    self._stopped.add(name)
            except ClientError:  # it ended meanwhile
                self._stopped.add(name)

    def finish(self, seconds: float = 120.0) -> None:
        """Wait until all have ended."""
        deadline = time.monotonic() + seconds
        while len(self.ended) < len(self.names):
            self.revive()
            self.step(more=False)
            if time.monotonic() > deadline:
                raise TimeoutError(f"still not ended: {sorted(set(self.names) - self.ended)}")
            time.sleep(TURN)

    def faults(
        self, store: SqlStore, homes: Sequence[Path], killed: Collection[Path] = (), s3: Any = None
    ) -> list[str]:
        """Everything that is wrong with what has ended and with what it left."""
        s3 = s3 or self.server.client("s3")
        found = [
            fault
            for name in self.names
            for fault in invariants.of_tuning_job(store, self.client(), s3, name, self.folder, killed=killed)
        ]
        return found + list(invariants.of_installation(store, homes))


def revive(server: Server) -> bool:
    """Start the server if it is dead; it may be killed again while it starts.  True if it was dead."""
    if server.process.poll() is None:
        return False
    for _ in range(STARTS - 1):
        try:
            server.start()
            return True
        except RuntimeError:
            continue
    server.start()
    return True


def until(look: Callable[[], Any], step: Callable[[], Any], seconds: float) -> Any:
    """Do steps until `look` gives something; None when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            return None
        step()
        time.sleep(TURN)
    return found
