"""How far a training job has come: what the rules that stop jobs look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """A training job of a tuning job and its published objective values."""

    number: int  #: launch order within the tuning job, from 1
    curve: Sequence[float]  #: every published value of the objective, oldest first; finite
    completed: bool = False  #: it ended by itself and well
    ended: bool = False  #: nothing more will come: completed, stopped or failed
