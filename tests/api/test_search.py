"""Search and its suggestions through boto3: the examples of the guide, every write found at once, what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from jobs import children, new_name, refusal, training_ended, tuning_ended
from pegbox.testing.requests import channel, training_request, tuning_request
from running import RunningServer

ACCURACY = "train:binary_classification_accuracy"


def tag(key: str, value: str) -> dict[str, str]:
    return {"Key": key, "Value": value}


def condition(name: str, operator: str, value: str) -> dict[str, str]:
    return {"Name": name, "Operator": operator, "Value": value}


def found(sagemaker: Any, *filters: Mapping[str, str], **more: Any) -> list[str]:
    """The names of the training jobs on all pages."""
    if filters:
        more["SearchExpression"] = {"Filters": list(filters)}
    pages = sagemaker.get_paginator("search").paginate(Resource="TrainingJob", **more)
    return [result["TrainingJob"]["TrainingJobName"] for page in pages for result in page["Results"]]


@pytest.fixture(scope="module")
def project(
    sagemaker: Any, server: RunningServer, s3: Any, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Three finished training jobs of one project: their names by what they got, low, high and none."""
    from jobs import register

    folder = tmp_path_factory.mktemp("project")
    image = register(
        server,
        folder,
        """
        import json
        accuracy = json.load(open("/opt/ml/input/config/hyperparameters.json")).get("accuracy")
        if accuracy:
            print(f"accuracy={accuracy};")
        """,
    )
    names, label = {}, new_name("Project")
    s3.put_object(Bucket=bucket, Key=f"{label}/catdata/cat.csv", Body=b"meow")
    for kind, values in (
        ("low", {"accuracy": "0.25"}),
        ("high", {"accuracy": "0.75", "linear_lr": "0.1"}),
        ("none", {}),
    ):
        names[kind] = new_name(kind)
        request = training_request(
            names[kind],
            image,
            f"s3://{bucket}/{label}/out",
            HyperParameters={"feature_dim": "784", **values},
            InputDataConfig=[channel("train", f"s3://{bucket}/{label}/catdata")],
            Tags=[tag("Project", label), tag("kind", kind)],
        )
        request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": ACCURACY, "Regex": "accuracy=(.*?);"}]
        sagemaker.create_training_job(**request)
    for name in names.values():
        assert training_ended(sagemaker, name)["TrainingJobStatus"] == "Completed"
    return {**names, "label": label}


def test_the_leaderboard_of_the_guide(sagemaker: Any, project: dict[str, str]) -> None:
    mine = condition("Tags.Project", "Equals", project["label"])
    order = {"SortBy": f"Metrics.{ACCURACY}", "SortOrder": "Descending"}
    assert found(sagemaker, mine, **order) == [project["high"], project["low"], project["none"]]
    assert found(sagemaker, mine, **order | {"SortOrder": "Ascending"}) == [
        project["low"],
        project["high"],
        project["none"],
    ]
    assert found(sagemaker, mine, condition(f"Metrics.{ACCURACY}", "GreaterThan", "0.5")) == [project["high"]]


def test_a_record_is_what_describe_tells_with_tags(sagemaker: Any, project: dict[str, str]) -> None:
    named = {"Filters": [{"Name": "TrainingJobName", "Value": project["high"]}]}
    answer = sagemaker.search(Resource="TrainingJob", SearchExpression=named)
    assert answer["TotalHits"] == {"Value": 1, "Relation": "EqualTo"}
    (result,) = answer["Results"]
    assert result.keys() == {"TrainingJob"}
    described = sagemaker.describe_training_job(TrainingJobName=project["high"])
    del described["ResponseMetadata"]
    record = result["TrainingJob"]
    assert record.pop("Tags") == [tag("Project", project["label"]), tag("kind", "high")]
    assert record == {name: value for name, value in described.items() if name in record}
    assert {"FinalMetricDataList", "SecondaryStatusTransitions", "TrainingTimeInSeconds"} <= record.keys()


def test_the_nested_filters_of_the_guide(sagemaker: Any, project: dict[str, str]) -> None:
    def used(name: str, uri: str) -> list[str]:
        filters = [
            condition("InputDataConfig.ChannelName", "Equals", name),
            condition("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", uri),
        ]
        nested = {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}
        return found(sagemaker, SearchExpression=nested)

    place = f"{project['label']}/catdata"
    assert set(used("train", place)) == {project["low"], project["high"], project["none"]}
    assert used("test", place) == used("train", f"{place}/dogs") == []


def test_a_hyperparameter_that_reads_as_a_number_is_text_as_well(sagemaker: Any, project: dict[str, str]) -> None:
    """As it was given: `Contains` and `In`, which numbers do not know, look at its letters."""
    mine = condition("Tags.Project", "Equals", project["label"])
    for name, operator, value, kinds in (
        ("accuracy", "Contains", ".2", {"low"}),
        ("accuracy", "Contains", "5", {"low", "high"}),
        ("accuracy", "In", "0.75,0.9", {"high"}),
        ("accuracy", "Contains", "0.250", set()),
        ("accuracy", "LessThan", "0.250000001", {"low"}),
        ("feature_dim", "Contains", "78", {"low", "high", "none"}),
    ):
        asked = condition(f"HyperParameters.{name}", operator, value)
        assert set(found(sagemaker, mine, asked)) == {project[kind] for kind in kinds}, asked


def test_a_model_leads_to_its_job(sagemaker: Any, project: dict[str, str]) -> None:
    artifacts = sagemaker.describe_training_job(TrainingJobName=project["low"])["ModelArtifacts"]["S3ModelArtifacts"]
    assert found(sagemaker, condition("ModelArtifacts.S3ModelArtifacts", "Equals", artifacts)) == [project["low"]]


def test_subexpressions_and_visibility(sagemaker: Any, project: dict[str, str]) -> None:
    either = {
        "Operator": "Or",
        "Filters": [condition("Tags.kind", "Equals", "low")],
        "SubExpressions": [
            {"Filters": [condition("HyperParameters.linear_lr", "LessThan", "0.5"), {"Name": f"Metrics.{ACCURACY}"}]}
        ],
    }
    expression = {"Filters": [condition("Tags.Project", "Equals", project["label"])], "SubExpressions": [either]}
    assert set(found(sagemaker, SearchExpression=expression)) == {project["low"], project["high"]}
    visible = [{"Key": "Tags.kind", "Value": "low"}, {"Key": "Tags.unheard-of", "Value": "x"}]
    assert found(sagemaker, SearchExpression=expression, VisibilityConditions=visible) == [project["low"]]


def test_what_was_just_written_is_found(sagemaker: Any, here: str) -> None:
    label, name = new_name("Project"), new_name("Fresh")
    mine = condition("Tags.Project", "Equals", label)
    arn = sagemaker.create_training_job(**training_request(name, "any", here))["TrainingJobArn"]
    assert found(sagemaker, condition("TrainingJobName", "Equals", name)) == [name]
    assert found(sagemaker, mine) == []
    for _ in range(5):
        sagemaker.add_tags(ResourceArn=arn, Tags=[tag("Project", label)])
        assert found(sagemaker, mine) == [name]
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=["Project"])
        assert found(sagemaker, mine) == []
    training_ended(sagemaker, name)
    failed = condition("TrainingJobStatus", "In", "Failed,Stopped")
    assert found(sagemaker, failed, condition("TrainingJobName", "Equals", name)) == [name]


def test_a_tuning_job_with_what_its_training_jobs_made_of_it(
    sagemaker: Any, image: Callable[..., str], here: str
) -> None:
    name = new_name("Tuned")
    request = tuning_request(name, image("print('loss=0.5;')"), here, jobs=2, at_once=2)
    sagemaker.create_hyper_parameter_tuning_job(**request, Tags=[tag("Project", name)])
    ended = tuning_ended(sagemaker, name)

    def tuning(*filters: Mapping[str, str]) -> list[dict[str, Any]]:
        expression = {"Filters": [condition("HyperParameterTuningJobName", "Equals", name), *filters]}
        answer = sagemaker.search(Resource="HyperParameterTuningJob", SearchExpression=expression)
        return [result["HyperParameterTuningJob"] for result in answer["Results"]]

    best = "BestTrainingJob.FinalHyperParameterTuningJobObjectiveMetric.Value"
    (record,) = tuning(
        condition("TrainingJobStatusCounters.Completed", "Equals", "2"),
        condition(best, "LessThanOrEqualTo", "0.5"),
        condition("HyperParameterTuningJobConfig.Strategy", "Equals", "Random"),
    )
    assert record["BestTrainingJob"] == ended["BestTrainingJob"]
    assert record["TrainingJobDefinition"] == ended["TrainingJobDefinition"]
    assert record["Tags"] == [tag("Project", name)]
    assert tuning(condition("TrainingJobStatusCounters.Stopped", "GreaterThan", "0")) == []
    theirs = [child["TrainingJobName"] for child in children(sagemaker, name)]
    of_it = condition("TuningJobArn", "Equals", ended["HyperParameterTuningJobArn"])
    assert set(found(sagemaker, of_it, condition("Tags.Project", "Equals", name))) == set(theirs)
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning() == []
    assert set(found(sagemaker, of_it)) == set(theirs)


def test_others_see_nothing(sagemaker: Any, server: RunningServer, project: dict[str, str]) -> None:
    mine = condition("Tags.Project", "Equals", project["label"])
    assert len(found(sagemaker, mine)) == 3
    elsewhere = server.client("sagemaker", region_name="eu-west-3")
    assert found(elsewhere, mine) == []
    assert elsewhere.get_search_suggestions(Resource="TrainingJob")["PropertyNameSuggestions"] == []


def test_suggestions(sagemaker: Any, project: dict[str, str]) -> None:
    def suggested(hint: str | None = None, resource: str = "TrainingJob") -> list[str]:
        query = {} if hint is None else {"SuggestionQuery": {"PropertyNameQuery": {"PropertyNameHint": hint}}}
        answer = sagemaker.get_search_suggestions(Resource=resource, **query)
        return [each["PropertyName"] for each in answer["PropertyNameSuggestions"]]

    assert suggested("LINEAR") == ["HyperParameters.linear_lr"]
    assert suggested("binary_class") == [f"Metrics.{ACCURACY}"]
    assert "Tags.Project" in suggested("tags.")
    assert "InputDataConfig.DataSource.S3DataSource.S3Uri" in suggested("S3Uri")
    assert 0 < len(suggested()) <= 10
    assert suggested("linear", resource="Experiment") == []
    assert found(
        sagemaker, {"Name": "hyperparameters.linear_lr"}, condition("Tags.Project", "Equals", project["label"])
    )


def test_pages(sagemaker: Any, project: dict[str, str]) -> None:
    request = {
        "Resource": "TrainingJob",
        "SearchExpression": {"Filters": [condition("Tags.Project", "Equals", project["label"])]},
        "MaxResults": 2,
    }
    first = sagemaker.search(**request)
    assert (len(first["Results"]), first["TotalHits"]["Value"]) == (2, 3)
    second = sagemaker.search(**request, NextToken=first["NextToken"])
    assert (len(second["Results"]), "NextToken" in second) == (1, False)
    for other in ({"SortOrder": "Ascending"}, {"SortBy": "CreationTime"}, {"SearchExpression": None}):
        changed = {name: value for name, value in (request | other).items() if value is not None}
        code, message = refusal(sagemaker.search, **changed, NextToken=first["NextToken"])
        assert (code, "NextToken" in message) == ("ValidationException", True)


@pytest.mark.parametrize("resource", ["ModelPackage", "FeatureGroup"])
def test_of_other_resources_there_are_none(sagemaker: Any, resource: str) -> None:
    answer = sagemaker.search(Resource=resource)
    assert (answer["Results"], answer["TotalHits"]["Value"]) == ([], 0)


def test_there_are_no_other_accounts(sagemaker: Any, project: dict[str, str]) -> None:
    answer = sagemaker.search(Resource="TrainingJob", CrossAccountFilterOption="CrossAccount")
    assert answer["Results"] == []


def many(count: int) -> list[dict[str, str]]:
    return [{"Name": "TrainingJobName"}] * count


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"SearchExpression": {}}, "at least one of Filters, NestedFilters and SubExpressions"),
    ({"SearchExpression": {"Filters": [{"Name": "Colour"}]}}, "Unknown property name: Colour"),
    ({"SearchExpression": {"Filters": [{"Name": "HyperParameters"}]}}, "Unknown property name: HyperParameters"),
    ({"SortBy": "Colour"}, "Unknown property name: Colour"),
    (
        {"SearchExpression": {"Filters": [condition("TrainingJobName", "GreaterThan", "a")]}},
        "The operator GreaterThan can't be used with the property [TrainingJobName], which is text.",
    ),
    (
        {"SearchExpression": {"Filters": [condition("Metrics.auc", "Contains", "1")]}},
        "The operator Contains can't be used with the property [Metrics.auc], which is a number.",
    ),
    (
        {"SearchExpression": {"Filters": [condition("EnableManagedSpotTraining", "In", "true")]}},
        "The operator In can't be used",
    ),
    (
        {"SearchExpression": {"Filters": [condition("Metrics.auc", "Equals", "high")]}},
        "The value [high] of the filter on [Metrics.auc] must be a number.",
    ),
    (
        {"SearchExpression": {"Filters": [condition("HyperParameters.eta", "LessThan", "small")]}},
        "The value [small] of the filter on [HyperParameters.eta] must be a number.",
    ),
    (
        {"SearchExpression": {"Filters": [condition("CreationTime", "LessThan", "yesterday")]}},
        "must be a time in the form YYYY-MM-DDTHH:MM:SS",
    ),
    (
        {"SearchExpression": {"Filters": [condition("EnableManagedSpotTraining", "Equals", "maybe")]}},
        "must be true or false",
    ),
    ({"SearchExpression": {"Filters": [condition("TrainingJobName", "Exists", "x")]}}, "takes no value"),
    ({"SearchExpression": {"Filters": [{"Name": "TrainingJobName", "Operator": "Equals"}]}}, "needs a value"),
    (
        {"SearchExpression": {"NestedFilters": [{"NestedPropertyName": "ResourceConfig", "Filters": many(1)}]}},
        "Unknown nested property name: ResourceConfig",
    ),
    ({"SearchExpression": {"Filters": many(21)}}, "Member must have length less than or equal to 20"),
    (
        {"SearchExpression": {"SubExpressions": [{"Filters": many(16)}] * 3}},
        "has 51 filters, nested filters and subexpressions",
    ),
    ({"VisibilityConditions": [{"Key": "TrainingJobName", "Value": "x"}]}, "must have the form Tags.<key>"),
    ({"NextToken": "bm90aGluZw=="}, "NextToken is not valid"),
    ({"MaxResults": 101}, "Member must have value less than or equal to 100"),
    ({"Resource": "Anything"}, "Member must satisfy enum value set"),
]


@pytest.mark.parametrize(("request_", "why"), REFUSED, ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_refused(server: RunningServer, request_: dict[str, Any], why: str) -> None:
    sagemaker = server.client("sagemaker", config=Config(parameter_validation=False))
    code, message = refusal(sagemaker.search, **{"Resource": "TrainingJob", **request_})
    assert code == "ValidationException"
    assert why in message


def test_a_second_contains_is_refused_where_that_is_set(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "home", environment={"PEGBOX_ONE_CONTAINS": "on"})
    try:
        sagemaker = server.client("sagemaker")
        inside = [condition(name, "Contains", "a") for name in ("TrainingJobName", "Tags.Project")]
        below = {"Filters": inside[:1], "SubExpressions": [{"Filters": inside[1:]}]}
        nested = {"NestedPropertyName": "InputDataConfig", "Filters": [condition("ChannelName", "Contains", "a")]}
        for expression in ({"Filters": inside}, below, {"Filters": inside[:1], "NestedFilters": [nested]}):
            refused = refusal(sagemaker.search, Resource="TrainingJob", SearchExpression=expression)
            assert refused == ("ValidationException", "'CONTAINS' operator usage limit of 1 exceeded.")
        assert sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": inside[:1]})["Results"] == []
        free = [condition(name, "Contains", "a") for name in ("ExperimentName", "Tags.Project")]
        assert sagemaker.search(Resource="Experiment", SearchExpression={"Filters": free})["Results"] == []
    finally:
        server.kill()
