"""Artifacts, actions, contexts, associations, what the service makes of jobs and endpoints, and QueryLineage."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.config import Config

from jobs import new_name, refusal, training_ended
from pegbox.testing.requests import channel, training_request
from running import RunningServer

PREFIX = "arn:aws:sagemaker:us-east-1:000000000000"


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def told(answer: dict[str, Any]) -> dict[str, Any]:
    dropped = ("ResponseMetadata", "CreationTime", "LastModifiedTime", "CreatedBy", "LastModifiedBy", "LineageGroupArn")
    return {name: value for name, value in answer.items() if name not in dropped}


def artifact(sagemaker: Any, uri: str = "", type: str = "DataSet", **more: Any) -> str:
    source = {"SourceUri": uri or f"s3://made/{new_name()}"}
    return str(sagemaker.create_artifact(Source=source, ArtifactType=type, **more)["ArtifactArn"])


def action(sagemaker: Any, type: str = "Approval", **more: Any) -> str:
    source = {"SourceUri": "https://example.com", "SourceType": "page"}
    answer = sagemaker.create_action(ActionName=new_name("Act"), Source=source, ActionType=type, **more)
    return str(answer["ActionArn"])


def context(sagemaker: Any, type: str = "Place", **more: Any) -> str:
    answer = sagemaker.create_context(
        ContextName=new_name("Con_text"), Source={"SourceUri": "here"}, ContextType=type, **more
    )
    return str(answer["ContextArn"])


def join(sagemaker: Any, *way: str, type: str = "ContributedTo") -> None:
    """Associate each with the next one."""
    for source, destination in itertools.pairwise(way):
        sagemaker.add_association(SourceArn=source, DestinationArn=destination, AssociationType=type)


def reached(sagemaker: Any, start: str, direction: str, **more: Any) -> list[str]:
    """The ARNs on all pages."""
    found, token = [], {}
    while True:
        answer = sagemaker.query_lineage(StartArns=[start], Direction=direction, **more, **token)
        found += [each["Arn"] for each in answer["Vertices"]]
        if "NextToken" not in answer:
            return found
        token = {"NextToken": answer["NextToken"]}


def test_an_artifact_is_told_as_it_was_given(sagemaker: Any) -> None:
    uri = f"s3://made/{new_name()}"
    request = {
        "ArtifactName": new_name("Name"),
        "Source": {"SourceUri": uri, "SourceTypes": [{"SourceIdType": "MD5Hash", "Value": "0a"}]},
        "ArtifactType": "DataSet",
        "Properties": {"rows": "12", "gone": "x"},
        "MetadataProperties": {"CommitId": "abc", "Repository": "r"},
    }
    arn = sagemaker.create_artifact(**request, Tags=tags(a="b"))["ArtifactArn"]
    assert arn.startswith(f"{PREFIX}:artifact/")
    assert len(arn.rpartition("/")[2]) == 32
    assert told(sagemaker.describe_artifact(ArtifactArn=arn)) == {"ArtifactArn": arn, **request}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags(a="b")
    plain = artifact(sagemaker, uri, "Model")
    assert plain != arn
    listed = sagemaker.list_artifacts(SourceUri=uri)["ArtifactSummaries"]
    assert [each["ArtifactArn"] for each in listed] == [plain, arn]
    listed = sagemaker.list_artifacts(SourceUri=uri, ArtifactType="DataSet")["ArtifactSummaries"]
    assert [told(each) for each in listed] == [
        {"ArtifactArn": arn, **{name: request[name] for name in ("ArtifactName", "Source", "ArtifactType")}}
    ]
    code, message = refusal(sagemaker.create_artifact, Source={"SourceUri": uri}, ArtifactType="DataSet")
    assert (code, message) == ("ValidationException", f"Artifact ({plain}) already exists.")
    before = sagemaker.describe_artifact(ArtifactArn=arn)
    sagemaker.update_artifact(ArtifactArn=arn, ArtifactName="other", PropertiesToRemove=["gone"])
    after = sagemaker.describe_artifact(ArtifactArn=arn)
    assert (after["ArtifactName"], after["Properties"]) == ("other", {"rows": "12"})
    assert after["LastModifiedTime"] > before["LastModifiedTime"] == after["CreationTime"]
    sagemaker.update_artifact(ArtifactArn=arn, Properties={"new": "1"})
    assert sagemaker.describe_artifact(ArtifactArn=arn)["Properties"] == {"new": "1"}
    assert sagemaker.delete_artifact(Source={"SourceUri": uri}) | {"ResponseMetadata": 0} == {
        "ArtifactArn": plain, "ResponseMetadata": 0
    }  # fmt: skip
    sagemaker.delete_artifact(ArtifactArn=arn)
    assert refusal(sagemaker.describe_artifact, ArtifactArn=arn)[0] == "ResourceNotFound"
    assert refusal(sagemaker.delete_artifact, ArtifactArn=arn)[0] == "ResourceNotFound"
    assert refusal(sagemaker.update_artifact, ArtifactArn=arn)[0] == "ResourceNotFound"
    assert "exactly one of" in refusal(sagemaker.delete_artifact)[1]


@pytest.mark.parametrize("kind", ["Action", "Context"])
def test_an_action_or_a_context_is_told_as_it_was_given(sagemaker: Any, kind: str) -> None:
    def call(verb: str, **request: Any) -> Any:
        return getattr(sagemaker, f"{verb}_{kind.lower()}")(**request)

    name = new_name("Thing")
    request = {
        f"{kind}Name": name,
        "Source": {"SourceUri": f"here/{name}", "SourceType": "place", "SourceId": "1"},
        f"{kind}Type": "Special",
        "Description": "what for",
        "Properties": {"a": "1", "b": "2"},
    }
    if kind == "Action":
        request |= {"Status": "InProgress", "MetadataProperties": {"ProjectId": "p"}}
    arn = call("create", **request, Tags=tags(a="b"))[f"{kind}Arn"]
    assert arn == f"{PREFIX}:{kind.lower()}/{name.lower()}"
    for named in (name.upper(), arn):
        assert told(call("describe", **{f"{kind}Name": named})) == {f"{kind}Arn": arn, **request}
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags(a="b")
    assert "already exists" in refusal(getattr(sagemaker, f"create_{kind.lower()}"), **request)[1]
    listing = getattr(sagemaker, f"list_{kind.lower()}s")
    (listed,) = listing(**{f"{kind}Type": "Special", "SourceUri": f"here/{name}"})[f"{kind}Summaries"]
    assert listed[f"{kind}Arn"] == arn
    assert listing(SourceUri=f"here/{name}", CreatedAfter=listed["CreationTime"] + timedelta(seconds=1)) | {
        "ResponseMetadata": 0
    } == {f"{kind}Summaries": [], "ResponseMetadata": 0}
    call("update", **{f"{kind}Name": name, "Description": "else", "PropertiesToRemove": ["a", "nobody"]})
    changed = call("describe", **{f"{kind}Name": name})
    assert (changed["Description"], changed["Properties"]) == ("else", {"b": "2"})
    call("delete", **{f"{kind}Name": name})
    assert refusal(getattr(sagemaker, f"describe_{kind.lower()}"), **{f"{kind}Name": name})[0] == "ResourceNotFound"
    assert refusal(getattr(sagemaker, f"update_{kind.lower()}"), **{f"{kind}Name": name})[0] == "ResourceNotFound"


def test_associations_are_added_listed_and_ended(sagemaker: Any) -> None:
    name = new_name("shown")
    data, done, place = artifact(sagemaker, ArtifactName=name), action(sagemaker), context(sagemaker)
    join(sagemaker, data, done)
    join(sagemaker, done, place, type="AssociatedWith")
    (one,) = sagemaker.list_associations(SourceArn=data)["AssociationSummaries"]
    assert told(one) == {
        "SourceArn": data,
        "DestinationArn": done,
        "SourceType": "DataSet",
        "DestinationType": "Approval",
        "AssociationType": "ContributedTo",
        "SourceName": name,
        "DestinationName": sagemaker.describe_action(ActionName=done)["ActionName"],
    }
    (two,) = sagemaker.list_associations(DestinationArn=place, DestinationType="Place")["AssociationSummaries"]
    assert (two["SourceArn"], two["AssociationType"]) == (done, "AssociatedWith")
    assert sagemaker.list_associations(SourceArn=done, AssociationType="Produced")["AssociationSummaries"] == []
    code, message = refusal(sagemaker.add_association, SourceArn=data, DestinationArn=done)
    assert (code, "already exists" in message) == ("ValidationException", True)
    code, message = refusal(sagemaker.delete_action, ActionName=done.rpartition("/")[2])
    assert (code, "while it has associations" in message) == ("ValidationException", True)
    ended = sagemaker.delete_association(SourceArn=data, DestinationArn=done)
    assert (ended["SourceArn"], ended["DestinationArn"]) == (data, done)
    assert refusal(sagemaker.delete_association, SourceArn=data, DestinationArn=done)[0] == "ResourceNotFound"
    assert refusal(sagemaker.add_association, SourceArn=data + "0", DestinationArn=done)[0] == "ResourceNotFound"
    assert refusal(sagemaker.add_association, SourceArn=data, DestinationArn=data)[0] == "ValidationException"
    assert refusal(sagemaker.list_associations, SourceArn=data + "0")[0] == "ResourceNotFound"


def test_experiments_are_not_associated_with_each_other(sagemaker: Any) -> None:
    names = [new_name("Exp"), new_name("Exp")]
    one, other = (sagemaker.create_experiment(ExperimentName=name)["ExperimentArn"] for name in names)
    code, message = refusal(sagemaker.add_association, SourceArn=one, DestinationArn=other)
    assert (code, "experiment entities" in message) == ("ValidationException", True)
    data = artifact(sagemaker)
    made = sagemaker.create_trial_component(TrialComponentName=new_name("step"))["TrialComponentArn"]
    join(sagemaker, data, one)
    join(sagemaker, data, made)
    vertices = sagemaker.query_lineage(StartArns=[data], Direction="Descendants")["Vertices"]
    assert vertices == [
        {"Arn": one, "Type": "Experiment"},
        {"Arn": made, "Type": "TrialComponent", "LineageType": "TrialComponent"},
    ]
    (listed,) = sagemaker.list_associations(SourceArn=data, DestinationType="Experiment")["AssociationSummaries"]
    assert listed["DestinationArn"] == one


@pytest.mark.parametrize("sort_by", ["SourceArn", "DestinationArn", "SourceType", "DestinationType", "CreationTime"])
@pytest.mark.parametrize("order", ["Ascending", "Descending"])
def test_associations_are_sorted_and_paged(sagemaker: Any, sort_by: str, order: str) -> None:
    middle = action(sagemaker)
    for number in (2, 0, 1):
        join(sagemaker, artifact(sagemaker, type=f"t{number}"), middle)
    pages = sagemaker.get_paginator("list_associations").paginate(
        DestinationArn=middle, SortBy=sort_by, SortOrder=order, PaginationConfig={"PageSize": 1}
    )
    found = [each for page in pages for each in page["AssociationSummaries"]]
    assert len({each["SourceArn"] for each in found}) == 3
    values = [each[sort_by] for each in found]
    assert values == sorted(values, reverse=order == "Descending")


@pytest.fixture(scope="module")
def diamond(sagemaker: Any) -> dict[str, str]:
    """a -> b -> d -> e, a -> c -> d, x -> d."""
    made = {name: artifact(sagemaker, type="DataSet", Properties={"name": name}) for name in "ax"}
    made |= {"b": action(sagemaker, "Step"), "c": action(sagemaker, "Other"), "d": artifact(sagemaker, type="Model")}
    made["e"] = context(sagemaker, "Endpoint", Properties={"name": "e"})
    for way in ("abde", "ac", "cd", "xd"):
        join(sagemaker, *(made[name] for name in way))
    return made


def names(diamond: dict[str, str], arns: list[str]) -> str:
    return "".join(name for arn in arns for name, known in diamond.items() if known == arn)


def test_a_walk_goes_up_down_or_both_ways(sagemaker: Any, diamond: dict[str, str]) -> None:
    def walk(start: str, direction: str, **more: Any) -> str:
        return names(diamond, reached(sagemaker, diamond[start], direction, **more))

    assert sorted(walk("a", "Descendants")) == list("bcde")
    assert walk("a", "Descendants")[2:] == "de"  # the nearest first
    assert sorted(walk("d", "Ascendants")) == list("abcx")
    assert walk("d", "Descendants") == "e"
    assert sorted(walk("a", "Both")) == list("bcdex")
    assert walk("a", "Descendants", MaxDepth=2)[2:] == "d"
    assert walk("x", "Ascendants") == ""
    assert walk("a", "Descendants", MaxResults=1) == walk("a", "Descendants")


def test_filters_choose_what_is_told(sagemaker: Any, diamond: dict[str, str]) -> None:
    def walk(**filters: Any) -> str:
        return names(diamond, reached(sagemaker, diamond["e"], "Ascendants", Filters=filters))

    assert sorted(walk()) == list("abcdx")
    assert walk(Types=["Model"]) == "d"
    assert sorted(walk(Types=["DataSet", "Step"])) == list("abx")
    assert sorted(walk(LineageTypes=["Action"])) == list("bc")
    assert walk(LineageTypes=["Artifact"], Types=["Other"]) == ""
    assert walk(Properties={"name": "a"}) == "a"
    assert sorted(walk(Properties={"name": "x", "other": "y"})) == ["x"]
    at = sagemaker.describe_artifact(ArtifactArn=diamond["d"])["CreationTime"]
    assert "d" not in walk(CreatedBefore=at)
    assert set(walk(CreatedBefore=at)) >= set("ax")
    assert "d" in walk(CreatedAfter=at - timedelta(milliseconds=1), ModifiedBefore=at + timedelta(milliseconds=1))
    assert walk(ModifiedAfter=at + timedelta(days=1)) == ""


def test_associations_are_told_only_if_asked_for(sagemaker: Any, diamond: dict[str, str]) -> None:
    for more in ({}, {"IncludeEdges": False}, {"IncludeEdges": False, "Filters": {"Types": ["Endpoint"]}}):
        answer = sagemaker.query_lineage(StartArns=[diamond["a"]], Direction="Descendants", **more)
        assert diamond["e"] in [each["Arn"] for each in answer["Vertices"]]
        assert answer["Edges"] == []


def test_edges_show_the_ways(sagemaker: Any, diamond: dict[str, str]) -> None:
    def edges(start: str, direction: str, size: int = 50, **filters: Any) -> tuple[str, list[str]]:
        vertices, found, token = [], [], {}
        while True:
            answer = sagemaker.query_lineage(
                StartArns=[diamond[start]], Direction=direction, IncludeEdges=True, Filters=filters, MaxResults=size,
                **token,
            )  # fmt: skip
            vertices += [each["Arn"] for each in answer["Vertices"]]
            found += [names(diamond, [each["SourceArn"], each["DestinationArn"]]) for each in answer["Edges"]]
            assert all(each["AssociationType"] == "ContributedTo" for each in answer["Edges"])
            if "NextToken" not in answer:
                return names(diamond, vertices), sorted(found)
            token = {"NextToken": answer["NextToken"]}

    assert edges("a", "Descendants")[1] == ["ab", "ac", "bd", "cd", "de"]
    assert edges("a", "Descendants", size=1) == edges("a", "Descendants")
    vertices, ways = edges("e", "Ascendants", Properties={"name": "x"})
    assert (sorted(vertices), ways) == (["d", "x"], ["de", "xd"])
    vertices, ways = edges("e", "Ascendants", Types=["Step"])
    assert (sorted(vertices), ways) == (["b", "d"], ["bd", "de"])
    vertices, ways = edges("x", "Both", Types=["Step"])
    assert (sorted(vertices), ways) == (["b", "d"], ["bd", "xd"])
    assert edges("x", "Ascendants") == ("", [])


def test_what_is_refused_of_a_query(server: RunningServer, diamond: dict[str, str]) -> None:
    sagemaker = server.client("sagemaker", config=Config(parameter_validation=False))

    def refused(**request: Any) -> tuple[str, str]:
        return refusal(sagemaker.query_lineage, **{"StartArns": [diamond["a"]], **request})

    assert refused(StartArns=[diamond["a"] + "0"])[0] == "ResourceNotFound"
    for request, why in (
        ({"StartArns": []}, "needs one of StartArns"),
        ({"StartArns": [diamond["a"], diamond["b"]]}, "less than or equal to 1"),
        ({"StartArns": [f"{PREFIX}:training-job/x"]}, "regular expression pattern"),
        ({"MaxDepth": 11}, "less than or equal to 10"),
        ({"MaxDepth": 0}, "greater than or equal to 1"),
        ({"MaxResults": 51}, "less than or equal to 50"),
        ({"MaxResults": 0}, "greater than or equal to 1"),
        ({"Direction": "Down"}, "enum value set"),
        ({"Filters": {"LineageTypes": ["Trial"]}}, "enum value set"),
        ({"NextToken": "bm90aGluZw=="}, "NextToken is not valid"),
    ):
        code, message = refused(**request)
        assert (code, why in message) == ("ValidationException", True), message
    answer = sagemaker.query_lineage(StartArns=[diamond["a"]], MaxResults=1)
    assert "NextToken" in refused(Direction="Descendants", NextToken=answer["NextToken"])[1]


def test_the_one_lineage_group(sagemaker: Any) -> None:
    (group,) = sagemaker.list_lineage_groups()["LineageGroupSummaries"]
    assert group["LineageGroupName"] == "sagemaker-default-lineage-group"
    assert sagemaker.describe_artifact(ArtifactArn=artifact(sagemaker))["LineageGroupArn"] == group["LineageGroupArn"]
    assert sagemaker.describe_lineage_group(LineageGroupName=group["LineageGroupName"])["LineageGroupArn"]
    assert refusal(sagemaker.describe_lineage_group, LineageGroupName="other")[0] == "ResourceNotFound"


@pytest.fixture(scope="module")
def deployed(
    sagemaker: Any, server: RunningServer, s3: Any, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Two trained models of one dataset, the first one behind an endpoint."""
    from jobs import register

    folder = tmp_path_factory.mktemp("lineage")
    image = register(server, folder, "open('/opt/ml/model/weights', 'w').write('1')")
    data = f"s3://{bucket}/{new_name('data')}/"
    s3.put_object(Bucket=bucket, Key=data.removeprefix(f"s3://{bucket}/") + "a.csv", Body=b"1")
    made = {"image": image, "data": data, "endpoint": new_name("Traced")}
    for name in ("job", "other"):
        made[name] = new_name(name.title())
        request = training_request(
            made[name], image, f"s3://{bucket}/out",
            InputDataConfig=[channel("train", data)], CheckpointConfig={"S3Uri": f"{data}checkpoints"},
        )  # fmt: skip
        sagemaker.create_training_job(**request)
    for name in ("job", "other"):
        ended = training_ended(sagemaker, made[name])
        assert ended["TrainingJobStatus"] == "Completed", ended
        made[f"{name}-model"] = ended["ModelArtifacts"]["S3ModelArtifacts"]
    container = {"Image": "serving:1", "ModelDataUrl": made["job-model"]}
    sagemaker.create_model(ModelName=made["job"], PrimaryContainer=container)
    variant = {"VariantName": "all", "ModelName": made["job"], "InstanceType": "local", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(EndpointConfigName=made["endpoint"], ProductionVariants=[variant])
    arn = sagemaker.create_endpoint(EndpointName=made["endpoint"], EndpointConfigName=made["endpoint"])["EndpointArn"]
    (context,) = sagemaker.list_contexts(SourceUri=arn, ContextType="Endpoint")["ContextSummaries"]
    return {**made, "arn": arn, "context": context["ContextArn"]}


def sources(sagemaker: Any, start: str, direction: str, *types: str, lineage_type: str = "Artifact") -> set[str]:
    filters = {"LineageTypes": [lineage_type], "Types": list(types)}
    arns = reached(sagemaker, start, direction, Filters=filters)
    if lineage_type == "Artifact":
        return {sagemaker.describe_artifact(ArtifactArn=arn)["Source"]["SourceUri"] for arn in arns}
    return set(arns)


def component(job: str) -> str:
    return f"{PREFIX}:experiment-trial-component/{job.lower()}-aws-training-job"


def by_uri(sagemaker: Any, uri: str) -> str:
    (found,) = sagemaker.list_artifacts(SourceUri=uri)["ArtifactSummaries"]
    return str(found["ArtifactArn"])


def test_from_an_endpoint_to_everything_behind_it(sagemaker: Any, deployed: dict[str, str]) -> None:
    start = deployed["context"]
    assert sources(sagemaker, start, "Ascendants", "DataSet") == {deployed["data"]}
    assert sources(sagemaker, start, "Ascendants", "Model") == {deployed["job-model"]}
    assert sources(sagemaker, start, "Ascendants", "Image") == {deployed["image"], "serving:1"}
    assert sources(sagemaker, start, "Ascendants", "Checkpoint") == {f"{deployed['data']}checkpoints"}
    jobs = sources(sagemaker, start, "Ascendants", "TrainingJob", lineage_type="TrialComponent")
    assert jobs == {component(deployed["job"])}
    made = sagemaker.describe_trial_component(TrialComponentName=component(deployed["job"]))["Source"]
    assert made == {
        "SourceArn": f"{PREFIX}:training-job/{deployed['job'].lower()}",
        "SourceType": "SageMakerTrainingJob",
    }
    (action,) = sources(sagemaker, start, "Ascendants", "ModelDeployment", lineage_type="Action")
    told = sagemaker.describe_action(ActionName=action.rpartition("/")[2])
    assert (told["Source"]["SourceUri"], told["Status"]) == (deployed["arn"], "Failed")


def test_from_a_dataset_to_the_endpoints(sagemaker: Any, deployed: dict[str, str]) -> None:
    start = by_uri(sagemaker, deployed["data"])
    assert sources(sagemaker, start, "Descendants", "Endpoint", lineage_type="Context") == {deployed["context"]}
    assert sources(sagemaker, start, "Descendants", "Model") == {deployed["job-model"], deployed["other-model"]}
    jobs = sources(sagemaker, start, "Descendants", "TrainingJob", lineage_type="TrialComponent")
    assert jobs == {component(deployed["job"]), component(deployed["other"])}


def test_from_a_model_both_ways(sagemaker: Any, deployed: dict[str, str]) -> None:
    start = by_uri(sagemaker, deployed["job-model"])
    assert sources(sagemaker, start, "Descendants", "Endpoint", lineage_type="Context") == {deployed["context"]}
    assert sources(sagemaker, start, "Both", "Model") == {deployed["other-model"]}  # by what both are made of
    (made,) = sagemaker.list_associations(DestinationArn=start)["AssociationSummaries"]
    assert (made["SourceArn"], made["AssociationType"]) == (component(deployed["job"]), "Produced")
    assert (made["SourceType"], made["DestinationType"]) == ("TrainingJob", "Model")
    listed = sagemaker.list_associations(DestinationArn=component(deployed["job"]))["AssociationSummaries"]
    assert {each["SourceType"] for each in listed} == {"DataSet", "Image", "Checkpoint"}
    assert {each["AssociationType"] for each in listed} == {"ContributedTo"}


def test_another_model_replaces_the_first_one(sagemaker: Any, deployed: dict[str, str]) -> None:
    later, endpoint = new_name("Later"), new_name("Replaced")
    for name, data in ((endpoint, "job-model"), (later, "other-model")):
        container = {"Image": "serving:2", "ModelDataUrl": deployed[data]}
        sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        variant = {"VariantName": "all", "ModelName": name, "InstanceType": "local", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    arn = sagemaker.create_endpoint(EndpointName=endpoint, EndpointConfigName=endpoint)["EndpointArn"]
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=later)
    (context,) = sagemaker.list_contexts(SourceUri=arn)["ContextSummaries"]
    actions = sagemaker.list_actions(SourceUri=arn, SortOrder="Ascending")["ActionSummaries"]
    assert sorted(each["ActionType"] for each in actions) == ["ModelDeployment", "ModelDeployment", "ModelReplaced"]
    (gone,) = (each["ActionArn"] for each in actions if each["ActionType"] == "ModelReplaced")
    assert sources(sagemaker, gone, "Ascendants", "Model") == {deployed["job-model"]}
    both = {deployed["job-model"], deployed["other-model"]}
    assert sources(sagemaker, context["ContextArn"], "Ascendants", "Model") == both
    sagemaker.delete_endpoint(EndpointName=endpoint)
    assert sources(sagemaker, context["ContextArn"], "Ascendants", "Model") == both


def test_a_job_that_fails_has_inputs_and_no_model(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name("Fails")
    sagemaker.create_training_job(**training_request(name, image("raise SystemExit(1)"), here))
    start = component(name)
    assert sources(sagemaker, start, "Ascendants", "Image") != set()  # while it may still run
    training_ended(sagemaker, name)
    assert reached(sagemaker, start, "Descendants") == []
