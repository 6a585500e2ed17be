"""The kind of a column follows from all of its values."""

from __future__ import annotations

import pytest

from pegbox.client.rows import Kind, kind_of


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "-2", "0"], "integer"), (["1", "2.5"], "number"), (["1e-05", ".5", "3."], "number"),
        (["true", "false"], "truth"), (["true", "1"], "text"), (["007", "1"], "text"), (["0.5", "00.5"], "text"),
        (["1", "9223372036854775808"], "number"), (["nan"], "text"), (["inf", "1"], "text"), (["1_000"], "text"),
        (["sgd", "1"], "text"), ([""], "text"), (["1e999"], "text"),
    ],
)  # fmt: skip
def test_kinds(texts: list[str], kind: Kind) -> None:
    assert kind_of(texts, None) == kind


def test_a_continuous_range_is_of_numbers_whatever_its_values() -> None:
    assert kind_of(["1", "2"], "number") == "number"
