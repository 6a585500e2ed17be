"""What a built-in algorithm declares: its metrics, the hyperparameters that a tuning job may search, its trainer.

Declarations are data.  They import the standard library and the error tree only, because the API server loads them;
the trainer is named by its module and imported by training processes alone.

A built-in is stricter than a custom algorithm: its metrics are known before a job starts, so the objective of a tuning
job must be one of them, and ranges are refused at create when the trainer would refuse their values.  (SageMaker
developer guide, "Tune an XGBoost Model" and its sister pages.)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pegbox.errors import ValidationException

Goal = Literal["Maximize", "Minimize"]
Kind = Literal["Continuous", "Integer", "Categorical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric that the trainer prints."""

    name: str  #: as tuning objectives name it: validation:auc
    regex: str  #: its first group captures the number in a log line
    goal: Goal  #: the direction in which it improves


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Numbers between two bounds; a bound of None is infinite."""

    low: float | None = None
    high: float | None = None
    low_open: bool = False  #: whether `low` itself is outside
    high_open: bool = False  #: whether `high` itself is outside

    def __contains__(self, value: float) -> bool:
        return math.isfinite(value) and self._above(value) and self._below(value)

    def __str__(self) -> str:
        left = "(-inf" if self.low is None else f"{'(' if self.low_open else '['}{self.low:g}"
        right = "inf)" if self.high is None else f"{self.high:g}{')' if self.high_open else ']'}"
        return f"{left}, {right}"

    def _above(self, value: float) -> bool:
        return self.low is None or (value > self.low if self.low_open else value >= self.low)

    def _below(self, value: float) -> bool:
        return self.high is None or (value < self.high if self.high_open else value <= self.high)


_ANYWHERE = Interval()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunable:
    """What a tuning job may do with one hyperparameter."""

    kinds: tuple[Kind, ...]  #: the kinds of range that it may have; the guide's own kind first
    hard: Interval = _ANYWHERE  #: the trainer refuses numbers outside
    recommended: tuple[float, float] | None = None  #: the range that the guide recommends, also the console's default
    values: tuple[str, ...] = ()  #: of a categorical one: the values that the trainer takes

    @property
    def kind(self) -> Kind:
        """The kind under which the guide lists it."""
        return self.kinds[0]

    def takes(self, value: str) -> bool:
        """Whether the trainer accepts the hyperparameter when it is this string."""
        if self.values:
            return value in self.values
        try:
            return float(value if "Continuous" in self.kinds else int(value)) in self.hard
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A built-in algorithm."""

    name: str
    repositories: frozenset[str]  #: names of the image repositories that mean it
    trainer: str  #: module whose main() -> int trains under the container contract
    metrics: tuple[Metric, ...]
    tunables: Mapping[str, Tunable]
    required_channels: tuple[str, ...] = ("train",)
    optional_channels: tuple[str, ...] = ()
    content_types: tuple[str, ...] = ()  #: the first is the default
    distributed: bool = False  #: whether it trains on several instances

    def metric_definitions(self) -> list[dict[str, str]]:
        """The `MetricDefinitions` that the built-in brings along: `[{"Name": ..., "Regex": ...}]`."""
        return [{"Name": metric.name, "Regex": metric.regex} for metric in self.metrics]

    def metric(self, name: str) -> Metric | None:
        """The metric of that name."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def check_objective(self, name: str, user_defined: Collection[str] = ()) -> None:
        """Raise ValidationException unless `name` is a metric of the algorithm or of the request's own definitions."""
        if self.metric(name) is None and name not in user_defined:
            raise ValidationException(
                f"The objective metric for the hyperparameter tuning job, [{name}], isn't valid for the [{self.name}] "
                f"algorithm. Choose a valid objective metric: {_listed(metric.name for metric in self.metrics)}."
            )

    def check_tunable(self, name: str, kind: Kind, values: Sequence[str]) -> None:
        """Raise ValidationException unless the trainer can take every value of this range.

        `values` are the strings of the request: (MinValue, MaxValue) of a number, all Values of a categorical.
        """
        tunable = self._tunable(name)
        if kind not in tunable.kinds:
            raise ValidationException(
                f"The hyperparameter [{name}] of the [{self.name}] algorithm can't have a range of kind {kind}. "
                f"Use {' or '.join(f'{kind}ParameterRanges' for kind in tunable.kinds)}."
            )
        for value in values:
            if not tunable.takes(value):
                raise ValidationException(
                    f"The value [{value}] isn't valid for the hyperparameter [{name}] of the [{self.name}] algorithm. "
                    f"Allowed {_allowed(tunable)}."
                )

    def check_channels(self, names: Collection[str]) -> None:
        """Raise ValidationException unless all required channels are there."""
        missing = [name for name in self.required_channels if name not in names]
        if missing:
            raise ValidationException(
                f"The [{self.name}] algorithm needs the input data channel [{missing[0]}]. "
                f"Channels in the request: {_listed(names)}."
            )

    def _tunable(self, name: str) -> Tunable:
        try:
            return self.tunables[name]
        except KeyError:
            raise ValidationException(
                f"The hyperparameter [{name}] can't be tuned for the [{self.name}] algorithm. "
                f"Choose among its tunable hyperparameters: {_listed(self.tunables)}."
            ) from None


def _allowed(tunable: Tunable) -> str:
    if tunable.values:
        return f"values: {_listed(tunable.values)}"
    return f"range: {'numbers' if 'Continuous' in tunable.kinds else 'integers'} in {tunable.hard}"


def _listed(names: Iterable[str]) -> str:
    return "[" + ", ".join(sorted(names)) + "]"
