"""A log beyond its limit: the beginning and the end are kept, all lines are searched, and memory stays small."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.runner.capture import TAIL
from pegbox.testing.attempts import Watch, an_attempt

LIMIT = 1 << 20


@pytest.fixture
def executor() -> Iterator[SubprocessExecutor]:
    executor = SubprocessExecutor(zygote=False)
    yield executor
    executor.close()


def run(executor: SubprocessExecutor, directory: Path, script: str) -> tuple[Watch, bytes]:
    executor.start(an_attempt(directory, script, most_log=LIMIT))
    watch = Watch(executor, directory)
    watch.until_over()
    return watch, (directory / "algo-1.log").read_bytes()


def test_beginning_and_end_are_kept_and_all_lines_are_searched(executor: SubprocessExecutor, tmp_path: Path) -> None:
    script = """if True:
        for number in range(60000):
            print("x" * 70, number)
            if number % 10000 == 0:
                print(f"loss={number};")
        raise SystemExit("this is why")
    """
    watch, log = run(executor, tmp_path / "attempt", script)
    assert [point.value for point in watch.points] == [0, 10000, 20000, 30000, 40000, 50000]
    assert len(log) < LIMIT + TAIL + 200
    assert log.startswith(b"x" * 70 + b" 0\nloss=0;\n")
    head, note, tail = log.partition(b"pegbox: ")
    assert head.endswith(b"\n")
    left_out, _, tail = tail.partition(b" bytes are left out here: a log has at most 1048576\n")
    assert note
    lines = tail.splitlines()
    assert lines[-2:] == [b"x" * 70 + b" 59999", b"this is why"]
    assert all(line.startswith(b"x" * 70 + b" ") for line in lines[:-1])
    printed = sum(len(f"{'x' * 70} {number}\n") for number in range(60000))
    printed += sum(len(f"loss={number};\n") for number in range(0, 60000, 10000)) + len("this is why\n")
    kept = len(log) - len(note + left_out + b" bytes are left out here: a log has at most 1048576\n")
    assert printed - int(left_out) in (kept, kept - 1)  # a line that was cut got an end
    exit_record = (tmp_path / "attempt" / "exit.json").read_text()
    assert "this is why" in exit_record


@pytest.mark.parametrize("what", ["b'a' * 65536", "os.urandom(65536)", "bytes(65536)"])
def test_one_endless_line_and_binary_output(executor: SubprocessExecutor, tmp_path: Path, what: str) -> None:
    script = f"""if True:
        import os, time
        for _ in range(800):
            os.write(1, {what})
        print("\\nloss=1;", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.01)
    """
    directory = tmp_path / "attempt"
    executor.start(an_attempt(directory, script, most_log=LIMIT))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    runner = json.loads((directory / "runner.json").read_text())["pid"]
    status = Path(f"/proc/{runner}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0])  # kB
    (directory / "algo-1" / "go").touch()
    watch.until_over()
    assert peak < 100_000
    assert (directory / "algo-1.log").stat().st_size < LIMIT + TAIL + 200
