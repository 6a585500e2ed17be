"""Experiments, trials and trial components through boto3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from jobs import new_name, refusal


def found(sagemaker: Any, resource: str, *filters: Mapping[str, str], **more: Any) -> list[dict[str, Any]]:
    """The records on all pages of a search."""
    if filters:
        more["SearchExpression"] = {"Filters": list(filters)}
    member = resource.removeprefix("Experiment") or resource
    pages = sagemaker.get_paginator("search").paginate(Resource=resource, **more)
    return [result[member] for page in pages for result in page["Results"]]


def equal(name: str, value: str) -> dict[str, str]:
    return {"Name": name, "Operator": "Equals", "Value": value}


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


@pytest.fixture
def experiment(sagemaker: Any) -> str:
    name = new_name("Exp")
    sagemaker.create_experiment(ExperimentName=name)
    return name


def test_an_experiment_is_told_as_it_was_given(sagemaker: Any) -> None:
    name = new_name("Exp")
    given = {"DisplayName": "shown", "Description": "what for: ä"}
    tags = [{"Key": "team", "Value": "vision"}]
    arn = sagemaker.create_experiment(ExperimentName=name, **given, Tags=tags)["ExperimentArn"]
    assert arn.endswith(f":experiment/{name.lower()}")
    told = without_metadata(sagemaker.describe_experiment(ExperimentName=name.upper()))
    times = {told.pop("CreationTime"), told.pop("LastModifiedTime")}
    assert len(times) == 1
    assert told == {"ExperimentName": name, "ExperimentArn": arn, **given, "CreatedBy": {}, "LastModifiedBy": {}}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    (record,) = found(sagemaker, "Experiment", equal("ExperimentName", name))
    assert record.pop("Tags") == tags
    assert record == without_metadata(sagemaker.describe_experiment(ExperimentName=name))


def test_an_experiment_is_shown_by_its_name_if_it_has_no_other(sagemaker: Any, experiment: str) -> None:
    assert sagemaker.describe_experiment(ExperimentName=experiment)["DisplayName"] == experiment


def test_names_of_experiments_are_unique(sagemaker: Any, experiment: str) -> None:
    with pytest.raises(ClientError) as error:
        sagemaker.create_experiment(ExperimentName=experiment.lower())
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert "already exists" in error.value.response["Error"]["Message"]  # what the SDK looks for


def test_an_experiment_is_changed(sagemaker: Any, experiment: str) -> None:
    before = sagemaker.describe_experiment(ExperimentName=experiment)
    sagemaker.update_experiment(ExperimentName=experiment, Description="new")
    sagemaker.update_experiment(ExperimentName=experiment, DisplayName="other")
    after = sagemaker.describe_experiment(ExperimentName=experiment)
    assert (after["DisplayName"], after["Description"]) == ("other", "new")
    assert after["CreationTime"] == before["CreationTime"]
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    assert found(sagemaker, "Experiment", equal("DisplayName", "other"), equal("ExperimentName", experiment))


def test_an_experiment_is_deleted(sagemaker: Any, experiment: str) -> None:
    arn = sagemaker.delete_experiment(ExperimentName=experiment)["ExperimentArn"]
    assert arn.endswith(experiment.lower())
    for operation in ("describe_experiment", "update_experiment", "delete_experiment"):
        code, message = refusal(getattr(sagemaker, operation), ExperimentName=experiment)
        assert (code, message) == ("ResourceNotFound", f"Experiment '{experiment}' does not exist.")
    assert not found(sagemaker, "Experiment", equal("ExperimentName", experiment))


def test_experiments_are_listed(sagemaker: Any) -> None:
    names = [new_name("Listed") for _ in range(3)]
    for name in names:
        sagemaker.create_experiment(ExperimentName=name)
    began = sagemaker.describe_experiment(ExperimentName=names[0])["CreationTime"]

    def listed(**more: Any) -> list[str]:
        pages = sagemaker.get_paginator("list_experiments").paginate(**more, PaginationConfig={"PageSize": 1})
        shown = [each["ExperimentName"] for page in pages for each in page["ExperimentSummaries"]]
        return [name for name in shown if name in names]

    assert listed() == names[::-1]
    assert listed(SortBy="Name", SortOrder="Ascending") == sorted(names)
    assert listed(CreatedAfter=began - timedelta(milliseconds=1), SortOrder="Ascending") == names
    assert listed(CreatedBefore=began - timedelta(milliseconds=1)) == []


def test_experiments_are_suggested(sagemaker: Any, experiment: str) -> None:
    query = {"PropertyNameQuery": {"PropertyNameHint": "experimentn"}}
    answer = sagemaker.get_search_suggestions(Resource="Experiment", SuggestionQuery=query)
    assert answer["PropertyNameSuggestions"] == [{"PropertyName": "ExperimentName"}]
