"""Requests that must be refused, each with a message that says what to change, and nothing created."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config

from jobs import XGBOOST, new_name, refusal, refusal_of, tuning_ended
from pegbox.testing.requests import LOSS, training_request, tuning_request
from running import RunningServer

CREATE_TUNING_JOB = "CreateHyperParameterTuningJob"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def unchecked(server: RunningServer) -> Any:
    """A client that sends whatever it is given."""
    return server.client("sagemaker", config=Config(parameter_validation=False))


@pytest.fixture
def nothing_created(sagemaker: Any) -> Iterator[None]:
    """Fails when the test leaves a job behind."""

    def count() -> tuple[int, int]:
        tuning = sagemaker.get_paginator("list_hyper_parameter_tuning_jobs").paginate()
        training = sagemaker.get_paginator("list_training_jobs").paginate()
        return (
            sum(len(page["HyperParameterTuningJobSummaries"]) for page in tuning),
            sum(len(page["TrainingJobSummaries"]) for page in training),
        )

    before = count()
    yield
    assert count() == before


def _numbers(**changes: Any) -> dict[str, Any]:
    return {"Name": "x", "MinValue": "0", "MaxValue": "1", **changes}


def _continuous(**changes: Any) -> Change:
    return lambda r: _config(r).update(ParameterRanges={"ContinuousParameterRanges": [_numbers(**changes)]})


def _integer(**changes: Any) -> Change:
    return lambda r: _config(r).update(ParameterRanges={"IntegerParameterRanges": [_numbers(**changes)]})


def _categorical(*values: str) -> Change:
    ranges = {"CategoricalParameterRanges": [{"Name": "x", "Values": list(values)}]}
    return lambda r: _config(r).update(ParameterRanges=ranges)


def _config(request: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = request["HyperParameterTuningJobConfig"]
    return config


def _job(request: dict[str, Any]) -> dict[str, Any]:
    job: dict[str, Any] = request["TrainingJobDefinition"]
    return job


def _algorithm(request: dict[str, Any], **changes: Any) -> None:
    _job(request)["AlgorithmSpecification"].update(changes)


def _limits(most: int, at_once: int) -> Change:
    limits = {"MaxNumberOfTrainingJobs": most, "MaxParallelTrainingJobs": at_once}
    return lambda r: _config(r).update(ResourceLimits=limits)


def _channel(**changes: Any) -> Change:
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/data"}}
    return lambda r: _job(r).update(InputDataConfig=[{"ChannelName": "train", "DataSource": source, **changes}])


def _source(**source: Any) -> Change:
    return _channel(DataSource={"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://jobs/data", **source}})


def _objective(name: str) -> Change:
    objective = {"Type": "Minimize", "MetricName": name}
    return lambda r: _config(r).update(HyperParameterTuningJobObjective=objective)


def _both_forms(request: dict[str, Any]) -> None:
    definition = _job(request) | {"DefinitionName": "first"}
    request["TrainingJobDefinitions"] = [definition]


def _several(request: dict[str, Any]) -> None:
    config = _config(request)
    definition = request.pop("TrainingJobDefinition")
    definition["DefinitionName"] = "first"
    definition["TuningObjective"] = config.pop("HyperParameterTuningJobObjective")
    definition["HyperParameterRanges"] = config.pop("ParameterRanges")
    request["TrainingJobDefinitions"] = [definition]


def _ranges(count: int) -> Change:
    ranges = [_numbers(Name=f"x{number}") for number in range(count)]
    return lambda r: _config(r).update(ParameterRanges={"ContinuousParameterRanges": ranges})


def _split_ranges(request: dict[str, Any]) -> None:
    _config(request)["ParameterRanges"] = {
        "ContinuousParameterRanges": [_numbers(Name=f"x{number}") for number in range(16)],
        "IntegerParameterRanges": [_numbers(Name=f"n{number}") for number in range(15)],
    }


def _built_in(request: dict[str, Any]) -> None:
    _algorithm(request, TrainingImage=XGBOOST, MetricDefinitions=[])
    _channel()(request)
    _config(request)["ParameterRanges"] = {"ContinuousParameterRanges": [_numbers(Name="eta")]}


def _built_in_then(change: Change) -> Change:
    def both(request: dict[str, Any]) -> None:
        _built_in(request)
        _objective("validation:auc")(request)
        change(request)

    return both


def _static(**values: str) -> Change:
    return lambda r: _job(r).update(StaticHyperParameters=values)


def _instances(configs: list[dict[str, Any]]) -> Change:
    def change(request: dict[str, Any]) -> None:
        del _job(request)["ResourceConfig"]
        _job(request)["HyperParameterTuningResourceConfig"] = {"InstanceConfigs": configs}

    return change


_WARM = {
    "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
    "WarmStartType": "TransferLearning",
}
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
    "no range": (lambda r: _config(r).update(ParameterRanges={}), "at least one"),
    "no ranges at all": (lambda r: _config(r).pop("ParameterRanges"), "at least one"),
    "same name in two ranges": (
        lambda r: _config(r).update(
            ParameterRanges={"ContinuousParameterRanges": [_numbers()], "IntegerParameterRanges": [_numbers()]}
        ),
        "The hyperparameter x has more than one parameter range",
    ),
    "41 metric definitions": (
        lambda r: _algorithm(r, MetricDefinitions=[LOSS | {"Name": f"m{n}"} for n in range(41)]),
        "less than or equal to 40",
    ),
    "100 hyperparameters": (
        lambda r: _job(r).update(StaticHyperParameters={f"s{n}": "1" for n in range(99)}),
        "at most 100 hyperparameters; this tuning job's would have 101",
    ),
    "101 static hyperparameters": (
        lambda r: _job(r).update(StaticHyperParameters={f"s{n}": "1" for n in range(101)}),
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
    "no objective": (lambda r: _config(r).pop("HyperParameterTuningJobObjective"), "HyperParameterTuningJobObjective"),
    "objective the built-in lacks": (_built_in, "Choose a valid objective metric: [train:"),
    "range the built-in lacks": (_built_in_then(_continuous()), "The hyperparameter [x] can't be tuned"),
    "range the trainer refuses": (
        _built_in_then(_continuous(Name="eta", MaxValue="2")),
        "The value [2.0] isn't valid for the hyperparameter [eta]",
    ),
    "built-in without data": (
        _built_in_then(lambda r: _job(r).pop("InputDataConfig")),
        "needs the input data channel [train]",
    ),
    "a metric with the objective's other name": (
        lambda r: _algorithm(r, MetricDefinitions=[LOSS, LOSS | {"Name": "ObjectiveMetric"}]),
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
        lambda r: (_limits(751, 1)(r), _config(r).update(Strategy="Bayesian")),
        "[751] is above the limit [750] for the Bayesian",
    ),
    "10001 random jobs": (_limits(10_001, 1), "above the limit [10000]"),
    "101 at once": (_limits(200, 101), "above the limit [100]"),
    "no maximum": (
        lambda r: _config(r).update(ResourceLimits={"MaxParallelTrainingJobs": 1}),
        "MaxNumberOfTrainingJobs is required",
    ),
    "a minute's runtime": (
        lambda r: _config(r)["ResourceLimits"].update(MaxRuntimeInSeconds=60),
        "greater than or equal to 120",
    ),
    "negative seed": (lambda r: _config(r).update(RandomSeed=-1), "greater than or equal to 0"),
    "both forms": (_both_forms, "Exactly one of TrainingJobDefinition and TrainingJobDefinitions"),
    "neither form": (lambda r: r.pop("TrainingJobDefinition"), "Exactly one of TrainingJobDefinition and"),
    "the guide's Environment, a list": (
        lambda r: _job(r).update(Environment=[{"SM_LOG_LEVEL": 10}]),
        "at 'trainingJobDefinition.environment' failed to satisfy constraint: Member must be of type map",
    ),
    "environment of 49": (lambda r: _job(r).update(Environment={f"E{n}": "" for n in range(49)}), "equal to 48"),
    "environment name": (lambda r: _job(r).update(Environment={"A-B": ""}), "regular expression pattern"),
    "role that is no ARN": (lambda r: _job(r).update(RoleArn="service-role/SageMakerExecutionRole"), "roleArn"),
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
    "no resources": (lambda r: _job(r).pop("ResourceConfig"), "exactly one of ResourceConfig and"),
    "resources twice": (
        lambda r: _job(r).update(HyperParameterTuningResourceConfig=_job(r)["ResourceConfig"]),
        "exactly one of ResourceConfig and HyperParameterTuningResourceConfig",
    ),
    "no instances": (lambda r: _job(r)["ResourceConfig"].update(InstanceCount=0), "InstanceCount must be at least 1"),
    "no instance type": (lambda r: _job(r)["ResourceConfig"].pop("InstanceType"), "needs an InstanceType"),
    "wrong instance type": (lambda r: _job(r)["ResourceConfig"].update(InstanceType="big"), "instanceType"),
    "neither image nor algorithm": (
        lambda r: _job(r)["AlgorithmSpecification"].pop("TrainingImage"),
        "exactly one of TrainingImage and AlgorithmName",
    ),
    "runtime of 29 days": (
        lambda r: _job(r).update(StoppingCondition={"MaxRuntimeInSeconds": 29 * 86400}),
        "is above the limit of 28 days [2419200]",
    ),
    "tag twice": (lambda r: r.update(Tags=[{"Key": "a", "Value": "1"}] * 2), "more than once"),
    "reserved tag": (lambda r: r.update(Tags=[{"Key": "aws:a", "Value": "1"}]), "aws:"),
    "51 tags": (lambda r: r.update(Tags=[{"Key": str(n), "Value": ""} for n in range(51)]), "less than or equal to 50"),
    "output without scheme": (lambda r: _job(r).update(OutputDataConfig={"S3OutputPath": "jobs/out"}), "s3OutputPath"),
    "output without bucket": (lambda r: _job(r).update(OutputDataConfig={"S3OutputPath": "s3://"}), "s3OutputPath"),
    "output in no bucket's name": (
        lambda r: _job(r).update(OutputDataConfig={"S3OutputPath": "s3://under score!/x"}),
        "S3OutputPath",
    ),
    "output on a web server": (
        lambda r: _job(r).update(OutputDataConfig={"S3OutputPath": "https://example.com/x"}),
        "S3OutputPath",
    ),
    "input on a web server": (_source(S3Uri="https://example.com/x"), "S3Uri of channel [train]"),
    "input file path with ..": (_source(S3Uri="file:///tmp/../etc/passwd"), "S3Uri of channel [train]"),
    "same channel twice": (
        lambda r: (_channel()(r), _job(r)["InputDataConfig"].append(_job(r)["InputDataConfig"][0])),
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
    "spot without wait": (lambda r: _job(r).update(EnableManagedSpotTraining=True), "MaxWaitTimeInSeconds"),
    "wait without spot": (
        lambda r: _job(r)["StoppingCondition"].update(MaxWaitTimeInSeconds=700),
        "is for managed spot training",
    ),
    "checkpoints elsewhere": (
        lambda r: _job(r).update(CheckpointConfig={"S3Uri": "s3://jobs/c", "LocalPath": "/etc"}),
        "must lie below /opt/ml",
    ),
    "checkpoints everywhere": (
        lambda r: _job(r).update(CheckpointConfig={"S3Uri": "s3://jobs/c", "LocalPath": "/opt/ml/"}),
        "must lie below /opt/ml",
    ),
    "checkpoints above": (
        lambda r: _job(r).update(CheckpointConfig={"S3Uri": "s3://jobs/c", "LocalPath": "/opt/ml/../../etc"}),
        "must lie below /opt/ml",
    ),
    "unknown strategy": (lambda r: _config(r).update(Strategy="Guess"), "enum value set"),
    "instance configs and an instance type": (
        lambda r: _job(r).update(
            HyperParameterTuningResourceConfig={**_job(r).pop("ResourceConfig"), "InstanceConfigs": [_INSTANCES]}
        ),
        "has InstanceConfigs, which have InstanceType of their own",
    ),
    "an allocation of nothing": (
        lambda r: _job(r).update(
            HyperParameterTuningResourceConfig={**_job(r).pop("ResourceConfig"), "AllocationStrategy": "Prioritized"}
        ),
        "AllocationStrategy is for InstanceConfigs",
    ),
    "no instances in a second choice": (
        _instances([_INSTANCES, _INSTANCES | {"InstanceCount": 0}]),
        "InstanceCount must be at least 1",
    ),
    "seven instance configs": (_instances([_INSTANCES] * 7), "less than or equal to 6"),
    "AutoParameters alone": (
        lambda r: _config(r)["ParameterRanges"].update(AutoParameters=[{"Name": "a", "ValueHint": "1"}]),
        "AutoParameters need Autotune",
    ),
    "Hyperband's settings": (lambda r: _config(r).update(StrategyConfig=_BAND), "is for the Hyperband strategy"),
}  # fmt: skip

NOT_YET: dict[str, tuple[Change, str]] = {
    "warm start": (lambda r: r.update(WarmStartConfig=_WARM), "WarmStartConfig"),
    "Pipe mode": (lambda r: (_channel()(r), _algorithm(r, TrainingInputMode="Pipe")), "Pipe"),
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
        lambda r: _job(r).update(
            ResourceConfig={
                "InstanceGroups": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"}],
                "VolumeSizeInGB": 1,
            }
        ),
        "InstanceGroups",
    ),
    "warm pool": (lambda r: _job(r)["ResourceConfig"].update(KeepAlivePeriodInSeconds=60), "KeepAlivePeriodInSeconds"),
    "algorithm resource": (
        lambda r: _job(r).update(AlgorithmSpecification={"AlgorithmName": "mine", "TrainingInputMode": "File"}),
        "AlgorithmName",
    ),
    "shuffled channel": (_channel(ShuffleConfig={"Seed": 1}), "ShuffleConfig"),
}  # fmt: skip


@pytest.mark.parametrize("case", TUNING)
def test_a_wrong_tuning_request_is_refused(unchecked: Any, here: str, case: str) -> None:
    change, expected = TUNING[case]
    request = tuning_request(new_name(), "any", here)
    change(request)
    code, message = refusal_of(unchecked, CREATE_TUNING_JOB, request)
    assert code == "ValidationException"
    assert expected in message


@pytest.mark.parametrize("case", NOT_YET)
def test_what_is_not_there_yet_is_refused_by_name(unchecked: Any, here: str, case: str) -> None:
    change, expected = NOT_YET[case]
    request = tuning_request(new_name(), "any", here)
    change(request)
    code, message = refusal_of(unchecked, CREATE_TUNING_JOB, request)
    assert code == "ValidationException"
    assert expected in message and "not supported" in message


@pytest.mark.usefixtures("nothing_created")
def test_nothing_is_created_by_any_wrong_tuning_request(unchecked: Any, here: str) -> None:
    for change, _ in [*TUNING.values(), *NOT_YET.values()]:
        request = tuning_request(new_name(), "any", here)
        change(request)
        refusal_of(unchecked, CREATE_TUNING_JOB, request)


def test_the_requests_that_are_changed_are_right_without_the_change(
    sagemaker: Any, here: str, image: Callable[..., str]
) -> None:
    name, running = new_name(), image("import time\ntime.sleep(600)")
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request(name, running, here))
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning_ended(sagemaker, name)["HyperParameterTuningJobStatus"] == "Stopped"


TRAINING: dict[str, tuple[dict[str, Any], str]] = {
    "no algorithm": ({"AlgorithmSpecification": None}, "AlgorithmSpecification is required"),
    "no resources": ({"ResourceConfig": None}, "ResourceConfig is required"),
    "experiment": ({"ExperimentConfig": {"ExperimentName": "e"}}, "ExperimentConfig is not supported yet"),
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
    "name of 64": ({"TrainingJobName": "a" * 64}, "less than or equal to 63"),
}


@pytest.mark.usefixtures("nothing_created")
@pytest.mark.parametrize("case", TRAINING)
def test_a_wrong_training_request_is_refused(unchecked: Any, here: str, case: str) -> None:
    changes, expected = TRAINING[case]
    request = training_request(new_name(), "any", here) | changes
    code, message = refusal_of(unchecked, "CreateTrainingJob", request)
    assert code == "ValidationException"
    assert expected in message


def test_several_mistakes_are_told_at_once(unchecked: Any, here: str) -> None:
    request = tuning_request("a b", "any", here)
    _config(request)["Strategy"] = "Guess"
    _job(request)["RoleArn"] = "me"
    _, message = refusal_of(unchecked, CREATE_TUNING_JOB, request)
    assert message.startswith("4 validation errors detected: ")
    for path in ("hyperParameterTuningJobName", "hyperParameterTuningJobConfig.strategy", "roleArn"):
        assert path in message


def test_a_name_that_differs_only_in_case_is_taken(sagemaker: Any, here: str) -> None:
    name = new_name("Taken")
    sagemaker.create_training_job(**training_request(name, "any", here))
    code, message = refusal(sagemaker.create_training_job, **training_request(name.upper(), "any", here))
    assert code == "ResourceInUse"
    assert f"already exists (arn:aws:sagemaker:us-east-1:000000000000:training-job/{name.lower()})" in message
    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        sagemaker.create_training_job(**training_request(name, "any", here))


def test_a_tuning_jobs_name_that_differs_only_in_case_is_taken(sagemaker: Any, here: str) -> None:
    request = tuning_request(new_name("Taken"), "any", here)
    sagemaker.create_hyper_parameter_tuning_job(**request)
    again = copy.deepcopy(request) | {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"].lower()}
    code, message = refusal(sagemaker.create_hyper_parameter_tuning_job, **again)
    assert code == "ResourceInUse"
    assert again["HyperParameterTuningJobName"] in message


def test_what_does_not_exist_is_told_as_the_service_tells_it(sagemaker: Any) -> None:
    unknown = {"TrainingJobName": "nobody"}
    assert refusal(sagemaker.describe_training_job, **unknown) == (
        "ValidationException",
        "Requested resource not found.",
    )
    code, message = refusal(sagemaker.stop_training_job, **unknown)
    assert code == "ResourceNotFound" and "nobody" in message
    for call in (
        sagemaker.describe_hyper_parameter_tuning_job,
        sagemaker.stop_hyper_parameter_tuning_job,
        sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        code, message = refusal(call, HyperParameterTuningJobName="nobody")
        assert code == "ResourceNotFound"
        assert "can't find a tuning job with the name nobody" in message


def test_there_is_a_limit_to_the_instances_of_a_job(sagemaker: Any, here: str) -> None:
    request = training_request(new_name(), "any", here)
    request["ResourceConfig"]["InstanceCount"] = 1_000_000
    code, message = refusal(sagemaker.create_training_job, **request)
    assert code == "ResourceLimitExceeded"
    assert "at most 100 instances" in message
    request = tuning_request(new_name(), "any", here)
    _job(request)["ResourceConfig"]["InstanceCount"] = 101
    assert refusal(sagemaker.create_hyper_parameter_tuning_job, **request)[0] == "ResourceLimitExceeded"


@pytest.mark.parametrize(
    "header",
    ["X-Amz-Target: SageMaker.ListTrainingJobs", "Content-Type: application/x-www-form-urlencoded"],
    ids=["JSON", "query"],
)
def test_a_body_that_nobody_would_read_is_refused_before_it_is_sent(server: RunningServer, header: str) -> None:
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: here\r\n{header}\r\nContent-Length: {10**12}\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            text = answer.read().decode()  # to the end: the server closes
    head, _, body = text.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 413 ")
    assert "\r\nconnection: close" in head.lower()
    assert "RequestEntityTooLargeException" in body and str(4 << 20) in body


def test_of_requests_with_one_name_at_the_same_time_one_wins(server: RunningServer, here: str) -> None:
    clients = [server.client("sagemaker") for _ in range(8)]
    request = training_request(new_name(), "any", here)

    def create(client: Any) -> str:
        try:
            client.create_training_job(**request)
        except client.exceptions.ResourceInUse:
            return "taken"
        return "created"

    with ThreadPoolExecutor(len(clients)) as pool:
        assert sorted(pool.map(create, clients)) == ["created"] + ["taken"] * 7
