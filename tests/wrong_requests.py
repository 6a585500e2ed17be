"""Requests that must be refused: what is wrong, and what the message must contain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs import XGBOOST
from pegbox.testing.requests import LOSS

Change = Callable[[dict[str, Any]], object]


def _numbers(**changes: Any) -> dict[str, Any]:
    return {"Name": "x", "MinValue": "0", "MaxValue": "1", **changes}


def _continuous(**changes: Any) -> Change:
    return lambda r: config(r).update(ParameterRanges={"ContinuousParameterRanges": [_numbers(**changes)]})


def _integer(**changes: Any) -> Change:
    return lambda r: config(r).update(ParameterRanges={"IntegerParameterRanges": [_numbers(**changes)]})


def _categorical(*values: str) -> Change:
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": list(values)}]}
    return lambda r: config(r).update(ParameterRanges=ranges)


def config(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = request["HyperParameterTuningJobConfig"]
    return found


def job(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = request["TrainingJobDefinition"]
    return found


def _algorithm(request: dict[str, Any], **changes: Any) -> None:
    job(request)["AlgorithmSpecification"].update(changes)


def _limits(most: int, at_once: int) -> Change:
    limits = {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": at_once}
    return lambda r: config(r).update(ResourceLimits=limits)


def _channel(**changes: Any) -> Change:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/data"}}
    return lambda r: job(r).update(InputDataConfig=[{"ChannelName": "train", "DataSource": source, **changes}])


def _source(**source: Any) -> Change:
    return _channel(DataSource={"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/data", **source}})


def _objective(name: str) -> Change:
    objective = {"Type": "Minimize", "MetricName": name}
    return lambda r: config(r).update(HyperParameterTuningJobObjective=objective)


def _both_forms(request: dict[str, Any]) -> None:
    definition = job(request) | {"DefinitionName": "first"}
    request["TrainingJobDefinitions"] = [definition]


def _several(request: dict[str, Any]) -> None:
    shared = config(request)
    definition = request.pop("TrainingJobDefinition")
    definition["DefinitionName"] = "first"
    definition["TuningObjective"] = shared.pop("HyperParameterTuningJobObjective")
    definition["HyperParameterRanges"] = shared.pop("ParameterRanges")
    request["TrainingJobDefinitions"] = [definition]


def _ranges(count: int) -> Change:
    ranges = [_numbers(Name=f"x{number}") for number in range(count)]
    return lambda r: config(r).update(ParameterRanges={"ContinuousParameterRanges": ranges})


def _split_ranges(request: dict[str, Any]) -> None:
    config(request)["ParameterRanges"] = {
        "ContinuousParameterRanges": [_numbers(Name=f"x{number}") for number in range(16)],
        "IntegerParameterRanges": [_numbers(Name=f"n{number}") for number in range(15)],
    }


def _built_in(request: dict[str, Any]) -> None:
    _algorithm(request, TrainingImage=XGBOOST, MetricDefinitions=[])
    _channel()(request)
    config(request)["ParameterRanges"] = {"ContinuousParameterRanges": [_numbers(Name="eta")]}


def _built_in_then(change: Change) -> Change:
    def both(request: dict[str, Any]) -> None:
        _built_in(request)
        _objective("validation:auc")(request)
        change(request)

    return both


def _static(**values: str) -> Change:
    return lambda r: job(r).update(StaticHyperParameters=values)


def _instances(configs: list[dict[str, Any]]) -> Change:
    def change(request: dict[str, Any]) -> None:
        del job(request)["ResourceConfig"]
        job(request)["HyperParameterTuningResourceConfig"] = {"InstanceConfigs": configs}

    return change


_BAND = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
_INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
_REGEX = {"Name": "loss", "Regex": "loss"}

#: what is wrong -> (the change that makes it so, what the message must contain)
TUNING: dict[str, tuple[Change, str]] = {
    "inverted bounds": (_continuous(MinValue="2"), "MinValue of the hyperparameter x must not be greater"),
    "inverted integers": (_integer(MinValue="2"), "MinValue of the hyperparameter x must not be greater"),
    "bound that is no number": (_continuous(MinValue="low"), "must be a finite number, but it is 'low'"),
    "infinite bound": (_continuous(MaxValue="inf"), "must be a finite number"),
    "bound beyond doubles": (_continuous(MaxValue="1e999"), "must be a finite number"),
    "integer with exponent": (_integer(MaxValue="1e3"), "must be an integer in plain digits"),
    "integer beyond 64 bits": (_integer(MaxValue=str(2**63)), "does not fit into 64 bits"),
    "very long integer": (_integer(MaxValue="9" * 256), "does not fit into 64 bits"),
    "bound of 257 characters": (_integer(MaxValue="9" * 257), "less than or equal to 256"),
    "logarithm of zero": (_continuous(ScalingType="Logarithmic"), "needs MinValue > 0"),
    "logarithm of zero, integer": (_integer(ScalingType="Logarithmic"), "needs MinValue >= 1"),
    "reverse logarithm of one": (_continuous(ScalingType="ReverseLogarithmic"), "needs 0 <= MinValue and MaxValue < 1"),
    "reverse logarithm of integers": (_integer(ScalingType="ReverseLogarithmic"), "cannot have ScalingType Reverse"),
    "unknown scaling": (_continuous(ScalingType="Cubic"), "Member must satisfy enum value set: [Auto, Linear"),
    "category twice": (_categorical("a", "b", "a"), "has the value 'a' more than once"),
    "31 categories": (_categorical(*map(str, range(31))), "less than or equal to 30"),
    "no categories": (_categorical(), "greater than or equal to 1"),
    "31 ranges of one kind": (_ranges(31), "less than or equal to 30"),
    "31 ranges of two kinds": (_split_ranges, "31 tunable hyperparameters over all parameter ranges"),
    "no range": (lambda r: config(r).update(ParameterRanges={}), "at least one"),
    "no ranges at all": (lambda r: config(r).pop("ParameterRanges"), "at least one"),
    "same name in two ranges": (
        lambda r: config(r).update(
            ParameterRanges={"ContinuousParameterRanges": [_numbers()], "IntegerParameterRanges": [_numbers()]}
        ),
        "The hyperparameter x has more than one parameter range",
    ),
    "41 metric definitions": (
        lambda r: _algorithm(r, MetricDefinitions=[LOSS | {"Name": f"m{n}"} for n in range(41)]),
        "less than or equal to 40",
    ),
    "100 hyperparameters": (
        lambda r: job(r).update(StaticHyperParameters={f"s{n}": "1" for n in range(99)}),
        "at most 100 hyperparameters; this tuning job's would have 101",
    ),
    "101 static hyperparameters": (
        lambda r: job(r).update(StaticHyperParameters={f"s{n}": "1" for n in range(101)}),
        "less than or equal to 100",
    ),
    "static and tuned": (_static(x="1"), "The hyperparameter x is both in ParameterRanges and in Static"),
    "the service's own static": (_static(_tuning_objective_metric="a"), "is set by the service"),
    "static that is no string": (_static(n=5), "must be of type string"),  # type: ignore[arg-type]
    "objective without definition": (
        _objective("accuracy"),
        "A metric is required for this hyperparameter tuning job objective. "
        "Provide a metric in the metric definitions.",
    ),
    "no objective": (lambda r: config(r).pop("HyperParameterTuningJobObjective"), "HyperParameterTuningJobObjective"),
    "objective the built-in lacks": (_built_in, "Choose a valid objective metric: [train:"),
    "range the built-in lacks": (_built_in_then(_continuous()), "The hyperparameter [x] can't be tuned"),
    "range the trainer refuses": (
        _built_in_then(_continuous(Name="eta", MaxValue="2")),
        "The value [2.0] isn't valid for the hyperparameter [eta]",
    ),
    "built-in without data": (
        _built_in_then(lambda r: job(r).pop("InputDataConfig")),
        "needs the input data channel [train]",
    ),
    "a metric with the objective's other name": (
        lambda r: _algorithm(r, MetricDefinitions=[LOSS, {"Name": "ObjectiveMetric", "Regex": "(.*)"}]),
        "The metric name [ObjectiveMetric] stands for the objective itself",
    ),
    "expression without group": (lambda r: _algorithm(r, MetricDefinitions=[_REGEX]), "[loss]"),
    "broken expression": (
        lambda r: _algorithm(r, MetricDefinitions=[{"Name": "loss", "Regex": "("}]),
        "isn't usable",
    ),
    "more at once than at all": (
        _limits(2, 3),
        "MaxParallelTrainingJobs [3] can't be greater than MaxNumberOfTrainingJobs [2]",
    ),
    "no job": (_limits(0, 0), "greater than or equal to 1"),
    "751 Bayesian jobs": (
        lambda r: (_limits(751, 1)(r), config(r).update(Strategy="Bayesian")),
        "[751] is above the limit [750] for the Bayesian",
    ),
    "10001 random jobs": (_limits(10_001, 1), "above the limit [10000]"),
    "no maximum": (
        lambda r: config(r).update(ResourceLimits={"MaxParallelTrainingJobs": 1}),
        "MaxNumberOfTrainingJobs is required",
    ),
    "a minute's runtime": (
        lambda r: config(r)["ResourceLimits"].update(MaxRuntimeInSeconds=60),
        "greater than or equal to 120",
    ),
    "negative seed": (lambda r: config(r).update(RandomSeed=-1), "greater than or equal to 0"),
    "both forms": (_both_forms, "Exactly one of TrainingJobDefinition and TrainingJobDefinitions"),
    "neither form": (lambda r: r.pop("TrainingJobDefinition"), "Exactly one of TrainingJobDefinition and"),
    "the guide's Environment, a list": (
        lambda r: job(r).update(Environment=[{"SM_LOG_LEVEL": 10}]),
        "at 'trainingJobDefinition.environment' failed to satisfy constraint: Member must be of type map",
    ),
    "environment of 49": (lambda r: job(r).update(Environment={f"E{n}": "" for n in range(49)}), "equal to 48"),
    "environment name": (lambda r: job(r).update(Environment={"A-B": ""}), "regular expression pattern"),
    "role that is no ARN": (lambda r: job(r).update(RoleArn="service-role/SageMakerExecutionRole"), "roleArn"),
    "name of 33": (lambda r: r.update(HyperParameterTuningJobName="a" * 33), "less than or equal to 32"),
    "name with a space": (lambda r: r.update(HyperParameterTuningJobName="my job"), "regular expression pattern"),
    "name that ends in a dash": (lambda r: r.update(HyperParameterTuningJobName="job-"), "regular expression pattern"),
    "name with a newline": (lambda r: r.update(HyperParameterTuningJobName="job\n"), "regular expression pattern"),
    "name with NUL": (lambda r: r.update(HyperParameterTuningJobName="a\0b"), "NUL characters or lone surrogates"),
    "name with half a character": (lambda r: r.update(HyperParameterTuningJobName="a\ud800"), "lone surrogates"),
    "key with NUL": (_static(**{"a\0": "1"}), "NUL characters"),
    "value with half a character": (_static(a="\udfff"), "lone surrogates"),
    "unknown member": (lambda r: r.update(Colour="red"), "at 'colour' failed to satisfy constraint"),
    "name missing": (lambda r: r.pop("HyperParameterTuningJobName"), "hyperParameterTuningJobName"),
    "name null": (lambda r: r.update(HyperParameterTuningJobName=None), "must not be null"),
    "no resources": (lambda r: job(r).pop("ResourceConfig"), "exactly one of ResourceConfig and"),
    "resources twice": (
        lambda r: job(r).update(HyperParameterTuningResourceConfig=job(r)["ResourceConfig"]),
        "exactly one of ResourceConfig and HyperParameterTuningResourceConfig",
    ),
    "no instances": (lambda r: job(r)["ResourceConfig"].update(InstanceCount=0), "InstanceCount must be at least 1"),
    "no instance type": (lambda r: job(r)["ResourceConfig"].pop("InstanceType"), "needs an InstanceType"),
    "wrong instance type": (lambda r: job(r)["ResourceConfig"].update(InstanceType="big"), "instanceType"),
    "neither image nor algorithm": (
        lambda r: job(r)["AlgorithmSpecification"].pop("TrainingImage"),
        "exactly one of TrainingImage and AlgorithmName",
    ),
    "runtime of 29 days": (
        lambda r: job(r).update(StoppingCondition={"MaxRuntimeInSeconds": 29 * 86400}),
        "is above the limit of 28 days [2419200]",
    ),
    "tag twice": (lambda r: r.update(Tags=[{"Key": "a", "Value": "1"}] * 2), "more than once"),
    "reserved tag": (lambda r: r.update(Tags=[{"Key": "aws:a", "Value": "1"}]), "aws:"),
    "51 tags": (lambda r: r.update(Tags=[{"Key": str(n), "Value": ""} for n in range(51)]), "less than or equal to 50"),
    "output without scheme": (lambda r: job(r).update(OutputDataConfig={"S3OutputPath": "jobs/out"}), "s3OutputPath"),
    "output without bucket": (lambda r: job(r).update(OutputDataConfig={"S3OutputPath": "s3://"}), "s3OutputPath"),
    "output in no bucket's name": (
        lambda r: job(r).update(OutputDataConfig={"S3OutputPath": "s3://under score!/x"}),
        "S3OutputPath",
    ),
    "output on a web server": (
        lambda r: job(r).update(OutputDataConfig={"S3OutputPath": "https://example.com/x"}),
        "S3OutputPath",
    ),
    "input on a web server": (_source(S3Uri="https://example.com/x"), "S3Uri of channel [train]"),
    "input file path with ..": (_source(S3Uri="file:///tmp/../etc/passwd"), "S3Uri of channel [train]"),
    "same channel twice": (
        lambda r: (_channel()(r), job(r)["InputDataConfig"].append(job(r)["InputDataConfig"][0])),
        "The channel name [train] is used more than once",
    ),
    "channel without source": (_channel(DataSource={}), "needs exactly one data source"),
    "channel with a path as name": (_channel(ChannelName="../up"), "regular expression pattern"),
    "channel that is its parent": (_channel(ChannelName=".."), "ChannelName"),
    "compression without Pipe": (_channel(CompressionType="Gzip"), "need input mode Pipe"),
    "FastFile manifest": (
        lambda r: (_source(S3DataType="ManifestFile")(r), _algorithm(r, TrainingInputMode="FastFile")),
        "needs S3DataType S3Prefix",
    ),
    "spot without wait": (lambda r: job(r).update(EnableManagedSpotTraining=True), "MaxWaitTimeInSeconds"),
    "wait without spot": (
        lambda r: job(r)["StoppingCondition"].update(MaxWaitTimeInSeconds=700),
        "is for managed spot training",
    ),
    "checkpoints elsewhere": (
        lambda r: job(r).update(CheckpointConfig={"S3Uri": "s3://jobs/c", "LocalPath": "/etc"}),
        "must lie below /opt/ml",
    ),
    "checkpoints everywhere": (
        lambda r: job(r).update(CheckpointConfig={"S3Uri": "s3://jobs/c", "LocalPath": "/opt/ml/"}),
        "must lie below /opt/ml",
    ),
    "checkpoints above": (
        lambda r: job(r).update(CheckpointConfig={"S3Uri": "s3://jobs/c", "LocalPath": "/opt/ml/../../etc"}),
        "must lie below /opt/ml",
    ),
    "unknown strategy": (lambda r: config(r).update(Strategy="Guess"), "enum value set"),
    "instance configs and an instance type": (
        lambda r: job(r).update(
            HyperParameterTuningResourceConfig={**job(r).pop("ResourceConfig"), "InstanceConfigs": [_INSTANCES]}
        ),
        "has InstanceConfigs, which have InstanceType of their own",
    ),
    "an allocation of nothing": (
        lambda r: job(r).update(
            HyperParameterTuningResourceConfig={**job(r).pop("ResourceConfig"), "AllocationStrategy": "Prioritized"}
        ),
        "AllocationStrategy is for InstanceConfigs",
    ),
    "no instances in a second choice": (
        _instances([_INSTANCES, _INSTANCES | {"InstanceCount": 0}]),
        "HyperParameterTuningResourceConfig.InstanceConfigs.2.InstanceCount must be at least 1",
    ),
    "no instance type of a tuning job": (
        lambda r: job(r).update(
            HyperParameterTuningResourceConfig={"InstanceCount": job(r).pop("ResourceConfig")["InstanceCount"]}
        ),
        "HyperParameterTuningResourceConfig needs an InstanceType",
    ),
    "seven instance configs": (_instances([_INSTANCES] * 7), "less than or equal to 6"),
    "AutoParameters alone": (
        lambda r: config(r)["ParameterRanges"].update(AutoParameters=[{"Name": "a", "ValueHint": "1"}]),
        "AutoParameters need Autotune",
    ),
    "Hyperband's settings": (lambda r: config(r).update(StrategyConfig=_BAND), "is for the Hyperband strategy"),
}  # fmt: skip

NOT_YET: dict[str, tuple[Change, str]] = {
    "Pipe mode": (lambda r: (_channel()(r), _algorithm(r, TrainingInputMode="Pipe")), "Pipe"),
    "Pipe mode without channels": (lambda r: _algorithm(r, TrainingInputMode="Pipe"), "TrainingInputMode is Pipe"),
    "Pipe mode of one channel": (_channel(InputMode="Pipe"), "Pipe"),
    "augmented manifest": (_source(S3DataType="AugmentedManifestFile"), "AugmentedManifestFile"),
    "file system": (
        _channel(
            DataSource={
                "FileSystemDataSource": {
                    "FileSystemId": "fs-0123456789a",
                    "FileSystemAccessMode": "ro",
                    "FileSystemType": "EFS",
                    "DirectoryPath": "/data",
                }
            }
        ),
        "FileSystemDataSource",
    ),
    "instance groups": (
        lambda r: job(r).update(
            ResourceConfig={
                "InstanceGroups": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"}],
                "VolumeSizeInGB": 1,
            }
        ),
        "InstanceGroups",
    ),
    "warm pool": (lambda r: job(r)["ResourceConfig"].update(KeepAlivePeriodInSeconds=60), "KeepAlivePeriodInSeconds"),
    "algorithm resource": (
        lambda r: job(r).update(AlgorithmSpecification={"AlgorithmName": "mine", "TrainingInputMode": "File"}),
        "AlgorithmName",
    ),
    "shuffled channel": (_channel(ShuffleConfig={"Seed": 1}), "ShuffleConfig"),
}  # fmt: skip

#: what is wrong -> (the members that make it so, what the message must contain)
TRAINING: dict[str, tuple[dict[str, Any], str]] = {
    "no algorithm": ({"AlgorithmSpecification": None}, "AlgorithmSpecification is required"),
    "no resources": ({"ResourceConfig": None}, "ResourceConfig is required"),
    "serverless": ({"ServerlessJobConfig": {"BaseModelArn": "b", "JobType": "FineTuning"}}, "serverlessJobConfig"),
    "101 hyperparameters": ({"HyperParameters": {str(n): "" for n in range(101)}}, "less than or equal to 100"),
    "value of 2501": ({"HyperParameters": {"a": "b" * 2501}}, "less than or equal to 2500"),
    "environment of 101": ({"Environment": {f"E{n}": "" for n in range(101)}}, "less than or equal to 100"),
    "21 channels": (
        {
            "InputDataConfig": [
                {
                    "ChannelName": f"c{n}",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/a"}},
                }
                for n in range(21)
            ]
        },
        "less than or equal to 20",
    ),
    "Pipe mode without channels": (
        {"AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "Pipe"}},
        "TrainingInputMode is Pipe, which is not supported yet: use File or FastFile",
    ),
    "name of 64": ({"TrainingJobName": "a" * 64}, "less than or equal to 63"),
}
