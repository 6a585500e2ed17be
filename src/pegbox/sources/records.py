"""Studies and runs in the words of SageMaker's API: what Describe would have answered."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import re2

from pegbox.sources.base import Run, Study

LISTS = ("IntegerParameterRanges", "ContinuousParameterRanges", "CategoricalParameterRanges")
MOST_PARAMETERS, MOST_PARAMETER_NAME, MOST_PARAMETER = 100, 256, 2500  #: characters but for the first
MOST_TAGS, MOST_TAG_NAME, MOST_TAG = 50, 128, 256
MOST_METRIC_NAME, MOST_REASON = 255, 1024

_OBJECTIVE = "_tuning_objective_metric"
_NEVER = "(?!)"  #: the expression of a metric that was read from no log
_NO_TAG = re2.compile(r"[^\p{L}\p{Z}\p{N}_.:/=+\-@]")
_ROLE = "arn:aws:iam::000000000000:role/imported"
_ALL_DAYS = 28 * 24 * 3600


def tuning_job(study: Study) -> dict[str, Any]:
    """DescribeHyperParameterTuningJob of a study that has an objective, with Tags."""
    assert study.objective is not None
    metric = study.objective.metric
    begun, ended = min(run.started for run in study.runs), max(run.ended for run in study.runs)
    definition = {
        "StaticHyperParameters": {**study.static, _OBJECTIVE: metric},
        "AlgorithmSpecification": {
            "TrainingImage": study.source,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": metric, "Regex": _NEVER}],
        },
        "RoleArn": _ROLE,
        **_surroundings(study),
    }
    config = {
        "Strategy": study.strategy,
        "HyperParameterTuningJobObjective": {
            "Type": "Maximize" if study.objective.maximize else "Minimize",
            "MetricName": metric,
        },
        "ResourceLimits": {"MaxNumberOfTrainingJobs": len(study.runs), "MaxParallelTrainingJobs": 1},
        "ParameterRanges": {name: list(study.ranges.get(name) or ()) for name in LISTS},
        "TrainingJobEarlyStoppingType": "Off",
    }
    return {
        "HyperParameterTuningJobName": study.name,
        "HyperParameterTuningJobStatus": "Completed",
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": definition,
        "CreationTime": begun,
        "LastModifiedTime": ended,
        "HyperParameterTuningEndTime": ended,
        "Tags": _tags(study.tags),
    }


def training_job(study: Study, run: Run) -> dict[str, Any]:
    """DescribeTrainingJob of a run, with Tags; with an objective also what a tuning job's summary of it has."""
    metrics = [
        {"MetricName": name, "Value": value, "Timestamp": run.ended if at is None else at}
        for name, (value, at) in run.metrics.items()
        if math.isfinite(value) and 0 < len(name) <= MOST_METRIC_NAME and "\n" not in name
    ]
    around = _surroundings(study)
    parameters = dict(_parameters(run.parameters))
    return {
        "TrainingJobName": run.name,
        "TrainingJobStatus": run.status,
        "SecondaryStatus": run.status,
        "FailureReason": run.failure and run.failure[:MOST_REASON],
        "HyperParameters": parameters,
        "AlgorithmSpecification": {"TrainingImage": study.source, "TrainingInputMode": "File"},
        "ModelArtifacts": {
            "S3ModelArtifacts": run.model
            or f"{around['OutputDataConfig']['S3OutputPath']}{run.name}/output/model.tar.gz"
        },
        "RoleArn": _ROLE,
        **around,
        "CreationTime": run.started,
        "TrainingStartTime": run.started,
        "TrainingEndTime": run.ended,
        "LastModifiedTime": run.ended,
        "FinalMetricDataList": metrics,
        "Tags": _tags({**study.tags, **run.tags}),
        **_tuned(study, parameters),
    }


def _tuned(study: Study, parameters: Mapping[str, str]) -> dict[str, Any]:
    if study.objective is None:
        return {}
    tuned = {each["Name"] for name in LISTS for each in study.ranges.get(name) or ()}
    return {"TunedHyperParameters": {name: value for name, value in parameters.items() if name in tuned}}


def _surroundings(study: Study) -> dict[str, Any]:
    """What every job has, and nobody knows of these."""
    return {
        "OutputDataConfig": {"S3OutputPath": f"s3://imported-from-{study.source}/"},
        "ResourceConfig": {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": _ALL_DAYS},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
    }


def _parameters(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """As many as a job may have; what is too long is cut."""
    for name, value in list(given.items())[:MOST_PARAMETERS]:
        if name and len(name) <= MOST_PARAMETER_NAME:
            yield _line(name), _line(value)[:MOST_PARAMETER]


def _line(text: str) -> str:
    """In one line, as hyperparameters are."""
    return " ".join(text.replace("\x00", " ").splitlines())


def _tags(given: Mapping[str, str]) -> list[dict[str, str]]:
    """Those that fit; of the signs that tags cannot have each becomes an underscore."""
    found: dict[str, str] = {}
    for name, value in given.items():
        key = str(_NO_TAG.sub("_", name))[:MOST_TAG_NAME]
        if key and not key.lower().startswith("aws:") and len(value) <= MOST_TAG:
            found.setdefault(key, str(_NO_TAG.sub("_", value)))
    return [{"Key": key, "Value": value} for key, value in list(found.items())[:MOST_TAGS]]
