"""Training jobs side by side: which of their properties differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pegbox.client.finding import find, tags
from pegbox.client.lines import own
from pegbox.client.properties import searchable
from pegbox.domain.properties import number_of

#: what is told first; the rest of a record comes behind
ORDER = (
    "HyperParameters", "InputDataConfig", "AlgorithmSpecification", "Environment", "Metrics", "TrainingTimeInSeconds",
    "CreationTime", "TrainingJobStatus", "SecondaryStatus", "FailureReason", "ResourceConfig", "StoppingCondition",
    "Tags",
)  # fmt: skip
#: what differs between any two jobs, or says nothing of what was asked and what came out
ASIDE = (
    "BillableTimeInSeconds", "LastModifiedTime", "ModelArtifacts", "OutputDataConfig", "ProfilingStatus",
    "TrainingEndTime", "TrainingStartTime", "TuningJobArn", "CheckpointConfig", "DebugHookConfig",
    "TensorBoardOutputConfig",
)  # fmt: skip
NEVER = (
    "FinalMetricDataList", "ResponseMetadata", "SecondaryStatusTransitions", "TrainingJobArn", "TrainingJobName",
)  # fmt: skip
KEYS = ("ChannelName", "Name")  #: what tells the elements of a list apart


@dataclass(frozen=True, slots=True)
class Row:
    """A property, and what each job has of it."""

    name: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        """Whether not all jobs have the same; numbers that are written differently are the same."""
        return len({_meaning(value) for value in self.values}) > 1

    @property
    def is_aside(self) -> bool:
        """Whether it says little."""
        return self.name.partition(".")[0] in ASIDE


def jobs(sagemaker: Any, names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Their records, with tags; a tuning job stands for its best training job.  Raises NoSuchJob, NoResult."""
    return [_record(sagemaker, name) for name in names]


class NoResult(Exception):
    """A tuning job has no training job that could stand for it."""


def _record(sagemaker: Any, name: str) -> Mapping[str, Any]:
    found = find(sagemaker, name)
    answer = found.answer
    if found.is_tuning:
        best = answer.get("BestTrainingJob")
        if best is None:
            raise NoResult(f"no training job of {name} has a result that could be compared")
        answer = sagemaker.describe_training_job(TrainingJobName=best["TrainingJobName"])
    return {**answer, "Tags": tags(sagemaker, answer["TrainingJobArn"])}


def compared(records: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Every property that one of the jobs has, in the order in which it matters."""
    flat = [dict(_flat(_told(record), "")) for record in records]
    names = dict.fromkeys(name for each in flat for name in each)
    rows = [Row(name, tuple(each.get(name) for each in flat)) for name in names]
    return sorted(rows, key=_rank)


def _rank(row: Row) -> tuple[int, str]:
    first = row.name.partition(".")[0]
    return (ORDER.index(first) if first in ORDER else len(ORDER) + row.is_aside), row.name


def _told(record: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in searchable(record).items() if name not in NEVER}
    if "HyperParameters" in found:
        found["HyperParameters"] = own(found["HyperParameters"])
    algorithm = found.get("AlgorithmSpecification") or {}
    found["AlgorithmSpecification"] = {name: value for name, value in algorithm.items() if name != "MetricDefinitions"}
    return found


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every single value with its path; elements of a list by what they are called, else by their place."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _flat(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
        for place, each in enumerate(value):
            key = next((name for name in KEYS if name in each), None)
            inner = {name: part for name, part in each.items() if name != key}
            yield from _flat(inner, f"{path}.{place if key is None else each[key]}")
    else:
        yield path, ", ".join(map(str, value)) if isinstance(value, list) else value


def _meaning(value: Any) -> Any:
    if isinstance(value, str):
        number = number_of(value)
        return value if number is None else number
    return value.timestamp() if isinstance(value, datetime) else value
