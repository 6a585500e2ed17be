"""DeleteHyperParameterTuningJob: the entry goes, what it found stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs import children, keys, new_name, refusal, training_ended, tuning_ended
from pegbox.testing.requests import tuning_request

LINE = "print('loss=1;')"


@pytest.fixture
def search(sagemaker: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Run a tuning job to its end."""

    def run(request: dict[str, Any]) -> dict[str, Any]:
        sagemaker.create_hyper_parameter_tuning_job(**request)
        return tuning_ended(sagemaker, request["HyperParameterTuningJobName"])

    return run


def test_what_is_deleted_is_the_entry_alone(
    sagemaker: Any, s3: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    request = tuning_request(new_name("Gone"), image(LINE), here)
    name = request["HyperParameterTuningJobName"]
    arn = search(request)["HyperParameterTuningJobArn"]
    before = children(sagemaker, name)
    described = [training_ended(sagemaker, child["TrainingJobName"]) for child in before]

    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name.upper())  # in whatever case

    assert refusal(sagemaker.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName=name)[0] == (
        "ResourceNotFound"
    )
    listed = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)["HyperParameterTuningJobSummaries"]
    assert listed == []
    for child in described:
        again = training_ended(sagemaker, child["TrainingJobName"])
        del again["ResponseMetadata"], child["ResponseMetadata"]
        assert again == child
        assert again["TuningJobArn"] == arn
        assert keys(s3, again["ModelArtifacts"]["S3ModelArtifacts"]) == [""]
    still = sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    assert {job["TrainingJobName"] for job in still} == {child["TrainingJobName"] for child in before}


def test_the_name_is_free_and_the_old_training_jobs_are_not_the_new_ones(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    request = tuning_request(new_name("again"), image(LINE), here)
    name = request["HyperParameterTuningJobName"]
    request["HyperParameterTuningJobConfig"]["RandomSeed"] = 3
    search(request)
    old = {child["TrainingJobName"] for child in children(sagemaker, name)}
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    final = search(request)
    new = {child["TrainingJobName"] for child in children(sagemaker, name)}
    assert len(old) == len(new) == 2
    assert not old & new
    assert final["TrainingJobStatusCounters"]["Completed"] == 2


def test_what_has_not_ended_cannot_be_deleted(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    request = tuning_request(new_name("busy"), image("import time\ntime.sleep(600)"), here)
    named = {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"]}
    sagemaker.create_hyper_parameter_tuning_job(**request)
    code, message = refusal(sagemaker.delete_hyper_parameter_tuning_job, **named)
    assert code == "ValidationException"
    assert "is in status InProgress" in message
    sagemaker.stop_hyper_parameter_tuning_job(**named)
    tuning_ended(sagemaker, named["HyperParameterTuningJobName"])
    sagemaker.delete_hyper_parameter_tuning_job(**named)


def test_what_is_not_there_is_deleted_without_an_error(sagemaker: Any) -> None:
    answer = sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="nobody")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
