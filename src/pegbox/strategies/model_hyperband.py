"""Hyperband with a model: most configurations are those that the Bayesian strategy proposes, some are random.

Falkner, Klein and Hutter 2018, "BOHB: Robust and Efficient Hyperparameter Optimization at Scale"; Klein et al. 2020,
"Model-based Asynchronous Hyperparameter and Neural Architecture Search".  The model learns from the trials that were
stopped at a rung as well: pegbox.strategies.gp.extrapolation.
"""

from __future__ import annotations

from pegbox.strategies.bayesian import Bayesian

RANDOM = 4  #: one trial of so many is random: values at a rung may mislead the model for ever


class ModelHyperband(Bayesian):
    """Proposes what the Bayesian strategy proposes, but every fourth trial is a draw."""

    def is_drawn(self, number: int) -> bool:
        """By the number: brackets follow the golden ratio, so each of them gets its share of draws."""
        return number % RANDOM == 0
