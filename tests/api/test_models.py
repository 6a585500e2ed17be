"""Models, endpoint configurations and endpoints: written, read back, listed, refused, removed."""

from __future__ import annotations

import time
from typing import Any

import pytest
from botocore.config import Config

from jobs import new_name, refusal
from running import RunningServer

ROLE = "arn:aws:iam::000000000000:role/serving"


@pytest.fixture
def data(s3: Any, here: str) -> str:
    """The URI of the data of a model."""
    bucket, key = here.removeprefix("s3://").split("/", 1)
    s3.put_object(Bucket=bucket, Key=f"{key}/model.tar.gz", Body=b"weights")
    return f"{here}/model.tar.gz"


@pytest.fixture
def model(sagemaker: Any, data: str) -> str:
    """The name of a model."""
    name = new_name("Model")
    sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": "xgboost", "ModelDataUrl": data})
    return name


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def told(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_a_model_is_told_as_it_was_given(sagemaker: Any, data: str) -> None:
    name = new_name("Whole")
    container = {
        "Image": "xgboost:1",
        "ModelDataUrl": data,
        "Environment": {"WORKERS": "2"},
        "ContainerHostname": "first",
        "ImageConfig": {"RepositoryAccessMode": "Platform"},
        "AdditionalModelDataSources": [
            {
                "ChannelName": "more",
                "S3DataSource": {"S3Uri": data, "S3DataType": "S3Object", "CompressionType": "Gzip"},
            }
        ],
    }
    request = {
        "PrimaryContainer": container,
        "ExecutionRoleArn": ROLE,
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
    }
    arn = sagemaker.create_model(ModelName=name, Tags=tags(team="vision"), **request)["ModelArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:model/{name.lower()}"
    found = told(sagemaker.describe_model(ModelName=name.upper()))
    assert time.time() - found.pop("CreationTime").timestamp() < 60
    request["PrimaryContainer"] = {"Mode": "SingleModel", **container}
    assert found == {"ModelName": name, "ModelArn": arn, "EnableNetworkIsolation": False, **request}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags(team="vision")
    assert sagemaker.add_tags(ResourceArn=arn, Tags=tags(stage="prod"))["Tags"] == tags(team="vision", stage="prod")


def test_a_pipeline_and_many_models_behind_one_image(sagemaker: Any, data: str) -> None:
    folder = data.removesuffix("model.tar.gz")
    several = [{"Image": "a", "ContainerHostname": "one"}, {"Image": "b", "ContainerHostname": "two"}]
    name = new_name("several")
    sagemaker.create_model(ModelName=name, Containers=several, InferenceExecutionConfig={"Mode": "Direct"})
    found = sagemaker.describe_model(ModelName=name)
    assert [each["ContainerHostname"] for each in found["Containers"]] == ["one", "two"]
    for container in (
        {"Image": "many", "Mode": "MultiModel", "ModelDataUrl": folder},
        {
            "Image": "plain",
            "ModelDataSource": {"S3DataSource": {"S3Uri": folder, "S3DataType": "S3Prefix", "CompressionType": "None"}},
        },
    ):
        name = new_name("below")
        sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        found = sagemaker.describe_model(ModelName=name)["PrimaryContainer"]
        assert {member: found[member] for member in container} == container


def test_models_are_listed_and_deleted(sagemaker: Any, data: str) -> None:
    stem = new_name("listed")
    names = [f"{stem}-{number}" for number in range(3)]
    for name in names:
        sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": "x", "ModelDataUrl": data})

    def listed(**query: Any) -> list[str]:
        pages = sagemaker.get_paginator("list_models").paginate(NameContains=stem.upper(), **query)
        return [each["ModelName"] for page in pages for each in page["Models"]]

    assert listed() == names[::-1]
    assert listed(SortOrder="Ascending", PaginationConfig={"PageSize": 1}) == names
    assert listed(SortBy="Name") == names[::-1]
    middle = sagemaker.describe_model(ModelName=names[1])
    assert listed(CreationTimeBefore=middle["CreationTime"]) == names[:1]
    assert set(listed(CreationTimeAfter=middle["CreationTime"])) >= {names[2]}
    sagemaker.delete_model(ModelName=names[1])
    assert listed() == [names[2], names[0]]
    missing = f'Could not find model "{middle["ModelArn"]}".'
    for call in (sagemaker.describe_model, sagemaker.delete_model):
        assert refusal(call, ModelName=names[1]) == ("ValidationException", missing)


def test_a_name_is_taken_in_whatever_case(sagemaker: Any, model: str) -> None:
    arn = sagemaker.describe_model(ModelName=model)["ModelArn"]
    code, message = refusal(sagemaker.create_model, ModelName=model.upper(), PrimaryContainer={"Image": "x"})
    assert (code, message) == ("ValidationException", f'Cannot create already existing model "{arn}".')


IMAGE = {"Image": "x"}
SOURCE = {"S3Uri": "s3://jobs/none/", "S3DataType": "S3Prefix", "CompressionType": "None"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "exactly one of PrimaryContainer and Containers"),
    ({"PrimaryContainer": IMAGE, "Containers": [IMAGE]}, "exactly one of PrimaryContainer and Containers"),
    ({"PrimaryContainer": {}}, "exactly one of"),
    ({"PrimaryContainer": {"ContainerHostname": "x"}}, "needs an Image"),
    ({"PrimaryContainer": {"ModelPackageName": "x"}}, "ModelPackageName is not supported"),
    ({"PrimaryContainer": IMAGE | {"ModelDataUrl": "s3://jobs/model"}}, "with the suffix .tar.gz"),
    (
        {"PrimaryContainer": IMAGE | {"ModelDataUrl": "s3://jobs/no.tar.gz"}},
        "Could not find model data at s3://jobs/no",
    ),
    ({"PrimaryContainer": IMAGE | {"ModelDataUrl": "s3://nobody-s/no.tar.gz"}}, "Could not find model data at"),
    ({"PrimaryContainer": IMAGE | {"ModelDataUrl": "file:///nowhere/no.tar.gz"}}, "model data at file:///nowhere"),
    ({"PrimaryContainer": IMAGE | {"ModelDataUrl": "https://example.com/no.tar.gz"}}, "isn't usable"),
    (
        {
            "PrimaryContainer": IMAGE
            | {"ModelDataUrl": "s3://jobs/a.tar.gz", "ModelDataSource": {"S3DataSource": SOURCE}}
        },
        "both ModelDataUrl and ModelDataSource",
    ),
    ({"PrimaryContainer": IMAGE | {"ModelDataSource": {}}}, "ModelDataSource needs an S3DataSource"),
    ({"PrimaryContainer": IMAGE | {"ModelDataSource": {"S3DataSource": SOURCE}}}, "Could not find model data at"),
    (
        {"PrimaryContainer": IMAGE | {"ModelDataSource": {"S3DataSource": SOURCE | {"S3Uri": "s3://jobs/a"}}}},
        "must end with a slash",
    ),
    ({"PrimaryContainer": IMAGE | {"Mode": "MultiModel"}}, "needs a ModelDataUrl"),
    ({"PrimaryContainer": IMAGE | {"MultiModelConfig": {"ModelCacheSetting": "Enabled"}}}, "Mode MultiModel"),
    ({"PrimaryContainer": IMAGE, "InferenceExecutionConfig": {"Mode": "Serial"}}, "is for a model with Containers"),
    ({"Containers": [IMAGE, IMAGE], "InferenceExecutionConfig": {"Mode": "Direct"}}, "needs a ContainerHostname"),
    ({"Containers": [IMAGE | {"ContainerHostname": "x"}] * 2}, "used more than once"),
    ({"Containers": [IMAGE] * 16}, "length less than or equal to 15"),
    ({"ModelName": "-x", "PrimaryContainer": IMAGE}, "regular expression pattern"),
    ({"PrimaryContainer": {"Image": "a b"}}, "regular expression pattern"),
    ({"PrimaryContainer": IMAGE, "ExecutionRoleArn": "me"}, "at 'executionRoleArn'"),
    ({"PrimaryContainer": IMAGE, "Tags": tags(**{"aws:x": "y"})}, "reserved"),
]


@pytest.mark.parametrize(("request_", "why"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_refused_of_a_model(server: RunningServer, bucket: str, request_: dict[str, Any], why: str) -> None:
    sagemaker = server.client("sagemaker", config=Config(parameter_validation=False))
    name = new_name("refused")
    code, message = refusal(sagemaker.create_model, **{"ModelName": name, **request_})
    assert code == "ValidationException"
    assert why in message
    assert sagemaker.list_models(NameContains=name)["Models"] == []
