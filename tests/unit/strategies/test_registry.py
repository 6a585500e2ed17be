from __future__ import annotations

import pytest

from pegbox.strategies.bayesian import Bayesian
from pegbox.strategies.grid import Grid
from pegbox.strategies.hyperband import Hyperband
from pegbox.strategies.random import Random
from pegbox.strategies.registry import STRATEGIES


@pytest.mark.parametrize(
    ("name", "kind"), [("Random", Random), ("Bayesian", Bayesian), ("Grid", Grid), ("Hyperband", Hyperband)]
)
def test_the_names_of_the_api(name: str, kind: type) -> None:
    assert isinstance(STRATEGIES[name](), kind)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        STRATEGIES["Mine"] = Random  # type: ignore[index]
