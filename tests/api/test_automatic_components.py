"""The trial components, trials and experiments that jobs make by themselves, and ExperimentConfig."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs import children, new_name, refusal, training_ended, tuning_ended
from pegbox.testing.requests import channel, training_request, tuning_request
from running import RunningServer

SOURCE = "SageMakerTrainingJob"
LOSS = [{"Name": "loss", "Regex": "loss=(.*?);"}]


def component_of(job: str) -> str:
    return f"{job}-aws-training-job"


def components(sagemaker: Any, *filters: tuple[str, str], **more: Any) -> list[dict[str, Any]]:
    """The records that a search finds, on all pages."""
    wanted = [{"Name": name, "Operator": "Equals", "Value": value} for name, value in filters]
    pages = sagemaker.get_paginator("search").paginate(
        Resource="ExperimentTrialComponent", SearchExpression={"Filters": wanted}, **more
    )
    return [result["TrialComponent"] for page in pages for result in page["Results"]]


@pytest.fixture
def job(sagemaker: Any, image: Callable[..., str], here: str, bucket: str, s3: Any) -> dict[str, Any]:
    """A finished training job with values of a metric."""
    s3.put_object(Bucket=bucket, Key="automatic/data.csv", Body=b"1,2")
    request = training_request(
        new_name("Job"),
        image("for value in (3, 1, 2): print(f'loss={value};')"),
        here,
        HyperParameters={"eta": "0.1", "optimizer": "adam"},
        InputDataConfig=[{**channel("train", f"s3://{bucket}/automatic"), "ContentType": "text/csv"}],
    )
    request["AlgorithmSpecification"]["MetricDefinitions"] = LOSS
    sagemaker.create_training_job(**request)
    return training_ended(sagemaker, request["TrainingJobName"])


def test_a_training_job_makes_a_component(sagemaker: Any, job: dict[str, Any]) -> None:
    name = component_of(job["TrainingJobName"])
    told = sagemaker.describe_trial_component(TrialComponentName=name.lower())
    source = {"SourceArn": job["TrainingJobArn"], "SourceType": SOURCE}
    assert (told["TrialComponentName"], told["DisplayName"]) == (name, name)
    assert (told["Source"], told["Sources"]) == (source, [source])
    assert told["Parameters"] == {
        "eta": {"NumberValue": 0.1},
        "optimizer": {"StringValue": "adam"},
        "SageMaker.ImageUri": {"StringValue": job["AlgorithmSpecification"]["TrainingImage"]},
        "SageMaker.InstanceCount": {"NumberValue": 1.0},
        "SageMaker.InstanceType": {"StringValue": job["ResourceConfig"]["InstanceType"]},
        "SageMaker.VolumeSizeInGB": {"NumberValue": float(job["ResourceConfig"]["VolumeSizeInGB"])},
    }
    uri = job["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"]
    assert told["InputArtifacts"] == {"train": {"MediaType": "text/csv", "Value": uri}}
    model = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert told["OutputArtifacts"] == {"SageMaker.ModelArtifact": {"Value": model}}
    message = "Status: Completed, secondary status: Completed, failure reason: ."
    assert told["Status"] == {"PrimaryStatus": "Completed", "Message": message}
    assert (told["StartTime"], told["EndTime"]) == (job["TrainingStartTime"], job["TrainingEndTime"])
    assert told["CreationTime"] == job["CreationTime"]
    (metric,) = told["Metrics"]
    assert metric.pop("TimeStamp") == job["FinalMetricDataList"][0]["Timestamp"]
    assert metric.pop("StdDev") == pytest.approx((2 / 3) ** 0.5)
    assert metric == {
        "MetricName": "loss",
        "SourceArn": job["TrainingJobArn"],
        "Max": 3.0,
        "Min": 1.0,
        "Last": 2.0,
        "Count": 3,
        "Avg": 2.0,
    }


def test_the_curve_of_a_component_is_there_before_anybody_has_described_it(
    server: RunningServer, sagemaker: Any, job: dict[str, Any]
) -> None:
    wanted = {
        "MetricName": "loss",
        "ResourceArn": arn(sagemaker, "experiment-trial-component", component_of(job["TrainingJobName"])),
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    }
    (found,) = server.client("sagemaker-metrics").batch_get_metrics(MetricQueries=[wanted])["MetricQueryResults"]
    assert found == {"Status": "Complete", "XAxisValues": [0, 1, 2], "MetricValues": [3.0, 1.0, 2.0]}


def test_the_component_of_a_job_is_found(sagemaker: Any, job: dict[str, Any]) -> None:
    name = component_of(job["TrainingJobName"])
    (record,) = components(sagemaker, ("Source.SourceArn", job["TrainingJobArn"]), SortBy="metrics.loss.min")
    assert record["TrialComponentName"] == name
    assert record["SourceDetail"]["SourceArn"] == job["TrainingJobArn"]
    assert record["SourceDetail"]["TrainingJob"]["FinalMetricDataList"] == job["FinalMetricDataList"]
    assert record["Parents"] == []
    assert components(
        sagemaker, ("TrialComponentName", name), ("Parameters.optimizer", "adam"), ("Metrics.loss.Max", "3")
    )
    (summary,) = sagemaker.list_trial_components(SourceArn=job["TrainingJobArn"])["TrialComponentSummaries"]
    assert (summary["TrialComponentName"], summary["Status"]["PrimaryStatus"]) == (name, "Completed")
    assert summary["TrialComponentSource"] == {"SourceArn": job["TrainingJobArn"], "SourceType": SOURCE}
    listed = sagemaker.list_trial_components()["TrialComponentSummaries"]
    assert name in [each["TrialComponentName"] for each in listed]
    assert not sagemaker.list_trial_components(SourceArn=job["TrainingJobArn"] + "x")["TrialComponentSummaries"]


def test_the_component_follows_its_job(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name("Slow")
    sagemaker.create_training_job(**training_request(name, image("import time; time.sleep(600)"), here))

    def status() -> str:
        (record,) = components(sagemaker, ("TrialComponentName", component_of(name)))
        return str(record["Status"]["PrimaryStatus"])

    assert status() == "InProgress"
    assert components(sagemaker, ("Status.PrimaryStatus", "InProgress"), ("TrialComponentName", component_of(name)))
    sagemaker.stop_training_job(TrainingJobName=name)
    training_ended(sagemaker, name)
    assert components(sagemaker, ("Status.PrimaryStatus", "Stopped"), ("TrialComponentName", component_of(name)))
    assert not components(sagemaker, ("Status.PrimaryStatus", "InProgress"), ("TrialComponentName", component_of(name)))


def test_what_a_user_changes_of_it_stays(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    job = new_name("Changed")
    request = training_request(job, image("pass"), here, HyperParameters={"eta": "0.1", "depth": "3"})
    sagemaker.create_training_job(**request)
    name = component_of(job)
    change = {"DisplayName": "mine", "Parameters": {"eta": {"NumberValue": 1.0}, "new": {"StringValue": "n"}}}
    arn = sagemaker.update_trial_component(TrialComponentName=name, ParametersToRemove=["depth"], **change)
    sagemaker.add_tags(ResourceArn=arn["TrialComponentArn"], Tags=[{"Key": "a", "Value": "b"}])
    training_ended(sagemaker, job)
    told = sagemaker.describe_trial_component(TrialComponentName=name)
    assert (told["DisplayName"], told["Status"]["PrimaryStatus"]) == ("mine", "Completed")
    assert (told["Parameters"]["eta"], told["Parameters"]["new"]) == tuple(change["Parameters"].values())
    assert "depth" not in told["Parameters"] and "SageMaker.ImageUri" in told["Parameters"]
    assert components(sagemaker, ("TrialComponentName", name), ("Tags.a", "b"), ("Parameters.eta", "1.0"))


def test_a_component_that_was_deleted_stays_so(sagemaker: Any, job: dict[str, Any]) -> None:
    name = component_of(job["TrainingJobName"])
    sagemaker.delete_trial_component(TrialComponentName=name)
    sagemaker.add_tags(ResourceArn=job["TrainingJobArn"], Tags=[{"Key": "changed", "Value": "yes"}])
    assert not components(sagemaker, ("TrialComponentName", name))
    assert refusal(sagemaker.describe_trial_component, TrialComponentName=name)[0] == "ResourceNotFound"


def test_a_tuning_job_makes_an_experiment(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name("Tuned")
    request = tuning_request(name, image("print('loss=0.5;')"), here)
    arn = sagemaker.create_hyper_parameter_tuning_job(**request)["HyperParameterTuningJobArn"]
    tuning_ended(sagemaker, name)
    experiment = f"{name}-aws-tuning-job"
    told = sagemaker.describe_experiment(ExperimentName=experiment)
    assert told["Source"] == {"SourceArn": arn, "SourceType": "SageMakerHyperParameterTuningJob"}
    launched = children(sagemaker, name)
    trials = sagemaker.list_trials(ExperimentName=experiment, SortBy="Name", SortOrder="Ascending")["TrialSummaries"]
    assert [each["TrialName"] for each in trials] == [
        f"{name}-{number:03d}-aws-trial" for number in range(1, len(launched) + 1)
    ]
    assert {each["TrialSource"]["SourceArn"] for each in trials} == {each["TrainingJobArn"] for each in launched}
    found = components(sagemaker, ("Parents.ExperimentName", experiment), SortBy="Metrics.loss.Last")
    assert {each["TrialComponentName"] for each in found} == {
        component_of(each["TrainingJobName"]) for each in launched
    }
    assert all(each["Parents"][0]["ExperimentName"] == experiment for each in found)
    (summary,) = sagemaker.list_trial_components(TrialName=trials[0]["TrialName"])["TrialComponentSummaries"]
    assert summary["TrialComponentSource"]["SourceArn"] == trials[0]["TrialSource"]["SourceArn"]
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    told.pop("ResponseMetadata")
    assert told.items() <= sagemaker.describe_experiment(ExperimentName=experiment).items()
    assert components(sagemaker, ("Parents.ExperimentName", experiment), SortBy="Metrics.loss.Last") == found


#: that name an experiment or a trial which a tuning job has made
NAMING: dict[str, Callable[..., Any]] = {
    "UpdateExperiment": lambda client, experiment, trial: client.update_experiment(
        ExperimentName=experiment, Description="mine"
    ),
    "CreateTrial": lambda client, experiment, trial: client.create_trial(TrialName="mine", ExperimentName=experiment),
    "UpdateTrial": lambda client, experiment, trial: client.update_trial(TrialName=trial, DisplayName="mine"),
    "AssociateTrialComponent": lambda client, experiment, trial: client.associate_trial_component(
        TrialComponentName=client.create_trial_component(TrialComponentName="mine") and "mine", TrialName=trial
    ),
    "AddTags": lambda client, experiment, trial: client.add_tags(
        ResourceArn=arn(client, "experiment", experiment), Tags=[{"Key": "a", "Value": "b"}]
    ),
    "ListTags": lambda client, experiment, trial: client.list_tags(
        ResourceArn=arn(client, "experiment-trial", trial)
    ),
    "AddAssociation": lambda client, experiment, trial: client.add_association(
        SourceArn=arn(client, "experiment", experiment),
        DestinationArn=client.create_artifact(Source={"SourceUri": "s3://any"}, ArtifactType="Any")["ArtifactArn"],
    ),
    "CreateTrainingJob": lambda client, experiment, trial: client.create_training_job(
        **training_request("mine", "any", "s3://any/any", ExperimentConfig={"TrialName": trial})
    ),
}  # fmt: skip


def arn(client: Any, kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{client.meta.region_name}:000000000000:{kind}/{name.lower()}"


@pytest.mark.parametrize("operation", NAMING)
def test_what_a_tuning_job_makes_is_there_whoever_names_it(server: RunningServer, here: str, operation: str) -> None:
    """In a region of its own, where nobody has asked for experiments."""
    client = server.client("sagemaker", region_name=f"x-{operation.lower()}-1")
    client.create_hyper_parameter_tuning_job(**tuning_request("Tuned", "any", here))
    tuning_ended(client, "Tuned")
    NAMING[operation](client, "Tuned-aws-tuning-job", "tuned-001-aws-trial")


def test_experiment_config_puts_a_job_into_a_trial(sagemaker: Any, here: str) -> None:
    experiment, trial, job = new_name("exp"), new_name("trial"), new_name("job")
    sagemaker.create_experiment(ExperimentName=experiment)
    sagemaker.create_trial(TrialName=trial, ExperimentName=experiment)
    config = {"ExperimentName": experiment, "TrialName": trial, "TrialComponentDisplayName": "step-1"}
    sagemaker.create_training_job(**training_request(job, "any", here, ExperimentConfig=config))
    assert sagemaker.describe_training_job(TrainingJobName=job)["ExperimentConfig"] == config
    (record,) = components(sagemaker, ("Parents.TrialName", trial))
    assert (record["TrialComponentName"], record["DisplayName"]) == (component_of(job), "step-1")
    assert record["Parents"] == [{"TrialName": trial, "ExperimentName": experiment}]


def test_experiment_config_makes_a_trial(sagemaker: Any, here: str) -> None:
    experiment, job = new_name("exp"), new_name("job")
    sagemaker.create_experiment(ExperimentName=experiment)
    config = {"ExperimentName": experiment}
    sagemaker.create_training_job(**training_request(job, "any", here, ExperimentConfig=config))
    (trial,) = sagemaker.list_trials(ExperimentName=experiment)["TrialSummaries"]
    (summary,) = sagemaker.list_trial_components(TrialName=trial["TrialName"])["TrialComponentSummaries"]
    assert summary["TrialComponentName"] == component_of(job)


def test_experiment_config_names_a_run(sagemaker: Any, here: str) -> None:
    run, job = new_name("run"), new_name("job")
    sagemaker.create_trial_component(TrialComponentName=run)
    request = training_request(job, "any", here, ExperimentConfig={"RunName": run})
    arn = sagemaker.create_training_job(**request)["TrainingJobArn"]
    told = sagemaker.describe_trial_component(TrialComponentName=run)
    assert told["Sources"] == [{"SourceArn": arn, "SourceType": SOURCE}]
    (record,) = components(sagemaker, ("TrialComponentName", component_of(job)))
    assert record["RunName"] == run


@pytest.mark.parametrize("member", ["ExperimentName", "TrialName", "RunName"])
def test_experiment_config_of_what_is_not_there(sagemaker: Any, here: str, member: str) -> None:
    job = new_name("job")
    request = training_request(job, "any", here, ExperimentConfig={member: "nobody-knows"})
    code, message = refusal(sagemaker.create_training_job, **request)
    assert (code, "nobody-knows" in message) == ("ResourceNotFound", True)
    assert refusal(sagemaker.describe_training_job, TrainingJobName=job)[0] == "ValidationException"


def test_experiment_config_that_contradicts_itself(sagemaker: Any, here: str) -> None:
    one, other, trial = new_name("exp"), new_name("exp"), new_name("trial")
    for name in (one, other):
        sagemaker.create_experiment(ExperimentName=name)
    sagemaker.create_trial(TrialName=trial, ExperimentName=one)
    config = {"ExperimentName": other, "TrialName": trial}
    request = training_request(new_name("job"), "any", here, ExperimentConfig=config)
    code, message = refusal(sagemaker.create_training_job, **request)
    assert code == "ValidationException" and "is not part of the experiment" in message
