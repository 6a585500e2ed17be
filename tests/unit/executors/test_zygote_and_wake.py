from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.executors import directory as files
from pegbox.executors.base import Cause, Observation, Phase, Program
from pegbox.executors.subprocess import SubprocessExecutor, launch
from pegbox.processes import identity
from pegbox.testing.attempts import Watch, an_attempt, is_running, log_of, processes_of, values, wait_for

HERE = Path(__file__).parent
DUMMY = "dummy_trainer"
FORKED = {"Name": "forked", "Regex": "forked=(.);"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "attempt"


@pytest.fixture
def executor() -> Iterator[SubprocessExecutor]:
    executor = SubprocessExecutor(search=[HERE])
    yield executor
    executor.close()


def test_a_module_is_forked_from_the_zygote(executor: SubprocessExecutor, directory: Path) -> None:
    executor.start(an_attempt(directory, program=Program(module=DUMMY), metrics=[FORKED]))
    watch = Watch(executor, directory)
    seen = watch.until_over()
    assert seen.exit is not None
    assert (dict(seen.exit.codes), values(watch.points, "forked")) == ({"algo-1": 0}, [1.0]), log_of(directory)
    assert b"argv ['dummy_trainer'] job training-job secret None" in log_of(directory)


@pytest.mark.parametrize("zygote", [True, False])
def test_a_module_runs_cold_too(directory: Path, zygote: bool) -> None:
    """Without a zygote; and with one, when a variable comes too late for libraries that are loaded already."""
    executor = SubprocessExecutor(zygote=zygote, search=[HERE])
    environment = {"OMP_NUM_THREADS": "3", "FAIL": "out of data"}
    executor.start(an_attempt(directory, program=Program(module=DUMMY), metrics=[FORKED], environment=environment))
    watch = Watch(executor, directory)
    seen = watch.until_over()
    executor.close()
    assert seen.exit is not None
    assert (dict(seen.exit.codes), values(watch.points, "forked")) == ({"algo-1": 1}, [0.0]), log_of(directory)
    assert seen.exit.failure.endswith("out of data")


def test_a_module_that_cannot_be_imported_fails_in_its_own_log(executor: SubprocessExecutor, directory: Path) -> None:
    executor.start(an_attempt(directory, program=Program(module="no_such_trainer")))
    seen = Watch(executor, directory).until_over()
    assert seen.exit is not None
    assert dict(seen.exit.codes) == {"algo-1": 1}
    assert "No module named 'no_such_trainer'" in seen.exit.failure


def test_a_dead_zygote_is_replaced(executor: SubprocessExecutor, tmp_path: Path) -> None:
    executor.start(an_attempt(tmp_path / "1", "print('loss=1;')"))
    Watch(executor, tmp_path / "1").until_over()
    assert executor._zygote is not None
    first = executor._zygote.pid
    os.kill(first, signal.SIGKILL)
    executor.start(an_attempt(tmp_path / "2", "print('loss=2;')"))
    seen = Watch(executor, tmp_path / "2").until_over()
    assert seen.phase is Phase.EXITED
    assert executor._zygote.pid not in (0, first)


def test_closing_ends_the_zygote_and_no_attempt(executor: SubprocessExecutor, directory: Path) -> None:
    executor.start(an_attempt(directory, "import time; print('loss=1;'); time.sleep(99)"))
    Watch(executor, directory).until_value(1.0)
    assert executor._zygote is not None
    zygote = executor._zygote.pid
    executor.close()
    assert not is_running(zygote)
    assert executor.observe(directory, 0).phase is Phase.RUNNING
    executor.stop(directory)
    Watch(executor, directory).until_over()


def test_closing_does_not_wait_for_a_zygote_that_hangs(executor: SubprocessExecutor, tmp_path: Path) -> None:
    executor.start(an_attempt(tmp_path / "1", "print('loss=1;')"))
    Watch(executor, tmp_path / "1").until_over()
    zygote = executor._zygote
    assert zygote is not None
    hanging = zygote.pid
    os.kill(hanging, signal.SIGSTOP)
    start = threading.Thread(target=executor.start, args=(an_attempt(tmp_path / "2", "print('loss=2;')"),))
    start.start()
    wait_for(zygote._lock.locked)
    began = time.monotonic()
    executor.close()
    start.join(10)
    assert time.monotonic() - began < 5
    assert not start.is_alive()
    assert not is_running(hanging)
    assert Watch(executor, tmp_path / "2").until_over().phase is Phase.EXITED  # started without a zygote


def test_no_zygote_is_begun_after_closing(executor: SubprocessExecutor, directory: Path) -> None:
    executor.close()
    zygote = executor._zygote
    assert zygote is not None
    zygote.warm(None)
    assert zygote.fork(directory, None) is None
    assert zygote.pid == 0


def test_a_killed_server_leaves_its_attempts_and_no_zygote(executor: SubprocessExecutor, directory: Path) -> None:
    script = """
import pathlib, sys, time
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.attempts import an_attempt
executor = SubprocessExecutor()
executor.start(an_attempt(pathlib.Path(sys.argv[1]), "import time; print('loss=1;'); time.sleep(99)"))
print(executor._zygote.pid, flush=True)
time.sleep(99)
"""
    command = [sys.executable, "-c", script, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as server:
        assert server.stdout is not None
        zygote = int(server.stdout.readline())
        os.killpg(server.pid, signal.SIGKILL)
    wait_for(lambda: not is_running(zygote))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    assert watch.look().phase is Phase.RUNNING
    executor.stop(directory)
    assert watch.until_over().phase is Phase.EXITED


def test_the_runner_has_no_tie_to_the_server(executor: SubprocessExecutor, directory: Path) -> None:
    with tempfile.TemporaryFile() as secret:
        os.set_inheritable(secret.fileno(), True)
        executor.start(
            an_attempt(directory, "import os; print(os.listdir('/proc/self/fd')); import time; time.sleep(99)")
        )
        wait_for(lambda: log_of(directory).endswith(b"\n"))
    runner = json.loads((directory / "runner.json").read_text())["pid"]
    open_files = [os.readlink(entry) for entry in Path(f"/proc/{runner}/fd").iterdir()]
    allowed = ("/dev/null", str(directory), "pipe:", "anon_inode:")
    assert [name for name in open_files if not name.startswith(allowed)] == []
    assert Path(f"/proc/{runner}/cwd").resolve() == directory.resolve()
    assert os.getsid(runner) == runner
    assert log_of(directory) == b"['0', '1', '2', '3']\n"  # 3 is the listing itself
    executor.stop(directory)
    Watch(executor, directory).until_over()


def test_two_runners_in_one_directory_start_one_trainer(directory: Path) -> None:
    executor = SubprocessExecutor(zygote=False)
    attempt = an_attempt(directory, "import time; print('loss=1;'); time.sleep(0.2)")
    directory.mkdir()
    files.write_attempt(attempt, inherited={}, wake=None, isolate=False)
    pids = [launch("pegbox.runner", str(directory)) for _ in range(3)]
    for pid in pids:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    watch = Watch(executor, directory)
    assert watch.until_over().phase is Phase.EXITED
    assert values(watch.points) == [1.0]
    assert (directory / "runner.log").read_bytes() == b""


def test_a_lost_attempt_is_not_run_again(directory: Path) -> None:
    directory.mkdir()
    files.write_attempt(an_attempt(directory, "print('loss=1;')"), inherited={}, wake=None, isolate=False)
    files.write(directory / "runner.json", {"started": None})
    assert os.waitstatus_to_exitcode(os.waitpid(launch("pegbox.runner", str(directory)), 0)[1]) == 0
    assert log_of(directory) == b""
    assert not (directory / "exit.json").exists()


def test_a_reused_pid_is_not_the_runner(executor: SubprocessExecutor, directory: Path) -> None:
    directory.mkdir()
    spawned = identity(os.getpid())
    files.write(directory / "spawn.json", spawned)
    assert executor.observe(directory, 0).phase is Phase.STARTING
    for other in ({"start_time": spawned["start_time"] - 1}, {"boot_id": "another"}, {"pid": 2**22 + 1}):
        files.write(directory / "spawn.json", spawned | other)
        assert executor.observe(directory, 0).phase is Phase.LOST


def test_a_runner_that_died_before_it_could_be_named_is_lost(executor: SubprocessExecutor, directory: Path) -> None:
    directory.mkdir()
    with subprocess.Popen(["true"]) as process:
        process.wait()
    record = identity(process.pid)
    assert record["start_time"] is None
    files.write(directory / "spawn.json", record)
    assert executor.observe(directory, 0).phase is Phase.LOST


def test_a_runner_that_is_on_its_way_is_not_started_twice(directory: Path) -> None:
    executor = SubprocessExecutor(zygote=False)
    directory.mkdir()
    record = identity(os.getpid())  # stands for a runner that has not got to its lock
    files.write(directory / "spawn.json", record)
    executor.start(an_attempt(directory, "print('loss=1;')"))
    assert files.read(directory / "spawn.json") == record
    assert executor.observe(directory, 0).phase is Phase.STARTING


def test_a_runner_told_to_go_ends_its_trainers_and_is_lost(executor: SubprocessExecutor, directory: Path) -> None:
    executor.start(an_attempt(directory, "import os, time; print(f'loss={os.getpid()};'); time.sleep(99)"))
    watch = Watch(executor, directory)
    watch.until(lambda _: bool(watch.points))
    os.kill(json.loads((directory / "runner.json").read_text())["pid"], signal.SIGTERM)
    assert watch.until_over().phase is Phase.LOST
    assert not processes_of(directory)


def test_the_server_is_woken(tmp_path: Path, directory: Path) -> None:
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"{short}/wake")
        ear.settimeout(20)
        executor = SubprocessExecutor(Path(short, "wake"))
        executor.start(an_attempt(directory, "print('loss=1;'); import time; time.sleep(99)"))
        watch = Watch(executor, directory)
        while not watch.points:
            assert ear.recv(100) == b"attempt-1"
            watch.look()
        assert time.time() - watch.points[0].at < 0.5
        executor.stop(directory)
        while watch.look().phase is not Phase.EXITED:
            assert ear.recv(100) == b"attempt-1"
        executor.close()


def test_many_points_wake_ten_times_a_second_at_most(directory: Path) -> None:
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"{short}/wake")
        executor = SubprocessExecutor(Path(short, "wake"))
        script = "import time\nfor i in range(100): print(f'loss={i};'); time.sleep(0.005)"
        executor.start(an_attempt(directory, script))
        ear.setblocking(False)
        wakes, watch = 0, Watch(executor, directory)

        def heard(seen: Observation) -> bool:
            nonlocal wakes
            try:
                while ear.recv(100):
                    wakes += 1
            except BlockingIOError:
                return seen.exit is not None

        seen = watch.until(heard)
        executor.close()
    assert seen.exit is not None
    assert len(watch.points) == 100
    assert 3 <= wakes <= 3 + (seen.exit.ended - seen.exit.started) / 0.1


def test_the_index_gives_each_byte_its_time(executor: SubprocessExecutor, directory: Path) -> None:
    before = time.time()
    executor.start(an_attempt(directory, "import time; print('one'); time.sleep(0.2); print('two'); print('three')"))
    Watch(executor, directory).until_over()
    data = (directory / "algo-1.idx").read_bytes()
    records = list(struct.iter_unpack("<QQ", data))
    assert records[0][0] == 0
    assert [offset for offset, _ in records] == sorted({offset for offset, _ in records})
    times = {offset: at for offset, at in records}
    assert times[4] - times[0] >= 190
    assert int(before * 1000) <= times[0] <= times[4] <= time.time() * 1000


def test_points_are_on_disk_within_a_tenth_of_a_second(executor: SubprocessExecutor, directory: Path) -> None:
    script = "import time\nfor _ in range(20): print(f'loss={time.time()};'); time.sleep(0.02)"
    executor.start(an_attempt(directory, script))
    watch = Watch(executor, directory)
    delays: list[float] = []

    def new(seen: object) -> bool:
        delays.extend(time.time() - point.value for point in watch.points[len(delays) :])
        return len(delays) == 20

    watch.until(new)
    assert sorted(delays)[10] < 0.1
    assert all(-0.001 <= point.at - point.value < 1 for point in watch.points)


def test_a_stop_asked_of_a_dead_server_is_found_by_the_runner(executor: SubprocessExecutor, directory: Path) -> None:
    """Without the signal, as from another pid namespace: the file alone is enough."""
    executor.start(an_attempt(directory, "import time; print('loss=1;'); time.sleep(99)"))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    files.write(directory / "stop", {})
    seen = watch.until_over()
    assert seen.exit is not None
    assert seen.exit.cause is Cause.STOPPED
