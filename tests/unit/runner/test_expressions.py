"""Which engine matches which expression, and the process that backtracking ones run in."""

from __future__ import annotations

import os
import selectors
import time

import pytest

from pegbox.regex import Engine, InvalidExpression, check
from pegbox.runner.compat import Backtracker

EVIL = r"(?=a)(a+)+$"


@pytest.mark.parametrize("text", ["loss=(.*?);", r"(\d+)", "a(?i)b=(.)", r"(a\{,3})", "(?P<v>x)"])
def test_re2_takes_what_it_can(text: str) -> None:
    assert check(text).engine is Engine.LINEAR


@pytest.mark.parametrize("text", [r"(?<=a)(\d)", r"(a)\1", r"(\d)\Z", "(a{,3})", "(x{1000}){3}", "(?>a)(b)"])
def test_re_takes_the_rest(text: str) -> None:
    assert check(text).engine is Engine.BACKTRACKING


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("loss=.*", "no capture group"),
        ("(?=a)b", "no capture group"),
        ("loss=(", "not a valid regular expression"),
        (r"((?:\pL{20} ){20})", "too large"),
        ("(" * 300 + ")" * 200, "not a valid regular expression"),
    ],
)
def test_what_nobody_takes_is_explained(text: str, reason: str) -> None:
    with pytest.raises(InvalidExpression, match=reason):
        check(text)


class Bench:
    """A backtracker and the loop around it."""

    def __init__(self, *expressions: str) -> None:
        self.found: list[tuple[str, list[tuple[int, int, float]]]] = []
        self.given_up: list[int] = []
        self.selector = selectors.DefaultSelector()
        self.backtracker = Backtracker(
            dict(enumerate(expressions)), self._take, self.given_up.append, time.monotonic, self.selector
        )

    def _take(self, host: str, at: float, hits: list[tuple[int, int, float]]) -> None:
        self.found.append((host, hits))

    def until_idle(self) -> None:
        end = time.monotonic() + 30
        while not self.backtracker.is_idle:
            assert time.monotonic() < end
            for key, _ in self.selector.select(0.1):
                key.data()
        self.backtracker.close()


def test_values_come_by_line_and_definition() -> None:
    bench = Bench(r"(?<=a=)(\S+)", r"(?<=b=)(\S+)")
    bench.backtracker.offer("algo-1", 1.0, b"b=1 a=2 a=3\nnothing\na=4 a=nan\n")
    bench.backtracker.offer("algo-2", 2.0, "é b=5\n".encode())
    bench.until_idle()
    assert bench.found == [("algo-1", [(0, 0, 2.0), (0, 0, 3.0), (0, 1, 1.0), (2, 0, 4.0)]), ("algo-2", [(0, 1, 5.0)])]
    assert bench.given_up == []


def test_only_the_expression_that_hangs_is_given_up() -> None:
    bench = Bench(r"(?<=a=)(\d)", EVIL, r"(?<=b=)(\d)")
    for _ in range(3):
        bench.backtracker.offer("algo-1", 1.0, b"a=1 b=2\n" + b"a" * 60 + b"!\n")
    start = time.monotonic()
    bench.until_idle()
    assert bench.given_up == [1]
    assert bench.found == [("algo-1", [(0, 0, 1.0), (0, 2, 2.0)])] * 3
    assert time.monotonic() - start < 20


def test_a_lone_expression_that_hangs_leaves_nothing_to_do() -> None:
    bench = Bench(EVIL)
    bench.backtracker.offer("algo-1", 1.0, b"a" * 60 + b"!\n")
    bench.until_idle()
    bench.backtracker.offer("algo-1", 1.0, b"aaa\n")
    assert bench.backtracker.is_idle
    assert bench.given_up == [0]


def test_a_child_that_was_killed_costs_the_metric_it_was_busy_with() -> None:
    bench = Bench(EVIL, r"(?<=b=)(\d)")
    bench.backtracker.offer("algo-1", 1.0, b"b=1" + b"a" * 60 + b"!\n")
    os.kill(bench.backtracker.pid, 9)
    bench.until_idle()
    assert (bench.given_up, bench.found) == ([0], [("algo-1", [(0, 1, 1.0)])])


def test_waiting_blocks_are_bounded() -> None:
    bench = Bench(r"(?<=b=)(\d)")
    blocks = 0
    while not bench.backtracker.is_full:
        bench.backtracker.offer("algo-1", 1.0, b"x" * 60_000 + b" b=1\n")
        blocks += 1
    assert blocks < 100
    bench.until_idle()
    assert len(bench.found) == blocks
