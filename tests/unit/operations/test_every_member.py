"""Every member of CreateHyperParameterTuningJob: told by Describe, or refused by name; none is overlooked.

The table is compared with the model that the installed botocore carries: a member that is new there fails the test.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, Shape, StructureShape

from pegbox.errors import ValidationException
from pegbox.operations import tuning_jobs
from pegbox.operations.call import Call
from pegbox.store.resources import Kind
from pegbox.store.sql import SqlStore
from pegbox.testing.requests import ROLE, tuning_request
from pegbox.wire import validate

OPERATION = (
    botocore.session.get_session().get_service_model("sagemaker").operation_model("CreateHyperParameterTuningJob")
)
LISTED = "TrainingJobDefinitions"


def config(**members: Any) -> dict[str, Any]:
    return {"HyperParameterTuningJobConfig": members}


def job(**members: Any) -> dict[str, Any]:
    return {"TrainingJobDefinition": members}


def channel(**members: Any) -> dict[str, Any]:
    return job(InputDataConfig=[{"ChannelName": "train", "DataSource": S3, **members}])


def source(**members: Any) -> dict[str, Any]:
    return channel(DataSource={"S3DataSource": {**S3["S3DataSource"], **members}})


S3: dict[str, Any] = {
    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/b", "S3DataDistributionType": "ShardedByS3Key"}
}
RANGES = {
    "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "9", "ScalingType": "Linear"}],
    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "2", "ScalingType": "Logarithmic"}],
    "CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}],
}
AUTO = {**RANGES, "AutoParameters": [{"Name": "auto", "ValueHint": "4"}]}
OBJECTIVE = {"Type": "Maximize", "MetricName": "loss"}
BAND = {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 9}}
INSTANCES = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 3}

#: what Describe tells as it was given
TOLD: list[dict[str, Any]] = [
    {"HyperParameterTuningJobName": "name"},
    {"Autotune": {"Mode": "Enabled"}},
    config(HyperParameterTuningJobObjective=OBJECTIVE),
    config(ParameterRanges=RANGES),
    {**config(ParameterRanges=AUTO), "Autotune": {"Mode": "Enabled"}},
    config(RandomSeed=7),
    config(ResourceLimits={"MaxNumberOfTrainingJobs": 9, "MaxParallelTrainingJobs": 3, "MaxRuntimeInSeconds": 600}),
    config(
        Strategy="Hyperband", StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 9}}
    ),
    config(TrainingJobEarlyStoppingType="Auto"),
    config(
        TuningJobCompletionCriteria={
            "TargetObjectiveMetricValue": 0.5,
            "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 4},
            "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
        }
    ),
    job(
        AlgorithmSpecification={
            "TrainingImage": "mine",
            "TrainingInputMode": "FastFile",
            "MetricDefinitions": [{"Name": "loss", "Regex": "l=(.*)"}],
        }
    ),
    job(CheckpointConfig={"S3Uri": "s3://bucket/c", "LocalPath": "/opt/ml/kept"}),
    job(DefinitionName="named"),
    job(EnableInterContainerTrafficEncryption=True, EnableNetworkIsolation=True, Environment={"A": "b"}),
    job(EnableManagedSpotTraining=True, StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 70}),
    job(
        HyperParameterTuningResourceConfig={
            "AllocationStrategy": "Prioritized", "InstanceConfigs": [INSTANCES], "VolumeKmsKeyId": "key",
        }
    ),
    job(HyperParameterTuningResourceConfig={**INSTANCES, "VolumeKmsKeyId": "key"}),
    job(ResourceConfig={**INSTANCES, "VolumeKmsKeyId": "key"}),
    channel(CompressionType="None", ContentType="text/csv", InputMode="FastFile", RecordWrapperType="None"),
    job(OutputDataConfig={"S3OutputPath": "s3://bucket/d", "KmsKeyId": "key", "CompressionType": "NONE"}),
    job(RetryStrategy={"MaximumRetryAttempts": 2}),
    job(RoleArn=ROLE + "/deep"),
    job(StaticHyperParameters={"epochs": "3"}),
    job(VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}),
]  # fmt: skip

#: what is refused, and the name of the member in the message
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({**config(Strategy="Hyperband", StrategyConfig=BAND), "WarmStartConfig": {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "p"}], "WarmStartType": "TransferLearning",
    }}, "WarmStartConfig"),
    (job(AlgorithmSpecification={"AlgorithmName": "mine", "TrainingInputMode": "File"}), "AlgorithmName"),
    (channel(DataSource={"DatasetSource": {
        "DatasetArn": "arn:aws:sagemaker:us-east-1:000000000000:hub-content/h/DataSet/d/1.0.0",
    }}), "DatasetSource"),
    (channel(DataSource={"FileSystemDataSource": {
        "FileSystemId": "fs-0123456789a", "FileSystemAccessMode": "ro", "FileSystemType": "EFS", "DirectoryPath": "/d",
    }}), "FileSystemDataSource"),
    (source(AttributeNames=["a"]), "AttributeNames"),
    (source(HubAccessConfig={"HubContentArn": "arn:aws:sagemaker:us-east-1:aws:hub-content/h/Model/m/1.0.0"}),
     "HubAccessConfig"),
    (source(InstanceGroupNames=["g"]), "InstanceGroupNames"),
    (source(ModelAccessConfig={"AcceptEula": True}), "ModelAccessConfig"),
    (channel(ShuffleConfig={"Seed": 1}), "ShuffleConfig"),
    (job(ResourceConfig={"InstanceGroups": [
        {"InstanceType": "ml.m5.large", "InstanceCount": 1, "InstanceGroupName": "g"},
    ]}), "InstanceGroups"),
    (job(ResourceConfig={**INSTANCES, "InstancePlacementConfig": {
        "EnableMultipleJobs": True, "PlacementSpecifications": [{"UltraServerId": "u", "InstanceCount": 1}],
    }}), "InstancePlacementConfig"),
    (job(ResourceConfig={**INSTANCES, "InstancePreferences": [{
        "InstanceType": "ml.m5.large", "InstanceCount": 1,
        "TrainingPlanArns": ["arn:aws:sagemaker:us-east-1:000000000000:training-plan/p"],
    }]}), "InstancePreferences"),
    (job(ResourceConfig={**INSTANCES, "KeepAlivePeriodInSeconds": 60}), "KeepAlivePeriodInSeconds"),
    (job(ResourceConfig={**INSTANCES, "SelectedInstanceType": "ml.m5.large"}), "SelectedInstanceType"),
    (job(ResourceConfig={**INSTANCES, "SelectedInstanceCount": 1}), "SelectedInstanceCount"),
    (job(ResourceConfig={
        **INSTANCES, "TrainingPlanArn": "arn:aws:sagemaker:us-east-1:000000000000:training-plan/p",
    }), "TrainingPlanArn"),
    (job(StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxPendingTimeInSeconds": 1800}), "MaxPendingTimeInSeconds"),
    # of the other form
    (job(HyperParameterRanges=AUTO), "HyperParameterRanges"),
    (job(TuningObjective=OBJECTIVE), "TuningObjective"),
]  # fmt: skip

TAGGED = {"Tags": [{"Key": "team", "Value": "a"}]}  #: not in Describe's answer: they are for ListTags


_LIMITS: dict[str, Any] = {name: 100 for name in Call.__slots__ if name.startswith("most_")}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path_factory.mktemp('store') / 'pegbox.db'}")
    yield store
    store.close()


@pytest.fixture
def call(store: SqlStore) -> Call:
    """In a region of its own: all tuning jobs have the same name."""
    return Call(
        request_id="1",
        account="000000000000",
        region=f"region-{uuid.uuid4().hex[:8]}",
        key_id="",
        store=store,
        clock=lambda: 1.0,
        seed=lambda: 1,
        find_image=lambda name: None,
        poke=lambda identities: None,
        **_LIMITS,
    )


def members(shape: Shape, path: str = "") -> Iterator[str]:
    """The path of everything that a request can say."""
    if isinstance(shape, StructureShape):
        for name, inner in shape.members.items():
            yield from members(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(shape, ListShape) and isinstance(shape.member, StructureShape):
        yield from members(shape.member, path)
    else:
        yield path


def said(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """The paths of what a part of a request says."""
    if isinstance(shape, StructureShape):
        for name, inner in value.items():
            yield from said(inner, shape.members[name], f"{path}.{name}".lstrip("."))
    elif isinstance(shape, ListShape) and isinstance(shape.member, StructureShape):
        for each in value:
            yield from said(each, shape.member, path)
    else:
        yield path


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """A request that is right but for this part of it."""
    request = tuning_request("small", "any", "s3://bucket/out")
    part = copy.deepcopy(part)
    for name in ("HyperParameterTuningJobConfig", "TrainingJobDefinition"):
        request[name] |= part.pop(name, {})
    if "HyperParameterTuningResourceConfig" in request["TrainingJobDefinition"]:
        del request["TrainingJobDefinition"]["ResourceConfig"]
    request |= part
    validate.check(request, OPERATION.input_shape)
    return request


def in_list(request: dict[str, Any]) -> dict[str, Any]:
    """The same request with TrainingJobDefinitions."""
    settings, definition = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
    moved = {
        "DefinitionName": "only",
        "TuningObjective": settings.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": settings.pop("ParameterRanges"),
    }
    request[LISTED] = [{**moved, **definition}]
    validate.check(request, OPERATION.input_shape)
    return request


def contains(found: Any, given: Any) -> bool:
    """Whether an answer says all that was given, and perhaps more."""
    if isinstance(given, dict):
        return all(name in found and contains(found[name], value) for name, value in given.items())
    if isinstance(given, list) and given and isinstance(given[0], dict):
        return len(found) >= len(given) and all(map(contains, found, given))
    return bool(found == given)


def described(request: dict[str, Any], call: Call) -> dict[str, Any]:
    tuning_jobs.create_hyper_parameter_tuning_job(copy.deepcopy(request), call)  # type: ignore[arg-type]
    named: Any = {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"]}
    return tuning_jobs.describe_hyper_parameter_tuning_job(named, call)


def names_of(part: dict[str, Any]) -> str:
    return ",".join(sorted({path.rsplit(".", 1)[-1] for path in said(part, OPERATION.input_shape)}))


def test_the_table_has_every_member_of_the_model() -> None:
    parts = [*TOLD, *(part for part, _ in REFUSED), TAGGED]
    tried = {path for part in parts for path in said(part, OPERATION.input_shape)}
    tried |= {path.replace("TrainingJobDefinition", LISTED, 1) for path in tried if path.startswith("TrainingJobDef")}
    assert set(members(OPERATION.input_shape)) - tried == set()


@pytest.mark.parametrize("part", TOLD, ids=names_of)
def test_what_is_told_by_describe(part: dict[str, Any], call: Call) -> None:
    request = whole(part)
    assert contains(described(request, call), request)


@pytest.mark.parametrize("part", TOLD, ids=names_of)
def test_what_is_told_of_a_list_of_definitions(part: dict[str, Any], call: Call) -> None:
    request = in_list(whole(part))
    request["HyperParameterTuningJobConfig"].pop("TrainingJobEarlyStoppingType", None)
    assert contains(described(request, call), request)


@pytest.mark.parametrize(("part", "name"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_refused_by_name(part: dict[str, Any], name: str, call: Call) -> None:
    requests = [whole(part)]
    if name not in ("HyperParameterRanges", "TuningObjective"):
        requests.append(in_list(whole(part)))
    for request in requests:
        with pytest.raises(ValidationException) as refusal:
            described(request, call)
        assert name in refusal.value.message


def test_tags_are_kept_for_the_training_jobs(call: Call) -> None:
    described(whole(TAGGED), call)
    with call.store.reading() as tx:
        row = tx.get(call.account, call.region, Kind.TUNING_JOB, "small")
    assert row.document["Tags"] == TAGGED["Tags"]
