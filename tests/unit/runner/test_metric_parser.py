"""The parser works on blocks; the definition is about lines.  Both must find the same."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from pegbox.regex import re2_options
from pegbox.runner.lines import LineBlocks
from pegbox.runner.parse import MetricParser, number

LIMIT = 24

EXPRESSIONS = [
    "a=(.*?);",
    r"b=([0-9.]+)",
    r"^(\d+)",
    r"(\d+)$",
    r"^(\d)$",
    r"\A(\d)",
    r"(\d)\z",
    r"\bb=(\d)\b",
    r"\B(\d)",
    r"(?s)a(.*)",
    r"(?i)A=(\d)",
    r"(?-m)^(\d)",
    r"(?m-s:^)(\d)",
    r"(?-ms:(\d)$)",
    r"[^a](\d)",
    r"\n*(\d)",
    r"a\n(\d)",
    r"\s*(\d)",
    r"\D(\d)",
    r"(\d*)",
    r"(?:a|b|)(\d?)",
    r"(\d)|(a)",
    r"\C(\d)",
    r"\\A(\d)",
    r"(\d)\Q=\E",
    r".*\[([0-9]+)\].*",
    r"(.)",
    r"([^é]+)",
    r"\pL(\d)",
]

PIECES = [
    b"a",
    b"b",
    b"=",
    b"1",
    b"2.5",
    b"7e1",
    b";",
    b"[",
    b"]",
    b" ",
    b"\\A",
    b"\n",
    b"\r",
    b"\r\n",
    b"-",
    b"nan",
    b"_",
]
PIECES += ["é".encode(), b"\xc3", b"\xff", b"\x00", b"a=1;", b"b=2", b"[3]", b"x" * 40, b"9" * 30]


def naive(expressions: dict[int, str], data: bytes) -> list[tuple[int, float]]:
    """The definition: each line alone; all matches of each expression, first group, what float() takes."""
    found = []
    for line in re.split(rb"[\r\n]", data):
        text = line[:LIMIT].decode("utf-8", "replace").encode()
        for index, expression in expressions.items():
            for match in re2.compile(expression, options=re2_options()).finditer(text):
                value = number(match.group(1))
                if value is not None:
                    found.append((index, value))
    return found


@given(
    pieces=st.lists(st.sampled_from(PIECES), max_size=60),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    chosen=st.lists(st.sampled_from(EXPRESSIONS), max_size=6),
)
def test_blocks_give_what_lines_give(pieces: list[bytes], cuts: list[int], chosen: list[str]) -> None:
    data, expressions = b"".join(pieces), dict(enumerate(chosen))
    parser, lines = MetricParser(expressions), LineBlocks(LIMIT)
    found = []
    bounds = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    for start, end in pairwise(bounds):
        for block in lines.feed(data[start:end]):
            found += parser.feed(block)
    for block in lines.finish():
        found += parser.feed(block)
    assert [hit[1:] for hit in found] == naive(expressions, data)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_expression_finds_something_somewhere(expression: str) -> None:
    data = b"a=1;\nb=2\n7\n [3] \n\\A5\n1=\na 4\n\xc3\xa96\n42\na1\n"
    assert naive({0: expression}, data) == [hit[1:] for hit in MetricParser({0: expression}).feed(data)]
    assert naive({0: expression}, data) or expression == r"a\n(\d)"  # a line has no line break


def test_hits_name_their_line() -> None:
    parser = MetricParser({0: "l=(.*?);", 4: "m=(.*?);"})
    assert parser.feed(b"\nm=1; l=2; l=3;\nl=4;\n") == [(1, 0, 2.0), (1, 0, 3.0), (1, 4, 1.0), (16, 0, 4.0)]


def test_the_published_log_line_of_the_gan_example() -> None:
    line = (
        b"GAN_loss=0.138318;  Scaled_reg=2.654134; disc:[-0.017371,0.102429] real 93.3% gen 0.0% "
        b"disc-combined=0.000000; disc_train_loss=1.374587;  Loss = 16.020744;  Iteration 0 took 0.704s;  Elapsed=0s\n"
    )
    parser = MetricParser(
        dict(enumerate(["GAN_loss=(.*?);", "disc-combined=(.*?);", "disc_train_loss=(.*?);", "Loss = (.*?);"]))
    )
    assert [hit[1:] for hit in parser.feed(line)] == [(0, 0.138318), (1, 0.0), (2, 1.374587), (3, 16.020744)]


def test_forty_large_expressions_still_match() -> None:
    expressions = {index: rf"m{index}\w{{200}}[^;]{{200}}=(\d+)" for index in range(40)}
    block = b"".join(b"m%d%s=%d\n" % (index, b"x" * 400, index) for index in range(40))
    assert [hit[1:] for hit in MetricParser(expressions).feed(block)] == [(i, float(i)) for i in range(40)]


def test_a_gate_without_memory_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pegbox.runner.parse.SET_MEMORY", 3000)
    parser = MetricParser({0: "a=(.*?);", 1: r"(?:b{1,40}c?){1,5}=(\d+)"})
    assert [value for _, _, value in parser.feed(b"a=1;\nbbbb=2\n" * 100)] == [1.0, 2.0] * 100


@pytest.mark.parametrize("text", [b"", None, b"nan", b"inf", b"-Infinity", b"1_0", b"1,5", b"0x1", b"one", b"1e999"])
def test_what_is_no_finite_number_is_no_value(text: bytes | None) -> None:
    assert number(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [(b" 1.5 ", 1.5), (b"+2", 2.0), (b"1e-3", 0.001), (b".5", 0.5), (b"-0", 0.0)]
)
def test_numbers_are_what_float_takes(text: bytes, value: float) -> None:
    assert number(text) == value
