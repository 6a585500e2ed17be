"""Words of a command line with hyperparameters in them."""

from __future__ import annotations

import pytest

from pegbox.domain.arguments import fill, names_in

WORDS = ["--lr={lr}", "{a}-{a}", "{fast?--fast}", "{slow?--slow}", '{"json": 1}', "${}", "{}"]


def test_values_and_switches_are_filled_in_and_other_braces_stay() -> None:
    values = {"lr": "-1e-05", "a": '"b c"', "fast": "true", "slow": "false"}
    assert fill(WORDS, values) == ["--lr=-1e-05", "b c-b c", "--fast", '{"json": 1}', "${}", "{}"]
    assert [names_in(word) for word in WORDS] == [["lr"], ["a", "a"], ["fast"], ["slow"], [], [], []]


def test_values_are_not_filled_in_again() -> None:
    assert fill(["{a}"], {"a": "{b}", "b": "no"}) == ["{b}"]


def test_a_missing_hyperparameter_is_named() -> None:
    for word in ("--lr={lr}", "{lr?--lr}"):
        with pytest.raises(KeyError, match="lr"):
            fill([word], {})
