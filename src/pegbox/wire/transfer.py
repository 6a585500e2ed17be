"""Jobs as they move between installations: what DescribeTrainingJob or DescribeHyperParameterTuningJob answers, with
`Tags`, as JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from pegbox.errors import ValidationException
from pegbox.wire.dump import dump, epoch_seconds
from pegbox.wire.service import service_model
from pegbox.wire.validate import check, check_at, present

#: what clients of the service print beside the answer
_NOT_OF_THE_JOB = "ResponseMetadata"
#: what the model requires, and a job can do without, since it is computed
_COMPUTED = {
    "TrainingJobArn": "arn:aws:sagemaker:us-east-1:000000000000:training-job/any",
    "SecondaryStatus": "Completed",
}
_COMPUTED_OF_TUNING: dict[str, Any] = {
    "HyperParameterTuningJobArn": "arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/any",
    "TrainingJobStatusCounters": {},
    "ObjectiveStatusCounters": {},
}
#: requests may define as many metrics; elsewhere a job may have more, and Describe tells them
_METRICS, _MOST_METRICS = "FinalMetricDataList", 40


@lru_cache(maxsize=2)
def _shapes(operation: str = "DescribeTrainingJob") -> tuple[StructureShape, Shape]:
    model = service_model("sagemaker")
    answer = model.operation_model(operation).output_shape
    assert isinstance(answer, StructureShape)
    return answer, model.shape_for("TagList")


def read(record: Any) -> dict[str, Any]:
    """A job as somebody wrote it, with times as epoch seconds, which may also be texts of ISO 8601.

    Raises ValidationException that names every rule of the model which it breaks.
    """
    if not isinstance(record, dict):
        raise ValidationException("A training job must be a JSON object.")
    found = _read(record, _COMPUTED, "DescribeTrainingJob")
    if found.get("AlgorithmSpecification") is None:
        raise ValidationException("Value null at 'algorithmSpecification': a training job must have one.")
    return found


def read_tuning(record: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a tuning job."""
    return _read(record, _COMPUTED_OF_TUNING, "DescribeHyperParameterTuningJob")


def _read(record: Mapping[str, Any], computed: Mapping[str, Any], operation: str) -> dict[str, Any]:
    answer, tag_list = _shapes(operation)
    given = {name: value for name, value in record.items() if name not in (_NOT_OF_THE_JOB, "Tags")}
    if isinstance(given.get("CreationTime"), str):
        given = _with_times(given, answer)
    check({**computed, **_short(given)}, answer)
    for path, values, shape in _long_lists(given, answer):
        for number, each in enumerate(values[_MOST_METRICS:], _MOST_METRICS + 1):
            check_at(each, shape.member, f"{path}.{number}.member")
    if tags := record.get("Tags"):
        check_at(tags, tag_list, "tags")
        given["Tags"] = tags
    found: dict[str, Any] = present(given)
    return found


def write(record: Mapping[str, Any]) -> dict[str, Any]:
    """The contrary: without what is not there, times as epoch seconds in milliseconds."""
    answer, tag_list = _shapes()
    found: dict[str, Any] = dump(record, answer, epoch_seconds)
    return found if not record.get("Tags") else {**found, "Tags": dump(record["Tags"], tag_list, epoch_seconds)}


def _short(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with as many metrics as the model has them."""
    found = dict(record)
    if isinstance(metrics := record.get(_METRICS), list):
        found[_METRICS] = metrics[:_MOST_METRICS]
    algorithm = record.get("AlgorithmSpecification")
    if isinstance(algorithm, dict) and isinstance(defined := algorithm.get("MetricDefinitions"), list):
        found["AlgorithmSpecification"] = {**algorithm, "MetricDefinitions": defined[:_MOST_METRICS]}
    return found


def _long_lists(given: Mapping[str, Any], answer: StructureShape) -> Iterator[tuple[str, list[Any], ListShape]]:
    """The lists that may be longer than the model says, with where they are and what they should be."""
    algorithm, shape = given.get("AlgorithmSpecification"), answer.members.get("AlgorithmSpecification")
    inner = (algorithm, shape.members) if isinstance(shape, StructureShape) else (None, {})
    for (record, members), name, path in (
        ((given, answer.members), _METRICS, "finalMetricDataList"),
        (inner, "MetricDefinitions", "algorithmSpecification.metricDefinitions"),
    ):
        if isinstance(record, dict) and isinstance(values := record.get(name), list):
            yield path, values, members[name]


def _with_times(value: Any, shape: Shape) -> Any:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        members = shape.members
        return {name: _with_times(each, members[name]) if name in members else each for name, each in value.items()}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_with_times(each, shape.member) for each in value]
    if shape.type_name == "timestamp" and isinstance(value, str):
        return _seconds(value)
    return value


def _seconds(text: str) -> float | str:
    """Epoch seconds; a text that is no time as it is, so that it is refused."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp(), 3)
