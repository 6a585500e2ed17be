"""Studies of Optuna: what its storages hold becomes runs, and its distributions ranges.

Understood are databases of Optuna 2.4 to 5 (schema 12; later columns may lack) and journals of Optuna 3.1 to 5.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pegbox.sources.base import Objective, Run, SourceError, Study, digest, study_name

_STATUS = {"COMPLETE": "Completed", "PRUNED": "Stopped", "FAIL": "Failed"}
_MOST_VALUES, _MOST_VALUE = 30, 256  #: of a categorical range, and characters of one
_NO_REASON = "The trial failed. Optuna has kept no reason."
DEFAULT_METRIC = "objective"


@dataclass(slots=True, kw_only=True)
class Trial:
    """A trial as a storage has it."""

    number: int
    state: str  #: COMPLETE, PRUNED, FAIL, RUNNING or WAITING
    started: float | None
    ended: float | None
    parameters: dict[str, float] = field(default_factory=dict)  #: as Optuna keeps them: a category by its place
    values: dict[int, float] = field(default_factory=dict)  #: objective -> value
    steps: dict[int, float] = field(default_factory=dict)  #: step -> intermediate value
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Kept:
    """A study as a storage has it."""

    title: str
    directions: Sequence[str]  #: MINIMIZE, MAXIMIZE or NOT_SET, of each objective
    metrics: Sequence[str] | None  #: the names that somebody has given to the objectives
    trials: list[Trial]
    distributions: dict[str, list[Mapping[str, Any]]]  #: of each parameter all that trials drew from


def study_of(kept: Kept, address: str, objective: str | None) -> Study:
    """The study.  `objective` names the metric: of several one that there is, of one as it shall be called.

    Raises SourceError.
    """
    metrics = _metrics(kept, objective)
    place = metrics.index(objective) if objective is not None else 0
    notes: list[str] = []
    if len(metrics) > 1:
        notes.append(f"of its objectives {', '.join(metrics)} the tuning job's is {metrics[place]}: see --objective")
    ended = [trial for trial in kept.trials if trial.state in _STATUS]
    name = study_name(kept.title, _identity(kept))
    return Study(
        source="optuna",
        name=name,
        title=kept.title,
        tags={"imported.from": "optuna", "imported.address": address, "optuna.study": kept.title},
        runs=[_run(trial, kept, name, metrics, place) for trial in ended],
        objective=Objective(metric=metrics[place], maximize=kept.directions[place] == "MAXIMIZE"),
        strategy="Bayesian",
        ranges=_ranges(kept, notes),
        unfinished=len(kept.trials) - len(ended),
        notes=notes,
    )


def number_of(value: float | None, kind: str | None) -> float:
    """A value of a database: what is not finite has a type only."""
    if kind in ("INF_POS", "INF_NEG"):
        return math.inf if kind == "INF_POS" else -math.inf
    return math.nan if value is None else value


def _metrics(kept: Kept, objective: str | None) -> Sequence[str]:
    """The names of the objectives."""
    if not kept.directions:
        raise SourceError(f"the study {kept.title} has no objective")
    if len(kept.directions) == 1:
        return [objective or (kept.metrics[0] if kept.metrics else DEFAULT_METRIC)]
    metrics = kept.metrics or [f"{DEFAULT_METRIC}_{place}" for place in range(len(kept.directions))]
    if objective is not None and objective not in metrics:
        raise SourceError(f"the study {kept.title} has no objective {objective}; it has {', '.join(metrics)}")
    return metrics


def _identity(kept: Kept) -> str:
    """The same wherever the storage lies; another one for a study that is begun anew under the old name."""
    first = next((trial for trial in kept.trials if trial.started is not None), None)
    return f"optuna/{kept.title}/{first.started if first else None!r}"


def _run(trial: Trial, kept: Kept, study: str, metrics: Sequence[str], place: int) -> Run:
    ended = trial.ended or trial.started or 0.0
    numbers, texts = _attributes(trial.attributes)
    values = dict(trial.values)
    if trial.state == "PRUNED" and place not in values and trial.steps and len(metrics) == 1:
        values[place] = trial.steps[max(trial.steps)]
    order = sorted((each for each in values if each < len(metrics)), key=lambda each: each != place)
    return Run(
        name=f"{study}-{trial.number:03d}-{digest(f'{study}/{trial.number}', 8)}",
        status=_STATUS[trial.state],
        parameters={
            name: _text(value, kept.distributions[name][-1]) for name, value in sorted(trial.parameters.items())
        },
        metrics={**numbers, **{metrics[each]: (values[each], ended) for each in order}},
        tags={"optuna.number": str(trial.number), **texts},
        started=trial.started or ended,
        ended=ended,
        failure=_NO_REASON if trial.state == "FAIL" else None,
    )


def _attributes(given: Mapping[str, Any]) -> tuple[dict[str, tuple[float, None]], dict[str, str]]:
    """What users have noted: numbers as metrics, all else as tags."""
    numbers: dict[str, tuple[float, None]] = {
        name: (float(value), None)
        for name, value in given.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    others = {name: value for name, value in given.items() if name not in numbers}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in others.items()}
    return numbers, texts


def _ranges(kept: Kept, notes: list[str]) -> dict[str, list[dict[str, Any]]]:
    """ParameterRanges: where distributions changed between trials, all that was possible in some trial."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, distributions in sorted(kept.distributions.items()):
        kind, made = _range(name, distributions, kept.trials)
        if made is None:
            notes.append(f"{name} has too many values, or too long ones, to be a range: it is a hyperparameter only")
        else:
            found.setdefault(kind, []).append(made)
    return found


def _range(
    name: str, distributions: Sequence[Mapping[str, Any]], trials: Iterable[Trial]
) -> tuple[str, dict[str, Any] | None]:
    forms = [each["attributes"] for each in distributions]
    if "choices" in forms[-1]:
        values = list(dict.fromkeys(_text(place, distributions[-1]) for place in range(len(forms[-1]["choices"]))))
        if len(values) > _MOST_VALUES:
            tried = {_text(trial.parameters[name], distributions[-1]) for trial in trials if name in trial.parameters}
            values = [value for value in values if value in tried]
        fits = 0 < len(values) <= _MOST_VALUES and all(len(value) <= _MOST_VALUE for value in values)
        return "CategoricalParameterRanges", {"Name": name, "Values": values} if fits else None
    low, high = min(each["low"] for each in forms), max(each["high"] for each in forms)
    is_integer = distributions[-1]["name"].startswith("Int")
    is_logarithmic = bool(forms[-1].get("log")) or "Log" in distributions[-1]["name"]
    bounds = (str(int(low)), str(int(high))) if is_integer else (repr(float(low)), repr(float(high)))
    scaling = "Logarithmic" if is_logarithmic and low > 0 else "Linear"
    made = {"Name": name, "MinValue": bounds[0], "MaxValue": bounds[1], "ScalingType": scaling}
    return f"{'Integer' if is_integer else 'Continuous'}ParameterRanges", made


def _text(value: float, distribution: Mapping[str, Any]) -> str:
    """A value as a training job would be given it."""
    if "choices" in distribution["attributes"]:
        choice = distribution["attributes"]["choices"][int(value)]
        return choice if isinstance(choice, str) else str(choice)
    return str(int(value)) if distribution["name"].startswith("Int") else repr(float(value))
