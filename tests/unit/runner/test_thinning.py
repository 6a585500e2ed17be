"""Of very many metric values as many are kept as are asked for, and those that count."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.runner.thinning import LEAST, Series
from pegbox.testing.attempts import LOSS, Watch, an_attempt


@pytest.mark.parametrize("most", [LEAST, 17, 50, 1000, 50_000])
@pytest.mark.parametrize("count", [10, 100_000])
def test_no_more_are_kept_than_that_and_the_ends_are(most: int, count: int) -> None:
    luck = random.Random(most + count)
    values = [luck.gauss(0, 1) for _ in range(count)]
    series = Series(most)
    kept = [(number, value) for number, value in enumerate(values, 1) if series.add(value, 0.0)]
    kept += [(number, value) for number, value, _, _ in series.left_out()]
    numbers = [number for number, _ in kept]
    assert len(set(numbers)) == len(numbers) <= most
    assert all(value == values[number - 1] for number, value in kept)
    assert numbers[: most // 2 - 4] == list(range(1, count + 1))[: most // 2 - 4]
    assert {min(values), max(values), values[-1]} <= {value for _, value in kept}


def test_gaps_grow_slowly() -> None:
    series = Series(1000)
    numbers = [number for number in range(1, 20_001) if series.add(0.0, 0.0)]
    assert all(after - before <= 1 + (before / 496) ** 2 for before, after in pairwise(numbers))


@pytest.fixture
def executor() -> Iterator[SubprocessExecutor]:
    executor = SubprocessExecutor(zygote=False)
    yield executor
    executor.close()


MANY = """if True:
    import os, time
    print("loss=-7;")
    for step in range(30_000):
        print(f"loss={step % 1000}.5;", f"accuracy={step};" if step % 1000 == 0 else "")
    print("loss=2000;")
    print("loss=3;", flush=True)
    while not os.path.exists("go"):
        time.sleep(0.01)
"""


def test_a_job_with_very_many_values(executor: SubprocessExecutor, tmp_path: Path) -> None:
    directory = tmp_path / "attempt"
    metrics = [LOSS, {"Name": "accuracy", "Regex": r"accuracy=(.*?);"}]
    executor.start(an_attempt(directory, MANY, metrics=metrics, most_points=2000))
    watch = Watch(executor, directory)
    watch.until(lambda _: [point.value for point in watch.points if point.metric == "loss"][-1:] == [3.0])
    assert not watch.points[-1].is_kept
    (directory / "algo-1" / "go").touch()
    watch.until_over()
    kept = {name: [point for point in watch.points if point.metric == name and point.is_kept] for name in NAMES}
    assert [point.value for point in kept["accuracy"]] == list(range(0, 30_000, 1000))
    assert 500 < len(kept["loss"]) <= 1000
    assert {-7.0, 2000.0, 3.0} <= {point.value for point in kept["loss"]}
    assert len(watch.points) < 1100
    for name, last in zip(NAMES, (3.0, 29_000.0), strict=True):
        points = [point for point in watch.points if point.metric == name]
        latest = max(enumerate(points), key=lambda item: (item[1].at, item[0]))[1]
        assert latest.value == last
    log = (directory / "algo-1.log").read_text()
    assert log.count("has more values than are kept") == 1


NAMES = ("loss", "accuracy")
