"""Endpoint configurations and endpoints, Search over them, and the guide's way from an endpoint to a training job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config

from jobs import new_name, refusal, training_ended
from pegbox.testing.requests import training_request
from running import RunningServer

CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 10,
    "DestinationS3Uri": "s3://jobs/captured",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def told(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def variant(model: str, name: str = "all", **more: Any) -> dict[str, Any]:
    return {"VariantName": name, "ModelName": model, "InstanceType": "local", "InitialInstanceCount": 1, **more}


def found(sagemaker: Any, resource: str, **filters: str) -> list[dict[str, Any]]:
    expression = {"Filters": [{"Name": name.replace("_", "."), "Value": value} for name, value in filters.items()]}
    answer = sagemaker.search(Resource=resource, SearchExpression=expression)
    return [result[resource] for result in answer["Results"]]


@pytest.fixture
def model(sagemaker: Any) -> str:
    name = new_name("Model")
    sagemaker.create_model(ModelName=name, PrimaryContainer={"Image": "mine:1"}, Tags=tags(project=name))
    return name


@pytest.fixture
def endpoint(sagemaker: Any, model: str) -> str:
    """The name of an endpoint and its configuration."""
    name = new_name("Served")
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant(model)])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags(project=name))
    return name


def test_a_configuration_is_told_as_it_was_given(sagemaker: Any, model: str) -> None:
    name = new_name("Config")
    request = {
        "ProductionVariants": [variant(model, InstanceType="ml.m5.large", VolumeSizeInGB=3)],
        "ShadowProductionVariants": [variant(model, "shadow", InitialVariantWeight=0.5)],
        "DataCaptureConfig": CAPTURE,
        "KmsKeyId": "key",
        "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://jobs/answers"}},
    }
    arn = sagemaker.create_endpoint_config(EndpointConfigName=name, Tags=tags(a="b"), **request)["EndpointConfigArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:endpoint-config/{name.lower()}"
    answer = told(sagemaker.describe_endpoint_config(EndpointConfigName=name))
    answer.pop("CreationTime")
    request["ProductionVariants"][0]["InitialVariantWeight"] = 1.0  # type: ignore[index]
    assert answer == {"EndpointConfigName": name, "EndpointConfigArn": arn, **request}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags(a="b")
    (listed,) = sagemaker.list_endpoint_configs(NameContains=name)["EndpointConfigs"]
    assert (listed["EndpointConfigName"], listed["EndpointConfigArn"]) == (name, arn)
    taken = refusal(sagemaker.create_endpoint_config, EndpointConfigName=name, ProductionVariants=[variant(model)])
    assert taken == ("ValidationException", f'Cannot create already existing endpoint configuration "{arn}".')
    sagemaker.delete_endpoint_config(EndpointConfigName=name)
    missing = ("ValidationException", f'Could not find endpoint configuration "{arn}".')
    assert refusal(sagemaker.describe_endpoint_config, EndpointConfigName=name) == missing
    assert refusal(sagemaker.delete_endpoint_config, EndpointConfigName=name) == missing


def test_an_endpoint_says_that_nothing_serves_it(sagemaker: Any, model: str) -> None:
    name = new_name("Endpoint")
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant(model)], DataCaptureConfig=CAPTURE
    )
    deployment = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}}
    }
    arn = sagemaker.create_endpoint(
        EndpointName=name, EndpointConfigName=name.lower(), DeploymentConfig=deployment, Tags=tags(a="b")
    )["EndpointArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:endpoint/{name.lower()}"
    answer = sagemaker.describe_endpoint(EndpointName=name)
    assert (answer["EndpointStatus"], answer["EndpointConfigName"]) == ("Failed", name)
    assert answer["FailureReason"].startswith("Nothing serves endpoints in this version of pegbox")
    assert answer["LastDeploymentConfig"] == deployment
    assert answer["DataCaptureConfig"]["CaptureStatus"] == "Stopped"
    (shown,) = answer["ProductionVariants"]
    (image,) = shown.pop("DeployedImages")
    assert image["SpecifiedImage"] == "mine:1"
    assert shown == {
        "VariantName": "all",
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 0,
        "DesiredInstanceCount": 1,
    }
    (listed,) = sagemaker.list_endpoints(NameContains=name, StatusEquals="Failed")["Endpoints"]
    assert listed["EndpointArn"] == arn
    assert sagemaker.list_endpoints(NameContains=name, StatusEquals="InService")["Endpoints"] == []
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags(a="b")
    taken = refusal(sagemaker.create_endpoint, EndpointName=name, EndpointConfigName=name)
    assert taken == ("ValidationException", f'Cannot create already existing endpoint "{arn}".')
    sagemaker.delete_endpoint(EndpointName=name)
    missing = ("ValidationException", f'Could not find endpoint "{arn}".')
    assert refusal(sagemaker.describe_endpoint, EndpointName=name) == missing
    assert refusal(sagemaker.delete_endpoint, EndpointName=name) == missing
    assert refusal(sagemaker.update_endpoint, EndpointName=name, EndpointConfigName=name) == missing


def test_an_endpoint_remembers_what_is_deleted_under_it(sagemaker: Any, model: str, endpoint: str) -> None:
    before = sagemaker.describe_endpoint(EndpointName=endpoint)
    sagemaker.delete_endpoint_config(EndpointConfigName=endpoint)
    sagemaker.delete_model(ModelName=model)
    assert told(sagemaker.describe_endpoint(EndpointName=endpoint)) == told(before)
    sagemaker.delete_endpoint(EndpointName=endpoint)


def test_an_endpoint_gets_another_configuration(sagemaker: Any, model: str, endpoint: str) -> None:
    other, later = new_name("Other"), new_name("Later")
    sagemaker.create_model(ModelName=other, PrimaryContainer={"Image": "mine:2"})
    sagemaker.create_endpoint_config(EndpointConfigName=later, ProductionVariants=[variant(other, "new")])
    before = sagemaker.describe_endpoint(EndpointName=endpoint)
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=later)
    after = sagemaker.describe_endpoint(EndpointName=endpoint)
    assert (after["EndpointConfigName"], after["EndpointStatus"]) == (later, "Failed")
    assert [each["VariantName"] for each in after["ProductionVariants"]] == ["new"]
    assert after["LastModifiedTime"] > before["LastModifiedTime"] == before["CreationTime"] == after["CreationTime"]
    assert sagemaker.list_tags(ResourceArn=after["EndpointArn"])["Tags"] == tags(project=endpoint)
    assert found(sagemaker, "Model", ModelName=model)[0].get("Endpoints") is None
    assert [each["EndpointName"] for each in found(sagemaker, "Model", ModelName=other)[0]["Endpoints"]] == [endpoint]


def test_weights_and_capacities_are_changed_and_retained(sagemaker: Any, model: str, endpoint: str) -> None:
    def shown() -> tuple[float, int]:
        (only,) = sagemaker.describe_endpoint(EndpointName=endpoint)["ProductionVariants"]
        return only["DesiredWeight"], only["DesiredInstanceCount"]

    change = {"VariantName": "ALL", "DesiredWeight": 0.25, "DesiredInstanceCount": 3}
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=endpoint, DesiredWeightsAndCapacities=[change])
    assert shown() == (0.25, 3)
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint, RetainAllVariantProperties=True)
    assert shown() == (0.25, 3)
    sagemaker.update_endpoint(
        EndpointName=endpoint,
        EndpointConfigName=endpoint,
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    assert shown() == (1.0, 3)
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)
    assert shown() == (1.0, 1)

    def refused(**change: Any) -> str:
        code, message = refusal(
            sagemaker.update_endpoint_weights_and_capacities,
            EndpointName=endpoint,
            DesiredWeightsAndCapacities=[{"VariantName": "all", **change}],
        )
        assert code == "ValidationException"
        return message

    assert "has no variant [other]" in refused(VariantName="other")
    assert "is not serverless" in refused(ServerlessUpdateConfig={"MaxConcurrency": 2})


def test_a_serverless_variant_gets_more_at_once(sagemaker: Any, model: str) -> None:
    name = new_name("serverless")
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    only = {"VariantName": "all", "ModelName": model, "ServerlessConfig": serverless}
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[only])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    more = {"VariantName": "all", "ServerlessUpdateConfig": {"MaxConcurrency": 9}}
    sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=[more])
    (shown,) = sagemaker.describe_endpoint(EndpointName=name)["ProductionVariants"]
    assert shown["DesiredServerlessConfig"] == serverless | {"MaxConcurrency": 9}
    assert "CurrentInstanceCount" not in shown


def test_search_over_models_and_endpoints(sagemaker: Any, model: str, endpoint: str) -> None:
    (record,) = found(sagemaker, "Model", Tags_project=model)
    described = told(sagemaker.describe_model(ModelName=model))
    assert record["Model"] == described | {"Tags": tags(project=model)}
    (served,) = record["Endpoints"]
    shown = told(sagemaker.describe_endpoint(EndpointName=endpoint))
    assert served == {name: shown[name] for name in served}
    assert found(sagemaker, "Model", Endpoints_EndpointName=endpoint) == [record]
    assert found(sagemaker, "Model", Model_ModelName=model, Model_PrimaryContainer_Image="mine:1") == [record]
    assert found(sagemaker, "Model", ModelName=model, PrimaryContainer_Image="mine:2") == []
    (record,) = found(sagemaker, "Endpoint", EndpointName=endpoint)
    assert record == shown | {"Tags": tags(project=endpoint)}
    assert found(sagemaker, "Endpoint", EndpointConfigName=endpoint, EndpointStatus="Failed") == [record]
    assert found(sagemaker, "Endpoint", ProductionVariants_VariantName="all", Tags_project=endpoint) == [record]
    sagemaker.delete_endpoint(EndpointName=endpoint)
    assert found(sagemaker, "Endpoint", EndpointName=endpoint) == []
    assert found(sagemaker, "Model", Endpoints_EndpointName=endpoint) == []
    suggested = sagemaker.get_search_suggestions(
        Resource="Model", SuggestionQuery={"PropertyNameQuery": {"PropertyNameHint": "ModelDataUrl"}}
    )
    assert {"PropertyName": "Model.PrimaryContainer.ModelDataUrl"} in suggested["PropertyNameSuggestions"]


def test_models_are_sorted_and_paged(sagemaker: Any) -> None:
    project = new_name("sorted")
    for number in range(3):
        sagemaker.create_model(
            ModelName=f"{project}-{number}", PrimaryContainer={"Image": "x"}, Tags=tags(project=project)
        )
    query = {
        "Resource": "Model",
        "SearchExpression": {"Filters": [{"Name": "Tags.project", "Value": project}]},
        "PaginationConfig": {"PageSize": 1},
    }

    def names(**order: str) -> list[str]:
        pages = sagemaker.get_paginator("search").paginate(**query, **order)
        return [each["Model"]["Model"]["ModelName"][-1] for page in pages for each in page["Results"]]

    assert names() == names(SortBy="CreationTime") == ["2", "1", "0"]
    assert names(SortBy="Model.ModelName", SortOrder="Ascending") == ["0", "1", "2"]


def test_the_recipe_of_the_guide(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    """From an endpoint to the training job that made its model, in the words of the developer guide."""
    smclient, endpointName, job = sagemaker, new_name("endpoint"), new_name("trained")
    program = image("open('/opt/ml/model/weights', 'w').write('1')")
    for name in (job, new_name("another")):
        smclient.create_training_job(**training_request(name, program, here))
        ended = training_ended(smclient, name)
    ended = smclient.describe_training_job(TrainingJobName=job)
    container = {"Image": "mine", "ModelDataUrl": ended["ModelArtifacts"]["S3ModelArtifacts"]}
    smclient.create_model(ModelName=job, PrimaryContainer=container)
    smclient.create_endpoint_config(EndpointConfigName=endpointName, ProductionVariants=[variant(job)])
    smclient.create_endpoint(EndpointName=endpointName, EndpointConfigName=endpointName)

    # Get the name of model deployed at endpoint
    endpoint_config = smclient.describe_endpoint_config(EndpointConfigName=endpointName)
    model_name = endpoint_config["ProductionVariants"][0]["ModelName"]

    # Get the model's name
    model = smclient.describe_model(ModelName=model_name)

    # Search the training job by Amazon S3 location of model artifacts
    search_params = {
        "MaxResults": 1,
        "Resource": "TrainingJob",
        "SearchExpression": {
            "Filters": [
                {
                    "Name": "ModelArtifacts.S3ModelArtifacts",
                    "Operator": "Equals",
                    "Value": model["PrimaryContainer"]["ModelDataUrl"],
                }
            ]
        },
    }
    results = smclient.search(**search_params)

    (result,) = results["Results"]
    assert result["TrainingJob"]["TrainingJobName"] == job
    assert results["TotalHits"] == {"Value": 1, "Relation": "EqualTo"}


SERVERLESS = {"VariantName": "a", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}}
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ProductionVariants": [variant("nobody-knows")]}, 'Could not find model "arn:aws:sagemaker:us-east-1'),
    ({"ProductionVariants": []}, "length greater than or equal to 1"),
    ({}, "Member must not be null"),
    ({"ProductionVariants": [{"VariantName": "a"}]}, "needs a ModelName"),
    ({"ProductionVariants": [{"VariantName": "a", "ModelName": "M"}]}, "exactly one of InstanceType, InstancePools"),
    ({"ProductionVariants": [{**variant("M"), "InitialInstanceCount": None}]}, "needs an InitialInstanceCount"),
    ({"ProductionVariants": [variant("M", InitialInstanceCount=0)]}, "value greater than or equal to 1"),
    ({"ProductionVariants": [variant("M", InstanceType="large")]}, "at 'productionVariants.1.member.instanceType'"),
    ({"ProductionVariants": [variant("M"), variant("M", "ALL")]}, "used more than once"),
    ({"ProductionVariants": [variant("M", **SERVERLESS)]}, "exactly one of InstanceType"),
    (
        {"ProductionVariants": [{"ModelName": "M", **SERVERLESS, "InitialInstanceCount": 1}]},
        "leave InitialInstanceCount out",
    ),
    (
        {"ProductionVariants": [{"ModelName": "M", **SERVERLESS}, variant("M")]},
        "ServerlessConfig must be the only one",
    ),
    (
        {
            "ProductionVariants": [
                {
                    "ModelName": "M",
                    "VariantName": "a",
                    "ServerlessConfig": {"MemorySizeInMB": 2000, "MaxConcurrency": 5},
                }
            ]
        },
        "must be a multiple of 1024",
    ),
    (
        {"ProductionVariants": [variant("M")], "ShadowProductionVariants": [variant("M", "b"), variant("M", "c")]},
        "one production variant and one shadow variant",
    ),
    (
        {"ProductionVariants": [variant("M", ManagedInstanceScaling={"MinInstanceCount": 3, "MaxInstanceCount": 2})]},
        "above its MaxInstanceCount",
    ),
    (
        {"ProductionVariants": [variant("M")], "ExecutionRoleArn": "arn:aws:iam::000000000000:role/serving"},
        "inference components, which are not supported",
    ),
    ({"ProductionVariants": [variant("M")], "DataCaptureConfig": {**CAPTURE, "CaptureOptions": []}}, "captureOptions"),
    ({"ProductionVariants": [variant("M")], "Tags": tags(a="1") + tags(a="2")}, "more than once"),
]


@pytest.mark.parametrize(("request_", "why"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_refused_of_a_configuration(server: RunningServer, request_: dict[str, Any], why: str) -> None:
    sagemaker = server.client("sagemaker", config=Config(parameter_validation=False))
    code, message = refusal(sagemaker.create_endpoint_config, EndpointConfigName=new_name("bad"), **request_)
    assert (code, why in message) == ("ValidationException", True), message


def test_what_is_refused_of_an_endpoint(sagemaker: Any, model: str, endpoint: str) -> None:
    def refused(call: Any, **request: Any) -> str:
        code, message = refusal(call, **{"EndpointName": new_name("bad"), "EndpointConfigName": endpoint, **request})
        assert code == "ValidationException"
        return message

    create, update = sagemaker.create_endpoint, sagemaker.update_endpoint
    assert "Could not find endpoint configuration" in refused(create, EndpointConfigName="nobody-knows")
    assert "CanarySize must be given" in refused(
        create,
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "CANARY", "WaitIntervalInSeconds": 0}}
        },
    )
    assert "needs RetainAllVariantProperties" in refused(
        update, ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}]
    )
    assert "Could not find endpoint" in refused(update)
    sagemaker.delete_model(ModelName=model)
    assert "Could not find model" in refused(create)
