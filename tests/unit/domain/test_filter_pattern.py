"""filterPattern of FilterLogEvents."""

from __future__ import annotations

import pytest

from pegbox.domain.filter_pattern import InvalidPattern, compiled

MESSAGES = ["ERROR 500 at start", "ERROR 404", 'WARN "disk" full', "epoch 1 loss=0.5"]


@pytest.mark.parametrize(
    ("pattern", "which"),
    [
        ("", [0, 1, 2, 3]), ("  ", [0, 1, 2, 3]), ("ERROR", [0, 1]), ("error", []), ("ERROR 404", [1]),
        ('"ERROR 5"', [0]), ("?404 ?full", [1, 2]), ("ERROR -404", [0]), ('-"at start" ERROR', [1]),
        ('"\\"disk\\""', [2]), ("%loss=[0-9.]+$%", [3]), ("%^ERROR% -500", [1]), ("loss=0", [3]),
        ("?ERROR ?WARN -500", [1, 2]),
    ],
)  # fmt: skip
def test_patterns(pattern: str, which: list[int]) -> None:
    matches = compiled(pattern)
    assert [number for number, message in enumerate(MESSAGES) if matches(message)] == which


@pytest.mark.parametrize("pattern", ['"open', "{ $.a = 1 }", "[a, b]", "%(%", "a %[%"])
def test_what_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        compiled(pattern)
