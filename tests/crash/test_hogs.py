"""Programs that take all they can get: processes, memory, descriptors.  The server answers, and other jobs go on."""

from __future__ import annotations

import json
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobs import in_training, new_name, register, training_ended
from pegbox.testing.requests import training_request
from running import RunningServer, wait_for

pytestmark = pytest.mark.alone

BOMB = """
    import os
    while True:
        try:
            os.fork()
        except OSError:
            pass
"""
HUNGRY = """
    parts = []
    while True:
        parts.append(b"x" * (64 << 20))
"""
TURNS = """
    import pathlib, time
    while not pathlib.Path("go").exists():
        time.sleep(0.05)
    print("done")
"""


@pytest.fixture
def own(start_server: Callable[..., RunningServer]) -> Iterator[RunningServer]:
    server = start_server(environment={"PEGBOX_TICK": "0.3", "PEGBOX_STOP_GRACE": "1", "PEGBOX_SLOTS": "4"})
    yield server
    server.kill()


class Asking:
    """Asks all the time; `longest` is the longest that an answer took, in seconds."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask, self._over = ask, threading.Event()
        self.longest, self.answers = 0.0, 0
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            began = time.monotonic()
            try:
                self._ask()
            except Exception as error:
                self.error = error
                return
            self.longest, self.answers = max(self.longest, time.monotonic() - began), self.answers + 1


def job(server: RunningServer, folder: Path, program: str, **changes: Any) -> str:
    name = new_name()
    request = training_request(name, register(server, folder, program), f"file://{folder}/out", **changes)
    server.client("sagemaker").create_training_job(**request)
    return name


@pytest.mark.parametrize(
    ("program", "resources", "reason"),
    [(BOMB, "ml.m5.large", "processes and threads"), (HUNGRY, "ml.t3.medium", "memory")],
    ids=["fork bomb", "memory"],
)
def test_the_server_answers_and_others_go_on(
    own: RunningServer, tmp_path: Path, program: str, resources: str, reason: str
) -> None:
    sagemaker = own.client("sagemaker")
    other = job(own, tmp_path, TURNS)
    in_training(sagemaker, other)
    config = {"InstanceType": resources, "InstanceCount": 1, "VolumeSizeInGB": 1}
    with Asking(lambda: own.client("sagemaker").list_training_jobs()) as asking:
        hog = job(own, tmp_path, program, ResourceConfig=config, StoppingCondition={"MaxRuntimeInSeconds": 120})
        found = training_ended(sagemaker, hog, 120)
        (tmp_path / "go").touch()
        assert training_ended(sagemaker, other)["TrainingJobStatus"] == "Completed"
    assert found["TrainingJobStatus"] == "Failed"
    assert reason in found["FailureReason"]
    assert asking.error is None
    assert asking.answers > 3
    assert asking.longest < 10  # some hundredths of a second on a machine that has nothing else to do
    assert "Traceback" not in own.log.read_text()


def test_trainers_are_the_first_that_the_kernel_chooses(own: RunningServer, tmp_path: Path) -> None:
    name = job(own, tmp_path, TURNS.replace("import pathlib, time", "import os, pathlib, time; print(os.getpid())"))
    in_training(own.client("sagemaker"), name)
    (runner,) = own.home.glob("attempts/*/1/runner.json")
    pids = wait_for("the program", lambda: json.loads(runner.read_text())["hosts"].values())

    def score(pid: int) -> int:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_text())

    ours = score(own.process.pid)
    assert score(json.loads(runner.read_text())["pid"]) == ours
    assert [score(pid) for pid in pids] == [500]
    (tmp_path / "go").touch()
    training_ended(own.client("sagemaker"), name)


def test_a_server_without_descriptors_recovers(tmp_path: Path) -> None:
    """`ulimit -n 256`: more connections than that, and jobs; afterwards everything is as before."""
    server = RunningServer(tmp_path / "home", environment={"PEGBOX_TICK": "0.3", "PEGBOX_SLOTS": "8"})
    try:
        server.client("sagemaker").list_training_jobs()
        _, most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, most))
        place = urlsplit(server.url)
        hogs = [socket.create_connection((place.hostname, place.port or 0)) for _ in range(100)]
        wait_for("the last descriptor", lambda: len(os.listdir(f"/proc/{server.process.pid}/fd")) >= 60)
        before = own_time(server)
        time.sleep(1)
        assert own_time(server) - before < 0.9  # it does not spin
        for hog in hogs:
            hog.close()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (256, most))
        sagemaker = server.client("sagemaker")

        def answers() -> bool:
            sagemaker.list_training_jobs()
            return True

        wait_for("an answer", answers)
        names = [job(server, tmp_path, "print('done')") for _ in range(12)]
        for name in names:
            assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
        assert server.process.poll() is None
    finally:
        server.kill()


def own_time(server: RunningServer) -> float:
    """CPU seconds of the server itself."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
