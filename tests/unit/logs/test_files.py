"""Streams as runners write them: times, attempts, and folders that are not the job's."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from pegbox.logs import index
from pegbox.logs.base import Job, Place, Stream
from pegbox.logs.files import AttemptLogs
from pegbox.logs.index import Index

ARN = "arn:aws:sagemaker:us-east-1:000000000000:training-job/job"


class Attempt:
    """Writes what a runner writes."""

    def __init__(self, home: Path, number: int, arn: str = ARN) -> None:
        self.folder = home / "attempts" / "7" / str(number)
        self.folder.mkdir(parents=True)
        (self.folder / "attempt.json").write_text(json.dumps({"job_arn": arn}))
        self._size = 0

    def print(self, at: int, data: bytes, host: str = "algo-1") -> None:
        with (self.folder / f"{host}.idx").open("ab") as index:
            index.write(struct.pack("<QQ", self._size, at))
        with (self.folder / f"{host}.log").open("ab") as log:
            log.write(data)
        self._size += len(data)


def stream(home: Path, attempt: int = 1, *, is_over: bool = False) -> Stream:
    found = AttemptLogs(home).stream(Job(id=7, arn=ARN, home=str(home), attempt=attempt, is_over=is_over), "algo-1")
    assert found is not None
    return found


def events(found: Stream, place: Place | None = None) -> list[tuple[int, str]]:
    return [(event.at, event.message) for event in found.forward(place or Place(0, 0))]


def test_a_line_has_the_time_of_its_end(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, 1)
    attempt.print(100, b"one\ntw")
    attempt.print(200, b"o\r\n\nthree")
    assert events(stream(tmp_path)) == [(100, "one"), (200, "two")]
    attempt.print(300, b"\nf\xffour")
    assert events(stream(tmp_path)) == [(100, "one"), (200, "two"), (300, "three")]
    (attempt.folder / "exit.json").write_text("{}")
    found = stream(tmp_path)
    assert events(found) == [(100, "one"), (200, "two"), (300, "three"), (300, "f\ufffdour")]
    assert [event.message for event in found.backward(found.end())] == ["f\ufffdour", "three", "two", "one"]
    assert not found.is_growing


def test_places_by_time_and_beside_events(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, 1)
    for number in range(1, 6):
        attempt.print(100 * number, f"{number}\n".encode())
    found = stream(tmp_path)
    for at, expected in ((0, "12345"), (100, "12345"), (101, "2345"), (500, "5"), (501, "")):
        assert "".join(message for _, message in events(found, found.since(at))) == expected
    middle = list(found.forward(Place(0, 0)))[2]
    assert [message for _, message in events(found, middle.end)] == ["4", "5"]
    assert [event.message for event in found.backward(middle.begin)] == ["2", "1"]


def test_attempts_follow_each_other(tmp_path: Path) -> None:
    first, third = Attempt(tmp_path, 1), Attempt(tmp_path, 3)
    first.print(100, b"a\nb")
    third.print(300, b"c\nd")
    found = stream(tmp_path, 3)
    assert events(found) == [(100, "a"), (100, "b"), (300, "c")]
    assert [event.message for event in found.backward(found.end())] == ["c", "b", "a"]
    assert events(found, found.since(101)) == [(300, "c")]
    assert (found.end(), found.size) == (Place(3, 2), 6)
    assert events(stream(tmp_path, 3, is_over=True), found.end()) == [(300, "d")]


def test_only_a_folder_of_the_job_is_read(tmp_path: Path) -> None:
    Attempt(tmp_path, 1, ARN.replace("job/job", "job/other")).print(1, b"secret\n")
    job = Job(id=7, arn=ARN, home=str(tmp_path), attempt=1, is_over=True)
    assert AttemptLogs(tmp_path).stream(job, "algo-1") is None
    assert AttemptLogs(tmp_path).stream(Job(id=8, arn=ARN, home="", attempt=1, is_over=False), "algo-1") is None


def test_what_comes_while_a_stream_is_read_is_for_the_next_one(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, 1)
    attempt.print(100, b"a\nhalf")
    found = stream(tmp_path)
    attempt.print(200, b" and half\nb\n")
    assert (events(found), found.size, found.end()) == ([(100, "a")], 6, Place(1, 2))
    assert events(stream(tmp_path)) == [(100, "a"), (200, "half and half"), (200, "b")]


def test_a_home_that_was_moved_is_looked_into_first(tmp_path: Path) -> None:
    moved, other = tmp_path / "moved", tmp_path / "other"
    Attempt(moved, 1).print(1, b"here\n")
    job = Job(id=7, arn=ARN, home=str(tmp_path / "before"), attempt=2, is_over=True)
    here = AttemptLogs(moved).stream(job, "algo-1")
    assert here is not None and events(here) == [(1, "here")]
    Attempt(other, 1).print(2, b"there\n")
    Attempt(other, 2).print(3, b"only there\n")
    both = AttemptLogs(moved).stream(replace(job, home=str(other)), "algo-1")
    assert both is not None and events(both) == [(1, "here"), (3, "only there")]


def test_a_log_that_is_removed_meanwhile_is_empty(tmp_path: Path) -> None:
    attempt = Attempt(tmp_path, 1)
    attempt.print(100, b"one\n")
    found = stream(tmp_path)
    for file in attempt.folder.iterdir():
        file.unlink()
    assert events(found) == []
    assert (found.size, list(found.backward(found.since(0)))) == (4, [])  # as large as it was when it was looked at


def test_times_are_found_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "BLOCK", 3)
    records = [(number * 10, 1000 + number * 5) for number in range(100)]
    file = tmp_path / "idx"
    file.write_bytes(b"".join(struct.pack("<QQ", *record) for record in records) + b"torn")
    found = Index(file, 7)
    for offset in (*range(1200), *range(1200, 0, -7), 5, 995, 0, 500):
        assert found.time(offset) == 1000 + min(offset // 10, 99) * 5
    for at in range(990, 1500):
        expected = next((offset for offset, time in records if time >= at), None)
        assert found.offset(at) == expected
    missing = Index(tmp_path / "none", 7)
    assert (missing.time(3), missing.offset(7), missing.offset(8)) == (7, 0, None)
