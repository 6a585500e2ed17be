"""Experiments, trials and trial components through boto3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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


@pytest.fixture
def trial(sagemaker: Any, experiment: str) -> str:
    name = new_name("Trial")
    sagemaker.create_trial(TrialName=name, ExperimentName=experiment.upper())
    return name


@pytest.fixture
def component(sagemaker: Any) -> str:
    name = new_name("comp")
    sagemaker.create_trial_component(TrialComponentName=name)
    return name


def associate(sagemaker: Any, component: str, trial: str) -> dict[str, Any]:
    return without_metadata(sagemaker.associate_trial_component(TrialComponentName=component, TrialName=trial))


def test_a_trial_is_told_as_it_was_given(sagemaker: Any, experiment: str) -> None:
    name = new_name("Trial")
    properties = {"CommitId": "0a1b", "Repository": "https://example.org/r.git"}
    given = {"DisplayName": "shown", "MetadataProperties": properties}
    tags = [{"Key": "team", "Value": "vision"}]
    arn = sagemaker.create_trial(TrialName=name, ExperimentName=experiment.upper(), **given, Tags=tags)["TrialArn"]
    assert arn.endswith(f":experiment-trial/{name.lower()}")
    told = without_metadata(sagemaker.describe_trial(TrialName=name.lower()))
    assert told.pop("CreationTime") == told.pop("LastModifiedTime")
    expected = {"TrialName": name, "TrialArn": arn, "ExperimentName": experiment, **given}
    assert told == expected | {"CreatedBy": {}, "LastModifiedBy": {}}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    (record,) = found(
        sagemaker, "ExperimentTrial", equal("MetadataProperties.CommitId", "0a1b"), equal("TrialName", name)
    )
    assert (record["Tags"], record["TrialComponentSummaries"]) == (tags, [])
    code, message = refusal(sagemaker.create_trial, TrialName=name, ExperimentName=experiment)
    assert code == "ValidationException" and "already exists" in message
    code, _ = refusal(sagemaker.create_trial, TrialName=new_name("t"), ExperimentName="nobody-knows")
    assert code == "ResourceNotFound"


def test_what_is_in_use_is_not_deleted(sagemaker: Any, experiment: str, trial: str, component: str) -> None:
    associate(sagemaker, component, trial)
    for noun, name in (("Experiment", experiment), ("Trial", trial), ("TrialComponent", component)):
        operation = {"Experiment": "experiment", "Trial": "trial", "TrialComponent": "trial_component"}[noun]
        code, message = refusal(getattr(sagemaker, f"delete_{operation}"), **{f"{noun}Name": name})
        assert code == "ValidationException" and "can't be deleted" in message
    answer = sagemaker.disassociate_trial_component(TrialComponentName=component, TrialName=trial)
    assert without_metadata(answer) == associate(sagemaker, component, trial)
    sagemaker.disassociate_trial_component(TrialComponentName=component, TrialName=trial)
    code, _ = refusal(sagemaker.disassociate_trial_component, TrialComponentName=component, TrialName=trial)
    assert code == "ResourceNotFound"
    sagemaker.delete_trial_component(TrialComponentName=component)
    sagemaker.delete_trial(TrialName=trial)
    sagemaker.delete_experiment(ExperimentName=experiment)
    assert refusal(sagemaker.describe_trial, TrialName=trial)[0] == "ResourceNotFound"
    assert refusal(sagemaker.describe_trial_component, TrialComponentName=component)[0] == "ResourceNotFound"


def test_a_component_is_told_as_it_was_given(sagemaker: Any) -> None:
    name = new_name("Comp")
    moment = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    given = {
        "DisplayName": "shown",
        "Status": {"PrimaryStatus": "InProgress", "Message": "on its way"},
        "StartTime": moment,
        "Parameters": {"eta": {"NumberValue": 0.1}, "optimizer": {"StringValue": "adam"}},
        "InputArtifacts": {"train": {"MediaType": "text/csv", "Value": "s3://jobs/train"}},
        "OutputArtifacts": {"model": {"Value": "s3://jobs/model"}},
        "MetadataProperties": {"CommitId": "0a1b"},
    }
    arn = sagemaker.create_trial_component(TrialComponentName=name, **given)["TrialComponentArn"]
    told = without_metadata(sagemaker.describe_trial_component(TrialComponentName=arn))
    assert told.pop("CreationTime") == told.pop("LastModifiedTime")
    expected = {"TrialComponentName": name, "TrialComponentArn": arn, **given}
    assert told == expected | {"Metrics": [], "CreatedBy": {}, "LastModifiedBy": {}}
    sagemaker.update_trial_component(
        TrialComponentName=name,
        Status={"PrimaryStatus": "Completed"},
        EndTime=moment + timedelta(hours=1),
        Parameters={"eta": {"NumberValue": 0.2}, "depth": {"NumberValue": 3}},
        ParametersToRemove=["optimizer", "nobody-knows"],
        InputArtifactsToRemove=["train"],
    )
    told = sagemaker.describe_trial_component(TrialComponentName=name)
    assert told["Parameters"] == {"eta": {"NumberValue": 0.2}, "depth": {"NumberValue": 3.0}}
    assert told["Status"] == {"PrimaryStatus": "Completed"}
    assert (told["StartTime"], told["EndTime"]) == (moment, moment + timedelta(hours=1))
    assert (told["InputArtifacts"], told["OutputArtifacts"]) == ({}, given["OutputArtifacts"])


def test_what_a_component_can_not_be(sagemaker: Any, component: str) -> None:
    both = {"Parameters": {"a": {"NumberValue": 1, "StringValue": "1"}}}
    code, message = refusal(sagemaker.update_trial_component, TrialComponentName=component, **both)
    assert code == "ValidationException" and "one of StringValue and NumberValue" in message
    for start in range(0, 300, 100):
        many = {f"p{number}": {"NumberValue": number} for number in range(start, start + 100)}
        sagemaker.update_trial_component(TrialComponentName=component, Parameters=many)
    one_more = {"Parameters": {"one": {"NumberValue": 1}}}
    code, message = refusal(sagemaker.update_trial_component, TrialComponentName=component, **one_more)
    assert code == "ValidationException" and "less than or equal to 300" in message
    code, message = refusal(sagemaker.create_trial_component, TrialComponentName=component.upper())
    assert code == "ValidationException" and "already exists" in message


def test_components_and_trials_are_listed(sagemaker: Any, experiment: str) -> None:
    trials = [new_name("trial") for _ in range(2)]
    for name in trials:
        sagemaker.create_trial(TrialName=name, ExperimentName=experiment)
    components = [new_name("comp") for _ in range(4)]
    for number, name in enumerate(components):
        sagemaker.create_trial_component(TrialComponentName=name)
        if number < 3:
            associate(sagemaker, name, trials[0])
    associate(sagemaker, components[0], trials[1])
    associate(sagemaker, components[0], trials[1])  # no harm

    def listed(operation: str, noun: str, **request: Any) -> list[str]:
        pages = sagemaker.get_paginator(operation).paginate(**request, PaginationConfig={"PageSize": 2})
        return [each[f"{noun}Name"] for page in pages for each in page[f"{noun}Summaries"]]

    assert listed("list_trials", "Trial", ExperimentName=experiment) == trials[::-1]
    assert listed("list_trials", "Trial", TrialComponentName=components[0]) == trials[::-1]
    assert listed("list_trials", "Trial", TrialComponentName=components[1]) == trials[:1]
    of_trial = listed("list_trial_components", "TrialComponent", TrialName=trials[0], SortOrder="Ascending")
    assert of_trial == components[:3]
    of_experiment = listed("list_trial_components", "TrialComponent", ExperimentName=experiment, SortBy="Name")
    assert of_experiment == sorted(components[:3], reverse=True)
    assert listed("list_trial_components", "TrialComponent")[:4] == components[::-1]
    code, message = refusal(sagemaker.list_trial_components, TrialName=trials[0], ExperimentName=experiment)
    assert code == "ValidationException" and "Only one of" in message
    for request in ({"TrialName": "nobody-knows"}, {"ExperimentName": "nobody-knows"}):
        assert refusal(sagemaker.list_trial_components, **request)[0] == "ResourceNotFound"
    (record,) = found(sagemaker, "ExperimentTrial", equal("TrialName", trials[0]))
    assert [each["TrialComponentName"] for each in record["TrialComponentSummaries"]] == components[:3]


def test_components_are_found_by_what_they_are_in(sagemaker: Any, experiment: str, trial: str, component: str) -> None:
    def names(*filters: Mapping[str, str], **more: Any) -> list[str]:
        records = found(sagemaker, "ExperimentTrialComponent", *filters, **more)
        return [record["TrialComponentName"] for record in records]

    run = (equal("TrialComponentName", component), equal("Parents.TrialName", trial))  # what the SDK's Run asks
    assert names(*run) == []
    associate(sagemaker, component, trial)
    assert names(*run) == [component]
    (record,) = found(sagemaker, "ExperimentTrialComponent", equal("Parents.ExperimentName", experiment))
    assert record["Parents"] == [{"TrialName": trial, "ExperimentName": experiment}]
    other = new_name("other")
    sagemaker.create_trial(TrialName=other, ExperimentName=experiment)
    associate(sagemaker, component, other)

    def both(trial_name: str, experiment_name: str) -> list[str]:
        filters = [equal("Parents.TrialName", trial_name), equal("Parents.ExperimentName", experiment_name)]
        return names(SearchExpression={"NestedFilters": [{"NestedPropertyName": "Parents", "Filters": filters}]})

    assert both(other, experiment) == [component]
    assert both(other, "nobody-knows") == []
    for name in (trial, other):
        sagemaker.disassociate_trial_component(TrialComponentName=component, TrialName=name)
    assert names(*run) == []


def test_components_are_found_by_what_they_have(sagemaker: Any) -> None:
    label = new_name("label")
    for number in range(3):
        sagemaker.create_trial_component(
            TrialComponentName=f"{label}-{number}",
            Parameters={"a.eta": {"NumberValue": number / 10}, "kind": {"StringValue": "abc"[number]}},
            InputArtifacts={"train.set": {"Value": f"s3://jobs/{label}/{number}", "MediaType": "text/csv"}},
            Tags=[{"Key": "label", "Value": label}],
        )
    mine = equal("Tags.label", label)

    def names(*filters: Mapping[str, str], **more: Any) -> list[int]:
        records = found(sagemaker, "ExperimentTrialComponent", mine, *filters, **more)
        return sorted(int(record["TrialComponentName"][-1]) for record in records)

    assert names() == [0, 1, 2]
    assert names({"Name": "Parameters.a.eta", "Operator": "GreaterThan", "Value": "0.05"}) == [1, 2]
    assert names(equal("parameters.kind", "b")) == [1]
    assert names({"Name": "InputArtifacts.train.set.Value", "Operator": "Contains", "Value": f"{label}/2"}) == [2]
    assert names(equal("InputArtifacts.train.set.mediatype", "text/csv")) == [0, 1, 2]
    expression = {"SearchExpression": {"Filters": [equal("InputArtifacts.train.set", "x")]}}
    code, message = refusal(sagemaker.search, Resource="ExperimentTrialComponent", **expression)
    assert (code, message) == ("ValidationException", "Unknown property name: InputArtifacts.train.set")
    hint = {"PropertyNameQuery": {"PropertyNameHint": "a.eta"}}
    answer = sagemaker.get_search_suggestions(Resource="ExperimentTrialComponent", SuggestionQuery=hint)
    assert {"PropertyName": "Parameters.a.eta"} in answer["PropertyNameSuggestions"]
