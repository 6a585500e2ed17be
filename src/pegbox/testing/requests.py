"""The smallest requests that start something: a training job, and a search whose program prints `loss=...;`."""

from __future__ import annotations

from typing import Any

ROLE = "arn:aws:iam::000000000000:role/tuning"
LOSS = {"Name": "loss", "Regex": r"loss=(\S+);"}


def training_request(name: str, image: str, output: str, **changes: Any) -> dict[str, Any]:
    """The smallest CreateTrainingJob; `changes` replace whole members."""
    return {"TrainingJobName": name, **_definition(image, output), **changes}


def tuning_request(
    name: str, image: str, output: str, jobs: int = 2, at_once: int = 2, **definition: Any
) -> dict[str, Any]:
    """The smallest CreateHyperParameterTuningJob, random search over one `x`.

    `definition` replaces whole members of TrainingJobDefinition.
    """
    training = _definition(image, output)
    training["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": at_once},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
        },
        "TrainingJobDefinition": {**training, **definition},
    }


def simulated_definition(seconds: int = 6000) -> dict[str, Any]:
    """The TrainingJobDefinition of what a Simulation runs; `seconds` is what a training job may take."""
    training = _definition("simulated", "s3://models/out")
    training["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    training["ResourceConfig"]["InstanceType"] = "local"
    training["StoppingCondition"]["MaxRuntimeInSeconds"] = seconds
    return training


def simulated_request(jobs: int, at_once: int, strategy: str = "Random", **config: Any) -> dict[str, Any]:
    """A CreateHyperParameterTuningJob for a Simulation: `search`, over one `x`.

    `config` adds members to HyperParameterTuningJobConfig, or replaces them.
    """
    request = tuning_request("search", "simulated", "", jobs, at_once)
    request["HyperParameterTuningJobConfig"] |= {"Strategy": strategy, "RandomSeed": 1, **config}
    return request | {"TrainingJobDefinition": simulated_definition()}


def channel(name: str, uri: str, **source: Any) -> dict[str, Any]:
    """An input channel; `source` changes its S3DataSource."""
    return {
        "ChannelName": name,
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri, **source}},
    }


def _definition(image: str, output: str) -> dict[str, Any]:
    """What both have to say."""
    return {
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": output},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    }
