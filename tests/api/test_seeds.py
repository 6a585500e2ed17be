"""The guide's own walk: configure, launch, monitor and fetch the best model of a tuning job."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from guide import LOG_LINE, METRIC_DEFINITIONS, TUNING_JOB_CONFIG, training_job_definition
from jobs import XGBOOST, archive, children, new_name, put, training_ended, tuning_ended
from pegbox import data
from pegbox.testing.requests import ROLE, training_request
from running import wait_for

STATUS_COUNTERS = {"Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"}
OBJECTIVE_COUNTERS = {"Succeeded", "Pending", "Failed"}


@dataclass
class Search:
    """A finished tuning job as its owner saw it."""

    name: str
    prefix: str
    arn: str
    request: dict[str, Any]
    seen: list[dict[str, Any]]  #: every Describe on the way
    final: dict[str, Any]
    jobs: list[dict[str, Any]]


def _run(sagemaker: Any, s3: Any, bucket: str, jobs: int, name: str) -> Search:
    prefix = new_name("guide")
    for channel, path in data.files().items():
        s3.upload_file(str(path), bucket, f"{prefix}/{channel}/{path.name}")
    config = copy.deepcopy(TUNING_JOB_CONFIG)
    config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = jobs
    request = {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": training_job_definition(bucket, prefix, XGBOOST, ROLE),
    }
    answer = sagemaker.create_hyper_parameter_tuning_job(**copy.deepcopy(request))
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        seen.append(sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name))
        return bool(seen[-1]["HyperParameterTuningJobStatus"] != "InProgress")

    wait_for("the end of the guide's job", look, 120)
    found = children(sagemaker, name)
    return Search(name, prefix, answer["HyperParameterTuningJobArn"], request, seen, seen[-1], found)


@pytest.fixture(scope="module")
def search(sagemaker: Any, s3: Any, bucket: str) -> Search:
    """The guide's request with four training jobs."""
    return _run(sagemaker, s3, bucket, 4, "MyTuningJob")


def test_the_guides_twenty_jobs_find_a_good_model(sagemaker: Any, s3: Any, bucket: str) -> None:
    found = _run(sagemaker, s3, bucket, 20, "MyTuningJob20")
    assert found.final["HyperParameterTuningJobStatus"] == "Completed"
    assert found.final["TrainingJobStatusCounters"] == dict.fromkeys(STATUS_COUNTERS, 0) | {"Completed": 20}
    assert found.final["ObjectiveStatusCounters"] == {"Succeeded": 20, "Pending": 0, "Failed": 0}
    assert found.final["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] > 0.98
    assert max(view["TrainingJobStatusCounters"]["InProgress"] for view in found.seen) == 3
    assert sorted(job["TrainingJobName"].split("-")[1] for job in found.jobs) == [f"{n:03}" for n in range(1, 21)]


def test_describe_gives_back_the_request_and_what_clients_read_without_default(search: Search) -> None:
    final = search.final
    assert final["HyperParameterTuningJobName"] == "MyTuningJob"
    assert final["HyperParameterTuningJobArn"] == search.arn
    assert search.arn == "arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/mytuningjob"
    asked = search.request["HyperParameterTuningJobConfig"]
    assert final["HyperParameterTuningJobConfig"] == asked | {"TrainingJobEarlyStoppingType": "Off"}
    definition, asked = final["TrainingJobDefinition"], search.request["TrainingJobDefinition"]
    assert definition["StaticHyperParameters"] == asked["StaticHyperParameters"] | {
        "_tuning_objective_metric": "validation:auc"
    }
    assert definition["ResourceConfig"] == asked["ResourceConfig"]
    assert definition["StoppingCondition"] == asked["StoppingCondition"]
    assert definition["RoleArn"] == ROLE
    assert [channel["RecordWrapperType"] for channel in definition["InputDataConfig"]] == ["None", "None"]
    stripped = [
        {key: item[key] for key in item if key != "RecordWrapperType"} for item in definition["InputDataConfig"]
    ]
    assert stripped == asked["InputDataConfig"]
    assert definition["OutputDataConfig"]["S3OutputPath"] == asked["OutputDataConfig"]["S3OutputPath"]
    flags = ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining")
    assert [definition[flag] for flag in flags] == [False] * 3
    assert not {"TrainingJobDefinitions", "WarmStartConfig", "Autotune", "OverallBestTrainingJob"} & set(final)


def test_describe_shows_the_metrics_of_the_built_in_and_the_objective_once_more(search: Search) -> None:
    definitions = search.final["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    regexes = {item["Name"]: item["Regex"] for item in definitions}
    assert {"validation:auc", "train:auc", "validation:rmse"} <= set(regexes)
    assert definitions[-1] == {"Name": "ObjectiveMetric", "Regex": regexes["validation:auc"]}


def test_describe_counts_and_dates_at_every_moment(search: Search) -> None:
    first, final = search.seen[0], search.final
    assert first["HyperParameterTuningJobStatus"] == "InProgress"
    assert "BestTrainingJob" not in first and "HyperParameterTuningEndTime" not in first
    for view in search.seen:
        counters, objectives = view["TrainingJobStatusCounters"], view["ObjectiveStatusCounters"]
        assert set(counters) == STATUS_COUNTERS and set(objectives) == OBJECTIVE_COUNTERS
        assert sum(counters.values()) == sum(objectives.values()) <= 4
        assert counters["InProgress"] == objectives["Pending"] <= 3
        assert ("BestTrainingJob" in view) == (objectives["Succeeded"] > 0)
        assert view["ConsumedResources"]["RuntimeInSeconds"] >= 0
    assert final["CreationTime"] <= final["LastModifiedTime"] <= final["HyperParameterTuningEndTime"]
    bests = [
        view["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for view in search.seen
        if "BestTrainingJob" in view
    ]
    assert bests == sorted(bests)


def test_the_best_job_is_the_best_of_the_list(search: Search) -> None:
    assert len(search.jobs) == 4
    best = max(search.jobs, key=lambda job: job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
    assert search.final["BestTrainingJob"] == best
    assert best["TrainingJobDefinitionName"] == "training-job-definition"
    assert best["TuningJobName"] == "MyTuningJob"
    assert best["ObjectiveStatus"] == "Succeeded" and best["TrainingJobStatus"] == "Completed"
    final = best["FinalHyperParameterTuningJobObjectiveMetric"]
    assert (final["Type"], final["MetricName"]) == ("Maximize", "validation:auc")
    assert best["CreationTime"] <= best["TrainingStartTime"] <= best["TrainingEndTime"]
    assert best["TrainingJobArn"].endswith(f":training-job/{best['TrainingJobName'].lower()}")


def test_tuned_values_lie_in_their_ranges(search: Search) -> None:
    for job in search.jobs:
        tuned = job["TunedHyperParameters"]
        assert set(tuned) == {"eta", "alpha", "min_child_weight", "max_depth"}
        assert 0 <= float(tuned["eta"]) <= 1
        assert 0 <= float(tuned["alpha"]) <= 2
        assert 1 <= float(tuned["min_child_weight"]) <= 10
        assert str(int(tuned["max_depth"])) == tuned["max_depth"] and 1 <= int(tuned["max_depth"]) <= 10


def test_each_training_job_tells_everything(sagemaker: Any, search: Search) -> None:
    for summary in search.jobs:
        job = sagemaker.describe_training_job(TrainingJobName=summary["TrainingJobName"])
        assert job["TuningJobArn"] == search.arn
        static = search.request["TrainingJobDefinition"]["StaticHyperParameters"]
        assert job["HyperParameters"] == {
            **static,
            **summary["TunedHyperParameters"],
            "_tuning_objective_metric": "validation:auc",
        }
        output = search.request["TrainingJobDefinition"]["OutputDataConfig"]["S3OutputPath"]
        location = f"{output}/{job['TrainingJobName']}/output/model.tar.gz"
        assert job["ModelArtifacts"] == {"S3ModelArtifacts": location}
        assert job["OutputDataConfig"] == {"S3OutputPath": output, "KmsKeyId": "", "CompressionType": "GZIP"}
        assert job["ResourceConfig"]["InstanceCount"] == 2
        assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 43200}
        assert job["AlgorithmSpecification"]["EnableSageMakerMetricsTimeSeries"] is True
        assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
        assert "FailureReason" not in job
        objective = summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        finals = {item["MetricName"]: item["Value"] for item in job["FinalMetricDataList"]}
        assert finals["validation:auc"] == finals["ObjectiveMetric"] == objective
        assert all(isinstance(item["Timestamp"], datetime) for item in job["FinalMetricDataList"])


def test_the_transitions_of_a_training_job_are_a_seamless_history(sagemaker: Any, search: Search) -> None:
    job = sagemaker.describe_training_job(TrainingJobName=search.jobs[0]["TrainingJobName"])
    steps = job["SecondaryStatusTransitions"]
    assert [step["Status"] for step in steps][-4:] == ["Downloading", "Training", "Uploading", "Completed"]
    assert all(step["StatusMessage"] for step in steps)
    assert steps[-1]["Status"] == job["SecondaryStatus"]
    assert steps[-1]["StatusMessage"] == "Training job completed"
    assert all(step["EndTime"] == after["StartTime"] for step, after in pairwise(steps))
    assert all(step["StartTime"] <= step["EndTime"] for step in steps)


def test_the_best_model_is_an_xgboost_model(sagemaker: Any, s3: Any, search: Search) -> None:
    import xgboost

    job = sagemaker.describe_training_job(TrainingJobName=search.final["BestTrainingJob"]["TrainingJobName"])
    files = archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"])
    assert set(files) == {"xgboost-model"}
    booster = xgboost.Booster()
    booster.load_model(bytearray(files["xgboost-model"]))
    assert booster.num_boosted_rounds() == 100
    assert booster.num_features() == 30


def test_the_list_of_training_jobs_sorts_filters_and_pages(sagemaker: Any, search: Search) -> None:
    values = [
        job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for job in children(sagemaker, search.name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    ]
    assert len(values) == 4 and values == sorted(values, reverse=True)
    names = [job["TrainingJobName"] for job in search.jobs]
    assert names == sorted(names)
    one_by_one = children(sagemaker, search.name, SortBy="CreationTime", PaginationConfig={"PageSize": 1})
    assert sorted(job["TrainingJobName"] for job in one_by_one) == names
    times = [job["CreationTime"] for job in one_by_one]
    assert times == sorted(times)
    assert children(sagemaker, search.name, StatusEquals="Failed") == []
    assert len(children(sagemaker, search.name, StatusEquals="Completed", SortBy="Status")) == 4


def test_names_are_found_in_any_case(sagemaker: Any, search: Search) -> None:
    found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="MYTUNINGJOB")
    assert found["HyperParameterTuningJobName"] == "MyTuningJob"


def test_the_guides_log_line_yields_the_guides_four_values(
    sagemaker: Any, here: str, image: Callable[..., str]
) -> None:
    name = new_name()
    request = training_request(name, image(f"print({LOG_LINE!r})"), here)
    request["AlgorithmSpecification"]["MetricDefinitions"] = METRIC_DEFINITIONS
    sagemaker.create_training_job(**request)
    job = training_ended(sagemaker, name)
    assert [(item["MetricName"], item["Value"]) for item in job["FinalMetricDataList"]] == [
        ("ganloss", 0.138318),
        ("disc-combined", 0.0),
        ("discloss", 1.374587),
        ("loss", 16.020744),
    ]


def test_the_guides_log_line_drives_a_search(sagemaker: Any, here: str, image: Callable[..., str]) -> None:
    program = f"""
        import os
        if os.environ["SM_LOG_LEVEL"] == "10" and os.environ["SM_HP_X"]:
            print({LOG_LINE!r})
    """
    definition = training_job_definition("jobs", "none", image(program), ROLE)
    for name in ("InputDataConfig", "StaticHyperParameters"):
        del definition[name]
    definition["AlgorithmSpecification"]["MetricDefinitions"] = METRIC_DEFINITIONS
    definition["Environment"] = {"SM_LOG_LEVEL": "10"}
    config = copy.deepcopy(TUNING_JOB_CONFIG)
    config["ParameterRanges"] = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
    config["ResourceLimits"] = {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2}
    config["HyperParameterTuningJobObjective"] = {"MetricName": "loss", "Type": "Minimize"}
    name = new_name("gan")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, HyperParameterTuningJobConfig=config, TrainingJobDefinition=definition
    )
    final = tuning_ended(sagemaker, name)
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert final["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"] == {
        "Type": "Minimize",
        "MetricName": "loss",
        "Value": 16.020744,
    }
    job = sagemaker.describe_training_job(TrainingJobName=final["BestTrainingJob"]["TrainingJobName"])
    assert job["Environment"] == {"SM_LOG_LEVEL": "10"}
    assert {item["MetricName"] for item in job["FinalMetricDataList"]} == {
        "ganloss", "disc-combined", "discloss", "loss", "ObjectiveMetric",
    }  # fmt: skip


def test_hyper_parameter_tuning_resource_config_is_shown_in_both_forms(
    sagemaker: Any, s3: Any, here: str, bucket: str
) -> None:
    put(s3, here, {f"/{name}/{path.name}": path.read_bytes() for name, path in data.files().items()})
    definition = training_job_definition(bucket, here.rsplit("/", 1)[-1], "xgboost", ROLE)
    resources = {"InstanceCount": 1, "InstanceType": "ml.c4.2xlarge", "VolumeSizeInGB": 10}
    del definition["ResourceConfig"]
    definition["HyperParameterTuningResourceConfig"] = resources
    config = copy.deepcopy(TUNING_JOB_CONFIG)
    config["ResourceLimits"] = {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
    name = new_name("sdk")
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name, HyperParameterTuningJobConfig=config, TrainingJobDefinition=definition
    )
    found = tuning_ended(sagemaker, name)
    assert found["TrainingJobDefinition"]["HyperParameterTuningResourceConfig"] == resources
    assert found["TrainingJobDefinition"]["ResourceConfig"] == resources
    assert found["BestTrainingJob"]["ObjectiveStatus"] == "Succeeded"
