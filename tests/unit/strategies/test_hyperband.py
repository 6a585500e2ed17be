from __future__ import annotations

import numpy as np
import pytest

from pegbox.strategies.base import Strategy
from pegbox.strategies.hyperband import Hyperband
from pegbox.strategies.random import Random
from pegbox.testing.strategy_suite import MIXED, StrategySuite, study_of


class TestHyperband(StrategySuite):
    @pytest.fixture
    def strategy(self) -> Strategy:
        return Hyperband()


def test_configurations_are_those_of_random_search() -> None:
    rng = np.random.default_rng(0)
    assert Hyperband().ask(study_of(MIXED, seed=8), 20, rng) == Random().ask(study_of(MIXED, seed=8), 20, rng)
