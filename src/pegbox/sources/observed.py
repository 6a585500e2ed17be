"""Ranges of hyperparameters where nobody has written any down: what runs have had."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pegbox.domain.ranges import MOST_VALUES, is_integer, is_number

_MOST_VALUE = 256  #: characters of a category
_MOST_TOLD = 10  #: names in a note


@dataclass(frozen=True, slots=True)
class Observed:
    """What a tuning job would have been given."""

    ranges: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  #: ParameterRanges
    static: dict[str, str] = field(default_factory=dict)  #: StaticHyperParameters


def observed_ranges(runs: Sequence[Mapping[str, str]], tuned: Collection[str], notes: list[str]) -> Observed:
    """From the parameters of runs.  `tuned`: those that may have a range; with none all may, and constants are static.

    `notes` is told of those that are neither.
    """
    found = Observed()
    without: list[str] = []
    for name in sorted({name for run in runs for name in run if not tuned or name in tuned}):
        values = [run[name] for run in runs if name in run]
        if len(values) == len(runs) and len(set(values)) == 1 and not tuned:
            found.static[name] = values[0]
        elif len(values) == len(runs) and (made := _range(name, values)):
            found.ranges.setdefault(made[0], []).append(made[1])
        else:
            without.append(name)
    if without:
        more = f" and {len(without) - _MOST_TOLD} more" if len(without) > _MOST_TOLD else ""
        notes.append(
            f"{', '.join(without[:_MOST_TOLD])}{more}: not in every run, or with too many values: hyperparameters of "
            "the training jobs, not of the search"
        )
    if missing := sorted({*tuned} - {name for run in runs for name in run}):
        notes.append(f"no run with a result has a parameter {missing[0]}")
    return found


def _range(name: str, values: Sequence[str]) -> tuple[str, dict[str, Any]] | None:
    if all(map(is_integer, values)):
        whole = sorted(map(int, values))
        return "IntegerParameterRanges", _between(name, str(whole[0]), str(whole[-1]))
    if all(map(is_number, values)):
        numbers = sorted(map(float, values))
        return "ContinuousParameterRanges", _between(name, repr(numbers[0]), repr(numbers[-1]))
    different = sorted(set(values))
    if len(different) <= MOST_VALUES and all(len(value) <= _MOST_VALUE for value in different):
        return "CategoricalParameterRanges", {"Name": name, "Values": different}
    return None


def _between(name: str, low: str, high: str) -> dict[str, Any]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": "Auto"}
