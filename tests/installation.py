"""A server with a switch for crash points, a program to run on it, and a look into its database."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jobs import new_name, pegbox
from pegbox.domain.training import Phase, TrainingJob
from pegbox.store.sql import SqlStore
from pegbox.testing import invariants
from pegbox.testing.crash_drive import Feeder, Switch, Taken, revive, until
from pegbox.testing.crash_work import put_inputs, write_program
from postgres import Cluster
from running import RunningServer

QUICK = {
    "PEGBOX_TICK": "0.2",
    "PEGBOX_LEASE": "1",
    "PEGBOX_STOP_GRACE": "5",
    "PEGBOX_CHECKPOINT_INTERVAL": "0.2",
    "PEGBOX_SLOTS": "4",
}
NOTICE_SECONDS = 5.0  #: within which the end of a runner has to be noticed
REACH_SECONDS = 8.0  #: within which jobs come by a crash point
SECONDS_TO_DIE = 30.0  #: for a process that has been told to, on a busy machine


class Installation:
    """One server in `folder`, on SQLite or on a database of a cluster."""

    def __init__(
        self,
        folder: Path,
        cluster: Cluster | None = None,
        environment: Mapping[str, str] = QUICK,
        start: Callable[..., RunningServer] = RunningServer,
        **feed: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.switch = Switch(folder / "crashpoints")
        given = {**environment, **self.switch.environment}
        if cluster is not None:
            given["PEGBOX_DATABASE_URL"] = cluster.database(f"crash_{uuid.uuid4().hex[:8]}")
        self.server = start(folder / "home", environment=given)
        self.homes = [self.server.home]
        self.database_url = given.get("PEGBOX_DATABASE_URL") or f"sqlite:///{self.server.home / 'pegbox.db'}"
        self.store = SqlStore(self.database_url, migrate=False)
        put_inputs(self.server.client("s3"))
        program = write_program(folder)
        image = new_name("image")
        pegbox(self.server, "image", "add", image, "--command", f"python {program}", "--workdir", str(folder))
        self.feeder = Feeder([self.server], image, folder, **feed)
        self.killed: set[Path] = set()
        self.missed: list[str] = []  #: places that nothing came by when a crash was wanted
        self._prepared = len(self.switch.passes())

    def job_of(self, directory: Path) -> TrainingJob:
        """The training job that an attempt's directory belongs to."""
        with self.store.reading() as tx:
            return TrainingJob.parse(tx.by_id(int(directory.parent.name)).state)

    def noticed(self, directory: Path) -> bool:
        """Whether the server has seen that the attempt of a killed runner is over."""
        job = self.job_of(directory)
        return job.attempt > int(directory.name) or job.phase in (Phase.PACKING, Phase.ENDED)

    def record(self) -> list[str]:
        """Every pass of one tuning job and of a start."""
        self.feeder.step()
        self.feeder.finish()
        self.server.kill()
        revive(self.server)
        return self.switch.passes()[self._prepared :]

    def crash_at(self, where: str, number: int = 1) -> str | None:
        """Crash there, have everything go on again; says what went wrong, None if nothing did."""
        self.switch.place(where, number=number)
        taken = until(self.switch.taken, self._step, REACH_SECONDS)
        if taken is None:  # a place that only a start comes by
            self.server.kill()
            revive(self.server)
            taken = until(self.switch.taken, self._step, REACH_SECONDS)
        if taken is None:
            if self.switch.withdraw():
                self.missed.append(where)
            return None
        return self.go_on(taken, where)

    def _step(self) -> None:
        if self.switch.taken() is None:
            self.feeder.revive()
            self.feeder.step()

    def go_on(self, taken: Taken, where: str) -> str | None:
        """Have everything go on after a crash; says what went wrong."""
        if taken.directory.parent.parent.name == "attempts":
            self.killed.add(taken.directory)
            if not until(lambda: self.noticed(taken.directory), lambda: None, NOTICE_SECONDS):
                return f"{where}: the end of the runner in {taken.directory} was not noticed"
            return None
        if taken.pid == self.server.process.pid:
            self.server.process.wait(SECONDS_TO_DIE)
        revive(self.server)
        return None

    def close(self) -> list[str]:
        """Let all jobs end, end the server, and say what is wrong."""
        self.feeder.finish()
        found = self.feeder.faults(self.store, self.homes, self.killed)
        self.store.close()
        if self.server.stop() != 0:
            found.append("the server did not end well")
        for home in self.homes:
            found += invariants.of_objects(home)
        return found


def distinct(passes: list[str]) -> list[str]:
    """Every place once, in the order in which they were first come by."""
    return list(dict.fromkeys(passes))
