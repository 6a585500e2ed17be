from __future__ import annotations

import pytest

from pegbox.strategies.bayesian import Bayesian
from pegbox.strategies.grid import Grid
from pegbox.strategies.hyperband import Hyperband
from pegbox.strategies.model_hyperband import ModelHyperband
from pegbox.strategies.random import Random
from pegbox.strategies.registry import MODEL_HYPERBAND, STRATEGIES


@pytest.mark.parametrize(
    ("name", "kind"), [("Random", Random), ("Bayesian", Bayesian), ("Grid", Grid), ("Hyperband", Hyperband)]
)
def test_the_names_of_the_api(name: str, kind: type) -> None:
    assert isinstance(STRATEGIES[name](), kind)


def test_hyperband_with_a_model_has_a_name_that_the_api_does_not_know() -> None:
    assert isinstance(STRATEGIES[MODEL_HYPERBAND](), ModelHyperband)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        STRATEGIES["Mine"] = Random  # type: ignore[index]
