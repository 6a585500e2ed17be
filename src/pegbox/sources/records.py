"""Studies and runs in the words of SageMaker's API: what Describe would have answered."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
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
    ranges = _ranges(study)
    begun, ended = min(run.started for run in study.runs), max(run.ended for run in study.runs)
    definition = {
        "StaticHyperParameters": {**_parameters(study.static, 1 + sum(map(len, ranges.values()))), _OBJECTIVE: metric},
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
        "ParameterRanges": ranges,
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
    tuned = {_line(each["Name"]) for name in LISTS for each in study.ranges.get(name) or ()}
    parameters = _parameters(run.parameters, first=tuned)
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
        **_tuned(study, parameters, tuned),
    }


def _ranges(study: Study) -> dict[str, list[dict[str, Any]]]:
    """ParameterRanges, with names and categories as the jobs have them."""
    return {name: [_range(each) for each in study.ranges.get(name) or () if _fits(each["Name"])] for name in LISTS}


def _range(given: Mapping[str, Any]) -> dict[str, Any]:
    made = {**given, "Name": _line(given["Name"])}
    return {**made, "Values": list(dict.fromkeys(map(_line, given["Values"])))} if "Values" in given else made


def _tuned(study: Study, parameters: Mapping[str, str], tuned: Collection[str]) -> dict[str, Any]:
    if study.objective is None:
        return {}
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


def _parameters(given: Mapping[str, str], taken: int = 0, first: Collection[str] = ()) -> dict[str, str]:
    """As many as a job has room for, of which some is taken; what is too long is cut."""
    fitting = ((_line(name), _line(value)[:MOST_PARAMETER]) for name, value in given.items() if _fits(name))
    ordered = sorted(fitting, key=lambda each: each[0] not in first)
    return dict(ordered[: max(MOST_PARAMETERS - taken, 0)])


def _fits(name: str) -> bool:
    return 0 < len(name) <= MOST_PARAMETER_NAME


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
