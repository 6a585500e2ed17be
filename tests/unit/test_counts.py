"""Numbers of things, as people read them."""

from __future__ import annotations

import pytest

from pegbox.counts import counted, either


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0 training jobs"), (1, "1 training job"), (2, "2 training jobs"), (2000, "2,000 training jobs")],
)
def test_a_number_and_its_noun(number: int, told: str) -> None:
    assert counted(number, "training job") == told


def test_an_irregular_noun_and_a_verb() -> None:
    assert [counted(number, "property", "properties") for number in (1, 2)] == ["1 property", "2 properties"]
    assert [either(number, "is", "are") for number in (0, 1, 2)] == ["are", "is", "are"]
