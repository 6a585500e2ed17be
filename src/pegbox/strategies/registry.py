"""The strategies by their names in the API (HyperParameterTuningJobConfig.Strategy), and one that has none there.

Importing this module loads no numerical library: a strategy is imported when it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pegbox.strategies.base import Strategy


MODEL_HYPERBAND = "ModelHyperband"  #: Strategy Hyperband, of tuning jobs that were created with `hyperband_model` on


def _random() -> Strategy:
    from pegbox.strategies.random import Random

    return Random()


def _bayesian() -> Strategy:
    from pegbox.strategies.bayesian import Bayesian

    return Bayesian()


def _grid() -> Strategy:
    from pegbox.strategies.grid import Grid

    return Grid()


def _hyperband() -> Strategy:
    from pegbox.strategies.hyperband import Hyperband

    return Hyperband()


def _model_hyperband() -> Strategy:
    from pegbox.strategies.model_hyperband import ModelHyperband

    return ModelHyperband()


#: Strategy name -> modules that it imports only once there are results to learn from.
LATER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys(["Bayesian", MODEL_HYPERBAND], ("pegbox.strategies.gp.model",))
)

#: Strategy name -> how to make it.
STRATEGIES: Mapping[str, Callable[[], Strategy]] = MappingProxyType(
    {
        "Random": _random,
        "Bayesian": _bayesian,
        "Grid": _grid,
        "Hyperband": _hyperband,
        MODEL_HYPERBAND: _model_hyperband,
    }
)
