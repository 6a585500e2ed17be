"""Servers that share a PostgreSQL: one is paused past its lease, one dies, one comes back late."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from sqlalchemy import select

from installation import QUICK
from jobs import new_name, pegbox
from pegbox.domain.training import TrainingJob
from pegbox.store import schema
from pegbox.store.resources import Kind, Resource
from pegbox.store.sql import SqlStore
from pegbox.testing import invariants
from pegbox.testing.crash_drive import Switch, Taken
from pegbox.testing.crash_work import (
    BUCKET,
    processes_of,
    put_inputs,
    starts_of,
    tuning_request,
    unless_down,
    write_program,
)
from postgres import Cluster
from running import RunningServer, wait_for

SETTINGS = {**QUICK, "PEGBOX_SILENCE": "4", "PEGBOX_LEASE": "1.5"}

#: where a server can be when it goes to sleep
PLACES = (
    "after proposal in _go_on/_propose/_propose_for/_ask",
    "before checkpoints.json in _stage/stage/keep",
    "before runner spawn in _watch/_start",
    "before database commit in _pack/_end",
    "before content settled in _pack/store_model/_store/_put/put",
    "before clean in _pack/_end/_clean",
)

#: the end of training is written down, by whoever sees it first: a turn, or one that brings checkpoints meanwhile
MEANWHILE = "_keep_checkpoints/_apart/carry_out/_patiently/_look_meanwhile"
ENDED = " or ".join(f"after database commit in _watch/{way}_exited/_transact" for way in ("", f"{MEANWHILE}/"))


@dataclass
class Pair:
    """Two servers on one database, and the S3 that both use."""

    store: SqlStore
    switch: Switch
    servers: list[RunningServer]
    outside: RunningServer | None  #: the S3 of both, if it is not their own
    folder: Path  #: of the program
    image: str
    endless: str  #: an image whose program touches no file and does not end

    def s3(self, server: RunningServer) -> Any:
        return (self.outside or server).client("s3")

    @property
    def homes(self) -> list[Path]:
        return sorted({server.home for server in self.servers})

    def ask(self, server: RunningServer, **changes: Any) -> str:
        """Create a tuning job; the server may go to sleep before it has answered."""
        name = new_name("two")
        request = tuning_request(name, **{"image": self.image, "jobs": 1, "at_once": 1, **changes})
        client = server.client("sagemaker", config=Config(read_timeout=10))
        unless_down(client.create_hyper_parameter_tuning_job, **request)
        return name

    def row(self, name: str) -> Resource:
        with self.store.reading() as tx:
            return tx.get(invariants.ACCOUNT, invariants.REGION, Kind.TUNING_JOB, name)

    def children(self, name: str) -> list[Resource]:
        parent = self.row(name).id
        with self.store.reading() as tx:
            return [tx.by_id(child.id) for child in tx.children(parent)]

    def child(self, name: str) -> Resource | None:
        return next(iter(self.children(name)), None)

    def job(self, name: str) -> TrainingJob | None:
        child = self.child(name)
        return TrainingJob.parse(child.state) if child else None

    def ended(self, name: str) -> None:
        wait_for(f"the end of {name}", lambda: self.row(name).status in ("Completed", "Failed", "Stopped"))

    def faults(self, name: str, server: RunningServer) -> list[str]:
        client = server.client("sagemaker")
        return list(invariants.of_tuning_job(self.store, client, self.s3(server), name, self.folder))

    def starts(self, name: str) -> dict[int, int]:
        """How often each attempt of the only training job was started."""
        child = self.child(name)
        return dict(starts_of(child.name, self.folder)) if child else {}

    def everything(self, server: RunningServer) -> dict[str, Any]:
        """All that jobs have left: rows, points, objects, files of attempts."""
        rows, points = schema.resource.c, schema.point
        with self.store.reading() as tx:
            found: dict[str, Any] = {
                str(row[0]): tuple(row)
                for row in tx.connection.execute(select(rows.id, rows.status, rows.state, rows.version, rows.host))
            }
            found["points"] = tx.connection.execute(select(points)).all()
        for item in self.s3(server).list_objects_v2(Bucket=BUCKET).get("Contents", []):
            found[item["Key"]] = (item["ETag"], item["LastModified"])
        for home in self.homes:
            for path in (home / "attempts").rglob("*"):
                if path.name in ("attempt.json", "spawn.json"):
                    continue  # of a second runner, which finds what the first one left and ends: nobody reads them now
                found[str(path)] = path.stat().st_mtime_ns if path.is_file() else None
        return found


@pytest.fixture
def pair(request: pytest.FixtureRequest, postgres: Cluster, tmp_path: Path) -> Iterator[Callable[..., Pair]]:
    """Makes a pair; they end with the test."""
    opened: list[RunningServer] = []
    stores: list[SqlStore] = []

    def start(home: Path, environment: dict[str, str]) -> RunningServer:
        opened.append(RunningServer(home, environment=environment))
        return opened[-1]

    def make(*, homes: int, **settings: str) -> Pair:
        url = postgres.database(f"two_{uuid.uuid4().hex[:8]}")
        switch = Switch(tmp_path / "crashpoints")
        environment = {**SETTINGS, **settings, **switch.environment, "PEGBOX_DATABASE_URL": url}
        outside = None
        if homes == 2:
            outside = start(tmp_path / "outside", {})
            keys = outside.credentials()
            environment["PEGBOX_S3_ENDPOINT"] = outside.url
            environment |= {name.upper(): value for name, value in keys.items()}
        servers = [start(tmp_path / f"home-{number % homes}", environment) for number in range(2)]
        put_inputs((outside or servers[0]).client("s3"))
        image = new_name("image")
        program = write_program(tmp_path)
        pegbox(servers[0], "image", "add", image, "--command", f"python {program}", "--workdir", str(tmp_path))
        endless = new_name("image")
        script = tmp_path / "endless.sh"
        script.write_text("while echo x; do sleep 0.1; done\n")
        pegbox(servers[0], "image", "add", endless, "--command", f"sh {script}", "--workdir", str(tmp_path))
        stores.append(SqlStore(url, migrate=False))
        return Pair(stores[-1], switch, servers, outside, tmp_path, image, endless)

    yield make
    for store in stores:
        store.close()
    for server in opened:
        with suppress(ProcessLookupError):
            server.process.send_signal(signal.SIGCONT)
        server.kill()


def has_let_go(both: Pair, taken: Taken, passed: int) -> Callable[[], bool]:
    """Whether the thread that slept has ended, or has done with the row."""
    thread = Path(f"/proc/{taken.pid}/task/{taken.thread.partition('/')[2]}")
    done = "after work in _work"
    return lambda: not thread.exists() or done in both.switch.passes(taken.thread)[passed:]


def test_a_server_that_slept_past_its_lease_writes_nothing(pair: Callable[..., Pair]) -> None:
    both = pair(homes=1)
    for place in PLACES:
        both.switch.place(place, signal="STOP")
        name = both.ask(both.servers[0], steps=2)
        taken = wait_for(place, both.switch.taken)
        awake = next(server for server in both.servers if server.process.pid != taken.pid)
        both.ended(name)
        wait_for("empty attempts", lambda: not [*both.homes[0].glob("attempts/*/*/algo-1")])
        assert both.faults(name, awake) == [], place
        before = both.everything(awake)
        passed = len(both.switch.passes(taken.thread))
        os.kill(taken.pid, signal.SIGCONT)
        wait_for("the end of what it was doing", has_let_go(both, taken, passed))
        assert both.everything(awake) == before, place
        assert both.faults(name, awake) == [], place


def running(both: Pair, name: str) -> Callable[[], bool]:
    """Whether all training jobs have started."""

    def look() -> bool:
        children = both.children(name)
        return bool(children) and all(TrainingJob.parse(child.state).started for child in children)

    return look


def test_the_work_of_a_dead_server_is_taken_over_and_nothing_starts_again(pair: Callable[..., Pair]) -> None:
    lease = 5.0
    both = pair(homes=2, PEGBOX_LEASE=str(lease), PEGBOX_SILENCE="60", PEGBOX_SLOTS="2")
    name = both.ask(both.servers[0], jobs=4, at_once=4, steps=600)
    wait_for("all four", running(both, name))
    before = {row.id: TrainingJob.parse(row.state) for row in both.children(name)}
    assert {job.home for job in before.values()} == {str(home) for home in both.homes}  # the work is shared
    dead, alive = both.servers
    dead.kill()
    theirs = {number for number, job in before.items() if job.home == str(dead.home)}

    def goes_on() -> bool:
        with both.store.reading() as tx:
            return all(TrainingJob.parse(tx.by_id(number).state).cursor > before[number].cursor for number in theirs)

    wait_for("values of the dead server's jobs", goes_on, 2 * lease)
    assert alive.log.read_text().count("the servers of a home are gone") == 1
    alive.client("sagemaker").stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    both.ended(name)
    assert both.faults(name, alive) == []
    assert not list(processes_of(both.homes))


def test_what_a_home_on_another_machine_had_not_finished_is_done_here_once(pair: Callable[..., Pair]) -> None:
    """Both homes have the same path, as those of containers of one image have."""
    both = pair(homes=2, PEGBOX_SILENCE="2")
    first, second = both.servers
    second.stop()
    place, elsewhere = first.home, first.home.with_name("elsewhere")

    def swap() -> None:
        """Have the other machine's home at the place of both."""
        between = place.rename(place.with_name("between"))
        elsewhere.rename(place)
        between.rename(elsewhere)

    second.home.rename(elsewhere)
    second.home = place
    for where, steps, attempts in (
        ("before checkpoints.json in _stage/stage/keep", 600, {1: 1}),
        (ENDED, 20, {1: 1, 2: 1}),  # long after its first checkpoints
    ):
        both.switch.place(where)
        name = both.ask(first, steps=steps, retries=1)
        wait_for(where, both.switch.taken)
        first.process.wait()
        swap()
        second.start()
        if len(attempts) == 1:
            wait_for("the program", lambda name=name: both.starts(name))
            child = both.child(name)
            assert child is not None
            assert child.host == (place / "run" / "identity").read_text()  # so the other one leaves it alone
            second.client("sagemaker").stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        both.ended(name)
        job = both.job(name)
        assert job is not None
        assert (job.outcome, job.attempt) == ("Stopped" if len(attempts) == 1 else "Completed", len(attempts))
        assert both.starts(name) == attempts
        if len(attempts) == 1:
            assert both.faults(name, second) == []
        second.kill()
        swap()
        first.start()
        wait_for(
            "empty attempts", lambda: not [*place.glob("attempts/*/*/algo-1"), *place.glob("attempts/*/*/staging.*")]
        )
        assert both.starts(name) == attempts


@pytest.mark.parametrize("away", ["killed", "paused"])
def test_a_home_that_comes_back_stops_what_was_given_up(pair: Callable[..., Pair], away: str) -> None:
    both = pair(homes=2)
    first, second = both.servers
    second.stop()
    name = both.ask(first, image=both.endless, retries=1)
    wait_for("training", running(both, name))
    child = both.child(name)
    assert child is not None
    if away == "killed":
        first.kill()
    else:
        first.process.send_signal(signal.SIGSTOP)
    elsewhere = first.home.with_name("elsewhere")
    first.home.rename(elsewhere)  # as if it were on another machine
    first.home.symlink_to(first.home.with_name("nothing"))  # whose processes nobody here would find by their path
    second.start()
    wait_for("the second attempt", lambda: (job := both.job(name)) and job.attempt == 2 and job.started)
    assert list(processes_of([first.home]))
    first.home.unlink()
    elsewhere.rename(first.home)
    if away == "killed":
        first.start()
    else:
        first.process.send_signal(signal.SIGCONT)
    wait_for("the end of what was given up", lambda: not list(processes_of([first.home])))
    assert list(processes_of([second.home]))
    second.client("sagemaker").stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    both.ended(name)
    job = both.job(name)
    assert job is not None
    assert (job.attempt, job.home) == (2, str(second.home))
    killed = [first.home / "attempts" / str(child.id) / "1"]
    client = second.client("sagemaker")
    assert list(invariants.of_tuning_job(both.store, client, both.s3(second), name, both.folder, killed=killed)) == []
    wait_for("an empty attempt", lambda: not (killed[0] / "algo-1").exists())
