"""The training jobs of a tuning job as a table: a row each, with typed columns.

Columns have the names of the SageMaker SDK's data frame; hyperparameters and metrics have their own, with
`hyperparameter.` or `metric.` before one that is taken already.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pegbox.client import following
from pegbox.client.answers import objective
from pegbox.client.lines import own
from pegbox.client.report import metrics

AT_ONCE = 8  #: training jobs that are described
LARGEST_INTEGER = 2**63

Kind = Literal["text", "number", "integer", "truth", "time"]

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one kind; None where there is none."""

    name: str
    kind: Kind
    values: Sequence[Any]


def columns(sagemaker: Any, tuning: Mapping[str, Any]) -> Sequence[Column]:
    """The table of a tuning job, in launch order."""
    jobs = following.training_jobs(sagemaker, tuning["HyperParameterTuningJobName"])
    with ThreadPoolExecutor(AT_ONCE) as threads:
        described = list(threads.map(lambda job: _described(sagemaker, job["TrainingJobName"]), jobs))
    found = list(_facts(jobs, described, bool(tuning.get("TrainingJobDefinitions"))))
    given = [own(each.get("HyperParameters") or {}) for each in described]
    for name, kind, values in _hyperparameters(given, _ranges(tuning)):
        found.append(Column(_free(name, "hyperparameter", found), kind, values))
    measured = [metrics(each) for each in described]
    for name in sorted({name for each in measured for name in each}):
        found.append(Column(_free(name, "metric", found), "number", [each.get(name) for each in measured]))
    return found


def _described(sagemaker: Any, name: str) -> Mapping[str, Any]:
    found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return found


def _facts(
    jobs: Sequence[Mapping[str, Any]], described: Sequence[Mapping[str, Any]], is_several: bool
) -> Sequence[Column]:
    found = [
        Column("TrainingJobName", "text", [job["TrainingJobName"] for job in jobs]),
        Column("TrainingJobStatus", "text", [job["TrainingJobStatus"] for job in described]),
        Column("FinalObjectiveValue", "number", [objective(job) for job in jobs]),
        *(
            Column(name, "time", [_utc(job.get(name)) for job in described])
            for name in ("CreationTime", "TrainingStartTime", "TrainingEndTime")
        ),
        Column("TrainingElapsedTimeSeconds", "number", [_elapsed(job) for job in described]),
        Column("FailureReason", "text", [job.get("FailureReason") for job in described]),
        Column("S3ModelArtifacts", "text", [job["ModelArtifacts"]["S3ModelArtifacts"] for job in described]),
    ]
    if is_several:
        names = [job.get("TrainingJobDefinitionName") for job in jobs]
        found.insert(1, Column("TrainingJobDefinitionName", "text", names))
    return found


@dataclass(slots=True)
class _Range:
    """What is known of a hyperparameter that is searched, whatever was drawn: the table is of one form at any time."""

    kind: Kind | None = None
    choices: list[str] = field(default_factory=list)


def _hyperparameters(
    given: Sequence[Mapping[str, str]], ranges: Mapping[str, _Range]
) -> Sequence[tuple[str, Kind, Sequence[Any]]]:
    """Those that are searched by the kinds of their ranges, the others by what all values have in common."""
    found = []
    for name in sorted({name for each in given for name in each}):
        texts, known = [each.get(name) for each in given], ranges.get(name, _Range())
        kind = kind_of([*known.choices, *(text for text in texts if text is not None)], known.kind)
        found.append((name, kind, [None if text is None else read(kind, text) for text in texts]))
    return found


def _ranges(tuning: Mapping[str, Any]) -> Mapping[str, _Range]:
    spaces = [each.get("HyperParameterRanges") or {} for each in tuning.get("TrainingJobDefinitions") or []]
    spaces.append(tuning["HyperParameterTuningJobConfig"].get("ParameterRanges") or {})
    found: dict[str, _Range] = defaultdict(_Range)
    for space in spaces:
        for each in space.get("ContinuousParameterRanges") or []:
            found[each["Name"]].kind = "number"
        for each in space.get("CategoricalParameterRanges") or []:
            found[each["Name"]].choices += each["Values"]
    return found


def kind_of(texts: Sequence[str], known: Kind | None) -> Kind:
    """The narrowest kind that fits all."""
    if all(text in ("true", "false") for text in texts):
        return "truth"
    if known is None and all(_INTEGER.fullmatch(text) and abs(int(text)) < LARGEST_INTEGER for text in texts):
        return "integer"
    if all(_NUMBER.fullmatch(text) and math.isfinite(float(text)) and not _is_code(text) for text in texts):
        return "number"
    return "text"


def read(kind: Kind, text: str) -> Any:
    """The value of a kind that a text is."""
    return _READERS[kind](text)


def _is_code(text: str) -> bool:
    """Whether zeros before it say that no number is meant: 007."""
    return re.match(r"[-+]?0[0-9]", text) is not None


_READERS: Mapping[Kind, Callable[[str], Any]] = {
    "truth": lambda text: text == "true",
    "integer": int,
    "number": float,
    "text": str,
}


def _free(name: str, prefix: str, taken: Sequence[Column]) -> str:
    return f"{prefix}.{name}" if any(column.name == name for column in taken) else name


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def _elapsed(job: Mapping[str, Any]) -> float | None:
    if "TrainingStartTime" not in job or "TrainingEndTime" not in job:
        return None
    return float((job["TrainingEndTime"] - job["TrainingStartTime"]).total_seconds())
