"""What explanations are made of: plain values, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


class TooLittle(ValueError):
    """There is nothing to explain yet; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What is believed of the objective, noise left out, in the user's units.

    The median, and the interval in which the value lies with a chance of 95 %.
    """

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How much of the objective's variance over the whole space comes from one hyperparameter."""

    name: str
    alone: float  #: by itself, from 0 to 1: the first-order Sobol index
    total: float  #: by itself and together with others: the total Sobol index, at least as large


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """The importances of all hyperparameters that vary, the greatest total first."""

    shares: Sequence[Share]
    results: int  #: that the model has learned from
    foretold: (
        float | None
    )  #: share of their variance that the model foretells, each from the others; None if all are equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place of a view."""

    values: Mapping[str, Any]  #: of the hyperparameters along which one looks
    average: Band  #: over all values of the others (partial dependence)
    at_best: Band  #: with the others as in the best configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The objective along one hyperparameter, or over the plane of two."""

    names: Sequence[str]
    best: Mapping[str, Any]  #: the best configuration so far
    places: Sequence[Place]  #: along the scale; of two hyperparameters the first varies slowest


Kind = Literal["initial", "exploit", "explore", "unguided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a configuration was proposed, by what was known then."""

    kind: Kind  #: initial: before there was a model; unguided: by a strategy that asks no model
    text: str
    results: int  #: known then
    best: float | None  #: of them
    predicted: Band | None  #: None: nothing could be said
    expected_improvement: float | None  #: on what the model takes for the lowest (or highest) mean of known trials
    chance_of_improvement: float | None
    #: of coming to its end; None: too few have failed or been stopped for a model of that
    chance_of_success: float | None


def document(answer: Importance | View | Reason) -> dict[str, Any]:
    """The same as dictionaries and lists for JSON."""
    return asdict(answer)
