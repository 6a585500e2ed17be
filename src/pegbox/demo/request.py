"""The tuning request of the developer guide ("Configure and Launch a Hyperparameter Tuning Job"), as it is."""

from __future__ import annotations

from typing import Any

OBJECTIVE = "validation:auc"
ROLE = "arn:aws:iam::000000000000:role/pegbox-demo"
IMAGE = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest"


def tuning_job_config(jobs: int, at_once: int) -> dict[str, Any]:
    """HyperParameterTuningJobConfig: four hyperparameters of XGBoost, Bayesian search."""
    continuous = [("eta", "0", "1"), ("alpha", "0", "2"), ("min_child_weight", "1", "10")]
    return {
        "ParameterRanges": {
            "CategoricalParameterRanges": [],
            "ContinuousParameterRanges": [
                {"Name": name, "MinValue": low, "MaxValue": high} for name, low, high in continuous
            ],
            "IntegerParameterRanges": [{"Name": "max_depth", "MinValue": "1", "MaxValue": "10"}],
        },
        "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": at_once},
        "Strategy": "Bayesian",
        "HyperParameterTuningJobObjective": {"MetricName": OBJECTIVE, "Type": "Maximize"},
    }


def training_job_definition(bucket: str, prefix: str) -> dict[str, Any]:
    """TrainingJobDefinition: the built-in XGBoost on csv files, two instances a job."""
    return {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "InputDataConfig": [_channel(name, f"s3://{bucket}/{prefix}/{name}") for name in ("train", "validation")],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/{prefix}/output"},
        "ResourceConfig": {"InstanceCount": 2, "InstanceType": "ml.c4.2xlarge", "VolumeSizeInGB": 10},
        "RoleArn": ROLE,
        "StaticHyperParameters": {
            "eval_metric": "auc",
            "num_round": "100",
            "objective": "binary:logistic",
            "rate_drop": "0.3",
            "tweedie_variance_power": "1.4",
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 43200},
    }


def _channel(name: str, uri: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "CompressionType": "None",
        "ContentType": "csv",
        "DataSource": {
            "S3DataSource": {"S3DataDistributionType": "FullyReplicated", "S3DataType": "S3Prefix", "S3Uri": uri}
        },
    }
