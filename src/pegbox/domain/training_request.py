"""CreateTrainingJob: the rules beyond the model's, and the defaults that Describe reports.

What pegbox cannot do yet is refused here, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain import definition as definitions
from pegbox.domain.definition import refuse

_LATER = ("MlflowConfig", "ModelPackageConfig", "ServerlessJobConfig")


def check(request: Mapping[str, Any]) -> None:
    """Raise ValidationException for whatever the shapes alone cannot refuse."""
    for name in _LATER:
        if request.get(name):
            refuse(f"{name} is not supported yet: leave it out.")
    for name in ("AlgorithmSpecification", "ResourceConfig"):
        if not request.get(name):
            refuse(f"{name} is required.")
    definitions.check(request)
    definitions.check_resources(request["ResourceConfig"])


def normalise(request: Mapping[str, Any], metrics: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """The request with the defaults that Describe reports; `metrics` are the user's and the built-in's definitions."""
    document = definitions.normalise(request)
    document.pop("Tags", None)
    algorithm = {"EnableSageMakerMetricsTimeSeries": bool(metrics), **document["AlgorithmSpecification"]}
    if metrics:
        algorithm["MetricDefinitions"] = list(metrics)
    document["AlgorithmSpecification"] = algorithm
    document["ModelArtifacts"] = {"S3ModelArtifacts": artifacts(document)}
    document.setdefault("ProfilingStatus", "Disabled")
    return document


def artifacts(document: Mapping[str, Any]) -> str:
    """Where the model will lie: S3ModelArtifacts."""
    output = document["OutputDataConfig"]
    base = f"{output['S3OutputPath'].rstrip('/')}/{document['TrainingJobName']}/output/model"
    return f"{base}/" if output.get("CompressionType") == "NONE" else f"{base}.tar.gz"
