"""The training jobs of a tuning job: their names and their documents.  (Guide, "Training jobs under a tuning job".)"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.training_request import artifacts
from pegbox.naming import training_job_name

_TUNING_ONLY = (
    "StaticHyperParameters",
    "HyperParameterTuningResourceConfig",
    "DefinitionName",
    "TuningObjective",
    "HyperParameterRanges",
)  #: of a definition: they are not a training job's


def child_name(tuning_job: str, seed: int, created: float, number: int) -> str:
    """`<tuning job>-<NNN>-<8 hex>`; the same for the same job and number, so that a launch can be repeated."""
    digest = hashlib.sha256(f"{tuning_job.lower()}/{seed}/{created!r}/{number}".encode()).hexdigest()
    return training_job_name(tuning_job, number, digest[:8])


def child_document(
    definition: Mapping[str, Any],
    tags: Sequence[Mapping[str, str]],
    tuning_arn: str,
    name: str,
    tuned: Mapping[str, str],
) -> dict[str, Any]:
    """The document of a training job of a definition with these tuned hyperparameters."""
    job = {key: value for key, value in definition.items() if key not in _TUNING_ONLY}
    static = definition["StaticHyperParameters"]
    algorithm = {"EnableSageMakerMetricsTimeSeries": True, **job["AlgorithmSpecification"]}
    document = {
        **job,
        "TrainingJobName": name,
        "Tags": list(tags),
        "TuningJobArn": tuning_arn,
        "HyperParameters": {**static, **tuned},
        "AlgorithmSpecification": algorithm,
        "ProfilingStatus": "Disabled",
    }
    if checkpoints := job.get("CheckpointConfig"):
        document["CheckpointConfig"] = {**checkpoints, "S3Uri": f"{checkpoints['S3Uri'].rstrip('/')}/{name}/"}
    document["ModelArtifacts"] = {"S3ModelArtifacts": artifacts(document)}
    return document
