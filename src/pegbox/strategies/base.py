"""What a search strategy sees and what it answers: pure data in, pure data out.

A strategy has no state.  Everything it knows is the `Study`; the same study, count and generator give the same
candidates, in any process and after any restart.  Trials may be told in any order.  Study and answers are picklable,
because the engine asks in a process of its own (a model fit must not hold up the API).

Never:  I/O, clocks, global randomness, threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from pegbox.domain.progress import Outline
from pegbox.domain.ranges import Space
from pegbox.strategies.tried import Tried

if TYPE_CHECKING:
    from numpy.random import Generator


class Goal(Enum):
    """HyperParameterTuningJobObjective.Type."""

    MINIMIZE = "Minimize"
    MAXIMIZE = "Maximize"


class TrialState(Enum):
    """What is known about a trial."""

    RUNNING = "Running"  # pending: proposed, no final value yet
    FINISHED = "Finished"  # has a final objective value
    STOPPED = "Stopped"  # ended early or was lost; `objective` is the last value, if any was seen
    FAILED = "Failed"  # ended by itself without a value


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training job as the strategy sees it."""

    number: int  #: launch order within the tuning job, from 1
    values: Mapping[str, str]  #: tuned hyperparameters as rendered strings
    state: TrialState
    objective: float | None = None  #: final value, in the user's units
    curve: Outline = ()  #: of its published objective values, where they are followed
    #: stopped for what it had published, and not at a limit that is the same for all: it would have gone on improving
    cut_short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may be spent."""

    most: int  #: MaxNumberOfTrainingJobs
    at_once: int  #: MaxParallelTrainingJobs, never above `most`


class ParentKind(Enum):
    """HyperParameterTuningJobWarmStartType: how an earlier search is related to this one."""

    IDENTICAL = "IdenticalDataAndAlgorithm"  # the same configuration gives the same result
    TRANSFER = "TransferLearning"  # what was good there may be good here; values are on another scale


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentStudy:
    """An earlier search.  Its hyperparameters have the same names; what is tuned here may have been static there."""

    kind: ParentKind
    space: Space
    static: Mapping[str, str]  #: values of the hyperparameters that were not tuned
    trials: tuple[Trial, ...]  #: those with an objective, which has the same goal


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One search: the space, the goal and all that has happened."""

    space: Space
    goal: Goal
    limits: Limits
    seed: int
    trials: tuple[Trial, ...] = field(default=())
    static: Mapping[str, str] = field(default_factory=dict)  #: hyperparameters that are not tuned; known with `parents`
    parents: tuple[ParentStudy, ...] = field(default=())
    early_stopping: bool = False  #: the median rule stops trials (TrainingJobEarlyStoppingType Auto)
    tried: Tried | None = field(default=None, compare=False, repr=False)  #: made of `trials`, by whoever keeps it


def next_numbers(study: Study, count: int) -> range:
    """The numbers that the next trials will get."""
    first = 1 + max((trial.number for trial in study.trials), default=0)
    return range(first, first + count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A configuration to train next; `values` are rendered strings that re-parse inside their ranges."""

    values: Mapping[str, str]
    #: what a model expects any configuration to gain on the best, at most, in the user's units; None without a model
    expected: float | None = None


class Exhausted(Exception):
    """Every configuration of a finite space has been tried or is running: there is nothing left to propose."""


class Strategy(Protocol):
    """A way to search."""

    def ask(self, study: Study, count: int, rng: Generator) -> Sequence[Candidate]:
        """Propose up to `count` configurations; fewer means: wait for a result first.

        Raises Exhausted when nothing is left for ever.
        """
        ...
