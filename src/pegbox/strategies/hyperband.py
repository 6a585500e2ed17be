"""Hyperband: many random configurations, of which most are stopped early.

Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization".  What is stopped, and when,
is in pegbox.domain.rungs.
"""

from __future__ import annotations

from pegbox.strategies.random import Random


class Hyperband(Random):
    """Proposes what random search proposes for the same seed: a draw depends on seed and number only."""
