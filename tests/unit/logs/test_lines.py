"""Lines are the same forwards, backwards, from every place, and while the file grows."""

from __future__ import annotations

import re
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pegbox.logs import lines
from pegbox.logs.lines import Lines

LONGEST = 7


def reference(data: bytes) -> list[tuple[int, int, bytes]]:
    """What the lines of a whole file are, by definition."""
    found = []
    for run in re.finditer(rb"[^\r\n]+", data):
        begin, end = run.span()
        cuts = [each for each in range(begin + 1, end) if each % LONGEST == 0] if end - begin > LONGEST else []
        places = [begin, *cuts, end]
        found += [(a, b, data[a:b]) for a, b in pairwise(places)]
    return found


texts = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", b"defghij", b"k" * 20, "\u00e4".encode()])).map(
    b"".join
)


@settings(max_examples=150, deadline=None)
@given(texts, st.integers(1, 30))
@example(b"a" * 7, 3)
@example(b"a" * 8, 3)
@example(b"\n" + b"a" * 7 + b"\n", 3)
@example(b"abc\n" + b"a" * 15, 4)
def test_lines(data: bytes, block: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        path = Path(folder) / "log"
        path.write_bytes(data)
        patched.setattr(lines, "BLOCK", block)
        whole, growing = Lines(path, LONGEST, True), Lines(path, LONGEST, False)
        expected = reference(data)
        assert list(whole.forward(0)) == expected
        assert list(whole.backward(whole.end())) == expected[::-1]
        for place in {0, *(line[0] for line in expected), *(line[1] for line in expected)}:
            assert list(whole.forward(place)) == [line for line in expected if line[0] >= place]
            assert list(whole.backward(place)) == [line for line in expected if line[1] <= place][::-1]
        told = list(growing.forward(0))
        assert told == expected[: len(told)]
        assert list(growing.backward(growing.end())) == told[::-1]
        for offset in range(len(data)):
            later = [line for line in expected if line[1] >= offset]
            assert list(whole.forward(whole.begin_of(offset))) == later
            assert whole.begin_of(offset) == (later[0][0] if later else len(data))
