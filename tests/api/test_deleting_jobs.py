"""DeleteTrainingJob: the job is gone, what it made and what others know of it stays."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import run
from jobs import children, component_of, found, keys, new_name, pegbox, refusal, register, training_ended, tuning_ended
from pegbox.testing.requests import channel, training_request, tuning_request
from running import RunningServer, wait_for

PROGRAM = "for value in (3, 1, 2): print(f'loss={value};')"
TUNED = """import os; print(f"loss={os.environ['SM_HP_X']};")"""
LOSS = [{"Name": "loss", "Regex": "loss=(.*?);"}]


@pytest.fixture(scope="module")
def server(database: Callable[[], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of its own on each database."""
    server = RunningServer(tmp_path_factory.mktemp("server") / "home", environment=database())
    yield server
    server.kill()
    assert "level=error" not in server.log.read_text()


@pytest.fixture(scope="module")
def sagemaker(server: RunningServer) -> Any:
    return server.client("sagemaker")


@pytest.fixture(scope="module")
def s3(server: RunningServer) -> Any:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="jobs")
    s3.put_object(Bucket="jobs", Key="data/a.csv", Body=b"1,2")
    return s3


@pytest.fixture(scope="module")
def program(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    return register(server, tmp_path_factory.mktemp("program"), PROGRAM)


Train = Callable[..., dict[str, Any]]


@pytest.fixture
def train(sagemaker: Any, s3: Any, program: str) -> Train:
    """Run a training job to its end."""

    def train(name: str | None = None, **changes: Any) -> dict[str, Any]:
        job = name or new_name("Job")
        request = training_request(
            job,
            program,
            f"s3://jobs/{new_name('out')}",
            HyperParameters={"eta": "0.1"},
            InputDataConfig=[channel("train", "s3://jobs/data/")],
            Tags=[{"Key": "team", "Value": "red"}],
            **changes,
        )
        request["AlgorithmSpecification"]["MetricDefinitions"] = LOSS
        sagemaker.create_training_job(**request)
        return training_ended(sagemaker, job)

    return train


@pytest.fixture
def search(server: RunningServer, sagemaker: Any, s3: Any, tmp_path: Path) -> Callable[..., str]:
    """Run a tuning job of four training jobs to its end; returns its name."""

    def search(**changes: Any) -> str:
        name = new_name("search")
        request = tuning_request(name, register(server, tmp_path, TUNED), f"s3://jobs/{name}", jobs=4)
        sagemaker.create_hyper_parameter_tuning_job(**request, **changes)
        tuning_ended(sagemaker, name)
        return name

    return search


def test_what_is_deleted_is_gone_and_its_name_is_free(sagemaker: Any, s3: Any, train: Train) -> None:
    job = train()
    name, arn = job["TrainingJobName"], job["TrainingJobArn"]
    assert found(sagemaker, "TrainingJob", "TrainingJobName", name)

    sagemaker.delete_training_job(TrainingJobName=name.upper())  # in whatever case

    missing = ("ValidationException", "Requested resource not found.")
    assert refusal(sagemaker.describe_training_job, TrainingJobName=name) == missing
    assert refusal(sagemaker.delete_training_job, TrainingJobName=name)[0] == "ResourceNotFound"
    assert refusal(sagemaker.stop_training_job, TrainingJobName=name)[0] == "ResourceNotFound"
    assert refusal(sagemaker.list_tags, ResourceArn=arn)[0] == "ValidationException"
    assert refusal(sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])[0] == "ValidationException"
    assert sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"] == []
    assert not found(sagemaker, "TrainingJob", "TrainingJobName", name)
    assert keys(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == [""]  # artefacts stay

    again = train(name)
    assert again["TrainingJobStatus"] == "Completed"
    assert again["CreationTime"] > job["CreationTime"]
    assert len(found(sagemaker, "TrainingJob", "TrainingJobName", name)) == 1


def test_names_of_properties_count_no_more(sagemaker: Any, train: Train) -> None:
    stem = f"only{uuid.uuid4().hex[:8]}"
    job = train(Environment={})
    sagemaker.add_tags(ResourceArn=job["TrainingJobArn"], Tags=[{"Key": stem, "Value": "1"}])

    def suggested() -> list[str]:
        answer = sagemaker.get_search_suggestions(
            Resource="TrainingJob", SuggestionQuery={"PropertyNameQuery": {"PropertyNameHint": stem}}
        )
        return [each["PropertyName"] for each in answer["PropertyNameSuggestions"]]

    assert found(sagemaker, "TrainingJob", f"Tags.{stem}", "1")
    assert suggested() == [f"Tags.{stem}"]
    sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    assert not found(sagemaker, "TrainingJob", f"Tags.{stem}", "1")
    assert suggested() == []


def test_what_has_not_ended_cannot_be_deleted(sagemaker: Any, s3: Any, server: RunningServer, tmp_path: Path) -> None:
    name = new_name("busy")
    slow = register(server, tmp_path, "import time\ntime.sleep(600)")
    sagemaker.create_training_job(**training_request(name, slow, "s3://jobs/busy"))
    code, message = refusal(sagemaker.delete_training_job, TrainingJobName=name)
    assert (code, "is in status InProgress" in message) == ("ResourceInUse", True)
    sagemaker.stop_training_job(TrainingJobName=name)
    training_ended(sagemaker, name)
    sagemaker.delete_training_job(TrainingJobName=name)


def test_the_trial_component_stays(server: RunningServer, sagemaker: Any, train: Train) -> None:
    job = train()
    name, arn = job["TrainingJobName"], job["TrainingJobArn"]
    component = component_of(name)
    before = sagemaker.describe_trial_component(TrialComponentName=component)
    sagemaker.delete_training_job(TrainingJobName=name)

    after = sagemaker.describe_trial_component(TrialComponentName=component)
    for answer in (before, after):
        del answer["ResponseMetadata"]
    assert after == before
    assert (after["Source"]["SourceArn"], after["Parameters"]["eta"]) == (arn, {"NumberValue": 0.1})
    (summary,) = sagemaker.list_trial_components(SourceArn=arn)["TrialComponentSummaries"]
    assert summary["TrialComponentName"] == component
    (record,) = found(sagemaker, "ExperimentTrialComponent", "Source.SourceArn", arn)
    assert "SourceDetail" not in record  # what it was made of is no more
    metrics = server.client("sagemaker-metrics")
    query = {"MetricName": "loss", "ResourceArn": after["TrialComponentArn"], "MetricStat": "Max"}
    query |= {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
    (curve,) = metrics.batch_get_metrics(MetricQueries=[query])["MetricQueryResults"]
    assert curve["MetricValues"] == [3.0, 1.0, 2.0]

    sagemaker.delete_trial_component(TrialComponentName=component)
    assert refusal(sagemaker.describe_trial_component, TrialComponentName=component)[0] == "ResourceNotFound"


def test_a_component_that_was_never_asked_for_stays_as_well(sagemaker: Any, train: Train) -> None:
    job = train()
    sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    told = sagemaker.describe_trial_component(TrialComponentName=component_of(job["TrainingJobName"]))
    assert (told["Status"]["PrimaryStatus"], told["CreationTime"]) == ("Completed", job["CreationTime"])


def test_a_component_that_a_user_has_deleted_does_not_come_back(sagemaker: Any, train: Train) -> None:
    job = train()["TrainingJobName"]
    sagemaker.delete_trial_component(TrialComponentName=component_of(job))
    sagemaker.delete_training_job(TrainingJobName=job)
    assert refusal(sagemaker.describe_trial_component, TrialComponentName=component_of(job))[0] == "ResourceNotFound"


def test_a_new_job_of_the_name_has_the_component(sagemaker: Any, train: Train) -> None:
    name = new_name("again")
    for number in range(3):
        train(name, Environment={"NTH": str(number)})
        sagemaker.update_trial_component(TrialComponentName=component_of(name), DisplayName=f"the-{number}")
        sagemaker.delete_training_job(TrainingJobName=name)
    last = train(name)
    told = sagemaker.describe_trial_component(TrialComponentName=component_of(name))
    assert (told["DisplayName"], told["EndTime"]) == ("the-2", last["TrainingEndTime"])
    (record,) = found(sagemaker, "ExperimentTrialComponent", "TrialComponentName", component_of(name))
    assert record["SourceDetail"]["TrainingJob"]["CreationTime"] == last["CreationTime"]


def test_the_component_of_a_new_job_of_the_name_stays_in_its_trials(sagemaker: Any, train: Train) -> None:
    """It has the name and the ARN of the old one's, and nobody has taken it out of a trial."""
    name, experiment, one, other = (new_name(each) for each in ("again", "experiment", "one", "other"))
    sagemaker.create_experiment(ExperimentName=experiment)
    for trial in (one, other):
        sagemaker.create_trial(TrialName=trial, ExperimentName=experiment)

    def trials() -> list[str]:
        (record,) = found(sagemaker, "ExperimentTrialComponent", "TrialComponentName", component_of(name))
        return [parent["TrialName"] for parent in record.get("Parents", [])]

    train(name, ExperimentConfig={"TrialName": one})
    sagemaker.delete_training_job(TrainingJobName=name)
    assert trials() == [one]
    train(name)
    assert trials() == [one]
    sagemaker.delete_training_job(TrainingJobName=name)
    train(name, ExperimentConfig={"TrialName": other})
    assert trials() == [one, other]
    sagemaker.disassociate_trial_component(TrialComponentName=component_of(name), TrialName=one)
    assert trials() == [other]


def sources(sagemaker: Any, start: str, direction: str) -> dict[str, str]:
    answer = sagemaker.query_lineage(StartArns=[start], Direction=direction, IncludeEdges=False)
    return {vertex["Arn"]: vertex["Type"] for vertex in answer["Vertices"]}


@pytest.mark.parametrize("is_read", [True, False], ids=["read before", "not read before"])
def test_lineage_goes_through_the_component(sagemaker: Any, train: Train, is_read: bool) -> None:
    job = train()
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    component = f"{job['TrainingJobArn'].replace(':training-job/', ':experiment-trial-component/')}-aws-training-job"

    def model() -> str:
        (artifact,) = sagemaker.list_artifacts(SourceUri=uri)["ArtifactSummaries"]
        return str(artifact["ArtifactArn"])

    if is_read:
        model()
    sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    above = sources(sagemaker, model(), "Ascendants")
    assert above[component] == "TrainingJob"
    assert "DataSet" in above.values()
    assert sources(sagemaker, component, "Descendants") == {model(): "Model"}
    for order in ("SourceArn", "SourceType", "CreationTime"):
        listed = sagemaker.list_associations(DestinationArn=model(), SortBy=order)["AssociationSummaries"]
        assert [(each["SourceArn"], each["SourceType"]) for each in listed] == [(component, "TrainingJob")]
        assert listed[0]["SourceName"] == component_of(job["TrainingJobName"])
    context = sagemaker.create_context(
        ContextName=new_name("review"), Source={"SourceUri": new_name("review")}, ContextType="Review"
    )["ContextArn"]
    sagemaker.add_association(SourceArn=component, DestinationArn=context)

    train(job["TrainingJobName"])  # another one: what users have said of the component stays, what that one read goes
    assert component not in sources(sagemaker, model(), "Ascendants")
    assert context in sources(sagemaker, component, "Descendants")

    sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    sagemaker.delete_trial_component(TrialComponentName=component_of(job["TrainingJobName"]))
    assert sources(sagemaker, context, "Ascendants") == {}


def test_logs_stay(server: RunningServer, sagemaker: Any, train: Train) -> None:
    logs = server.client("logs")
    group, name = {"logGroupName": "/aws/sagemaker/TrainingJobs"}, new_name("printed")

    def streams(**asked: str) -> list[str]:
        pages = logs.get_paginator("describe_log_streams").paginate(**group, **asked, PaginationConfig={"PageSize": 1})
        return [each["logStreamName"] for page in pages for each in page["logStreams"]]

    first = train(name)
    wait_for("another second", lambda: int(first["CreationTime"].timestamp()) < int(time.time()))
    sagemaker.delete_training_job(TrainingJobName=name)
    second = train(name)
    created = [int(job["CreationTime"].timestamp()) for job in (first, second)]
    both = {f"{name}/algo-1-{at}" for at in created}
    assert set(streams(logStreamNamePrefix=f"{name}/algo-1")) == both
    assert set(streams(logStreamNamePrefix=name)) == both
    assert both <= set(streams())
    assert both <= set(streams(orderBy="LastEventTime"))
    assert pegbox(server, "logs", name).split() == ["loss=3;", "loss=1;", "loss=2;"]  # of the one that is there
    sagemaker.delete_training_job(TrainingJobName=name)
    for stream in both:
        events = logs.get_log_events(**group, logStreamName=stream)["events"]
        assert [event["message"] for event in events] == ["loss=3;", "loss=1;", "loss=2;"]
    filtered = logs.filter_log_events(**group, logStreamNamePrefix=name)["events"]
    assert {event["logStreamName"] for event in filtered} == both


def test_the_audit_still_answers(server: RunningServer, sagemaker: Any, train: Train) -> None:
    job = train()["TrainingJobName"]
    sagemaker.delete_training_job(TrainingJobName=job)
    train(job)
    done = run(
        "audit", "s3://jobs/data/a.csv", "--format", "json", "--most", "500", "--home", str(server.home),
        **server.environment,
    )  # fmt: skip
    told = [each for each in json.loads(done.out)["Readers"] if each["TrainingJobName"] == job]
    assert [(each["Relation"], each["IsGone"]) for each in told] == [("Used", False), ("Used", True)]


def test_the_audit_knows_what_a_job_named_that_ran_elsewhere(
    server: RunningServer, sagemaker: Any, train: Train, tmp_path: Path
) -> None:
    job, elsewhere = train(), new_name("Elsewhere")
    del job["ResponseMetadata"]
    job |= {"TrainingJobName": elsewhere, "TrainingJobArn": job["TrainingJobArn"] + "x"}
    job["InputDataConfig"] = [channel("train", f"s3://other/{elsewhere}/")]
    file = tmp_path / "jobs.jsonl"
    file.write_text(json.dumps(job, default=lambda at: at.timestamp()) + "\n")
    pegbox(server, "admin", "load", str(file))
    sagemaker.delete_training_job(TrainingJobName=elsewhere)
    done = run(
        "audit", f"s3://other/{elsewhere}/a", "--format", "json", "--home", str(server.home), **server.environment
    )
    (told,) = json.loads(done.out)["Readers"]
    assert (told["TrainingJobName"], told["Relation"], told["IsGone"]) == (elsewhere, "NotRecorded", True)

    pegbox(server, "admin", "load", str(file))  # and back
    assert training_ended(sagemaker, elsewhere)["CreationTime"] == job["CreationTime"]
    (record,) = found(sagemaker, "ExperimentTrialComponent", "TrialComponentName", component_of(elsewhere))
    assert record["SourceDetail"]["TrainingJob"]["TrainingJobName"] == elsewhere


def test_a_tuning_job_keeps_its_counters(server: RunningServer, sagemaker: Any, search: Callable[..., str]) -> None:
    name = search()
    before = tuning_ended(sagemaker, name)
    best, *others = children(sagemaker, name, SortBy="FinalObjectiveMetricValue", SortOrder="Ascending")
    assert before["BestTrainingJob"]["TrainingJobName"] == best["TrainingJobName"]
    sagemaker.delete_training_job(TrainingJobName=best["TrainingJobName"])

    after = tuning_ended(sagemaker, name)
    for counters in ("TrainingJobStatusCounters", "ObjectiveStatusCounters", "TuningJobCompletionDetails"):
        assert after[counters] == before[counters]
    left = {job["TrainingJobName"] for job in others}
    assert {job["TrainingJobName"] for job in children(sagemaker, name)} == left
    assert after["BestTrainingJob"]["TrainingJobName"] == others[0]["TrainingJobName"]
    (record,) = found(sagemaker, "HyperParameterTuningJob", "HyperParameterTuningJobName", name)
    assert record["BestTrainingJob"]["TrainingJobName"] == others[0]["TrainingJobName"]
    for line in (["describe", name], ["best", name], ["jobs", name], ["jobs"], ["explain", name], ["export", name]):
        pegbox(server, *line)
    assert len(pegbox(server, "logs", name, "--follow").splitlines()) == 3  # and comes to an end
    (summary,) = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)["HyperParameterTuningJobSummaries"]
    assert summary["TrainingJobStatusCounters"] == before["TrainingJobStatusCounters"]

    for job in others:
        sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    after = tuning_ended(sagemaker, name)
    assert ("BestTrainingJob" in after, children(sagemaker, name)) == (False, [])
    assert after["ObjectiveStatusCounters"] == before["ObjectiveStatusCounters"]
    for line in (["describe", name], ["jobs", name], ["jobs"], ["export", name]):
        pegbox(server, *line)
    for line in ("best", "explain"):
        assert run(line, name, "--home", str(server.home), **server.environment).code in (0, 1)


def test_a_warm_start_goes_without_the_jobs_of_its_parent(sagemaker: Any, search: Callable[..., str]) -> None:
    parent = search()
    for job in children(sagemaker, parent):
        sagemaker.delete_training_job(TrainingJobName=job["TrainingJobName"])
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
        "WarmStartType": "TransferLearning",
    }
    assert tuning_ended(sagemaker, search(WarmStartConfig=warm))["TrainingJobStatusCounters"]["Completed"] == 4


def test_the_command_deletes_nothing_of_a_tuning_job_that_goes_on(
    server: RunningServer, sagemaker: Any, s3: Any, tmp_path: Path
) -> None:
    name = new_name("goes-on")
    program = "import os, time; print('loss=1;', flush=True); time.sleep(float(os.environ['SM_HP_X']))"
    request = tuning_request(name, register(server, tmp_path, program), f"s3://jobs/{name}")
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        "CategoricalParameterRanges": [{"Name": "x", "Values": ["0", "600"]}]
    }
    sagemaker.create_hyper_parameter_tuning_job(**request)
    wait_for("a training job", lambda: children(sagemaker, name, StatusEquals="Completed"))
    done = run("delete", "--training-jobs", name, "--home", str(server.home), **server.environment)
    assert (done.code, f"pegbox stop {name}" in done.err) == (1, True)
    assert len(children(sagemaker, name)) == 2
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    tuning_ended(sagemaker, name)
    assert "with 2 training jobs" in pegbox(server, "delete", "--training-jobs", name)


def test_what_the_command_deletes(
    server: RunningServer, sagemaker: Any, search: Callable[..., str], train: Train
) -> None:
    one, kept, whole = train()["TrainingJobName"], search(), search()
    assert f"{one} is deleted" in pegbox(server, "delete", one)
    stay, go = ([job["TrainingJobName"] for job in children(sagemaker, name)] for name in (kept, whole))
    pegbox(server, "delete", kept)
    assert [training_ended(sagemaker, name)["TrainingJobStatus"] for name in stay] == ["Completed"] * 4
    assert f"{whole} is deleted, with 4 training jobs" in pegbox(server, "delete", "--training-jobs", whole)
    for name in (one, kept, whole, *go):
        done = run("delete", name, "--home", str(server.home), **server.environment)
        assert (done.code, "there is no tuning job and no training job" in done.err) == (1, True)
