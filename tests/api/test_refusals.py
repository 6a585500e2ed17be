"""What is refused though its form is right: names that are taken or unknown, too many instances, too long bodies."""

from __future__ import annotations

import copy
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobs import new_name, refusal, register, tuning_ended
from patient import PATIENT
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer
from wrong_requests import job


def test_a_name_that_differs_only_in_case_is_taken(sagemaker: Any, here: str) -> None:
    name = new_name("Taken")
    sagemaker.create_training_job(**training_request(name, "any", here))
    code, message = refusal(sagemaker.create_training_job, **training_request(name.upper(), "any", here))
    assert code == "ResourceInUse"
    assert f"already exists (arn:aws:sagemaker:us-east-1:000000000000:training-job/{name.lower()})" in message
    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        sagemaker.create_training_job(**training_request(name, "any", here))


def test_a_tuning_jobs_name_that_differs_only_in_case_is_taken(sagemaker: Any, here: str) -> None:
    request = tuning_request(new_name("Taken"), "any", here)
    sagemaker.create_hyper_parameter_tuning_job(**request)
    again = copy.deepcopy(request) | {"HyperParameterTuningJobName": request["HyperParameterTuningJobName"].lower()}
    code, message = refusal(sagemaker.create_hyper_parameter_tuning_job, **again)
    assert code == "ResourceInUse"
    assert again["HyperParameterTuningJobName"] in message


def test_what_does_not_exist_is_told_as_the_service_tells_it(sagemaker: Any) -> None:
    unknown = {"TrainingJobName": "nobody"}
    assert refusal(sagemaker.describe_training_job, **unknown) == (
        "ValidationException",
        "Requested resource not found.",
    )
    code, message = refusal(sagemaker.stop_training_job, **unknown)
    assert code == "ResourceNotFound" and "nobody" in message
    for call in (
        sagemaker.describe_hyper_parameter_tuning_job,
        sagemaker.stop_hyper_parameter_tuning_job,
        sagemaker.list_training_jobs_for_hyper_parameter_tuning_job,
    ):
        code, message = refusal(call, HyperParameterTuningJobName="nobody")
        assert code == "ResourceNotFound"
        assert "can't find a tuning job with the name nobody" in message


def test_there_is_a_limit_to_the_instances_of_a_job(sagemaker: Any, here: str) -> None:
    request = training_request(new_name(), "any", here)
    request["ResourceConfig"]["InstanceCount"] = 1_000_000
    code, message = refusal(sagemaker.create_training_job, **request)
    assert code == "ResourceLimitExceeded"
    assert message == (
        "The account-level service limit 'Number of instances for a training job' is 100 Instances, with current "
        "utilization of 0 Instances and a request delta of 1000000 Instances. No setting of pegbox raises it."
    )
    request = tuning_request(new_name(), "any", here)
    job(request)["ResourceConfig"]["InstanceCount"] = 101
    assert refusal(sagemaker.create_hyper_parameter_tuning_job, **request)[0] == "ResourceLimitExceeded"


def test_there_is_a_limit_to_the_training_jobs_at_once(
    sagemaker: Any, start_server: Callable[..., RunningServer], here: str
) -> None:
    request = tuning_request(new_name(), "any", here, jobs=200, at_once=101)
    code, message = refusal(sagemaker.create_hyper_parameter_tuning_job, **request)
    assert code == "ResourceLimitExceeded"
    assert message == (
        "The account-level service limit 'Number of parallel training jobs per hyperparameter tuning job' is 100 "
        "Training jobs, with current utilization of 0 Training jobs and a request delta of 101 Training jobs. Please "
        "raise pegbox's setting parallel_training_jobs (PEGBOX_PARALLEL_TRAINING_JOBS) for a higher limit."
    )
    other = start_server(environment={"PEGBOX_PARALLEL_TRAINING_JOBS": "2"}).client("sagemaker")
    other.create_hyper_parameter_tuning_job(**tuning_request("two", "any", "s3://none/out", jobs=3, at_once=2))
    request = tuning_request("three", "any", "s3://none/out", jobs=3, at_once=3)
    assert refusal(other.create_hyper_parameter_tuning_job, **request)[0] == "ResourceLimitExceeded"
    assert refusal(other.describe_hyper_parameter_tuning_job, HyperParameterTuningJobName="three")[0] == (
        "ResourceNotFound"
    )
    taken = request | {"HyperParameterTuningJobName": "TWO"}  # a name that is taken is told first
    assert refusal(other.create_hyper_parameter_tuning_job, **taken)[0] == "ResourceInUse"


def test_there_is_a_limit_to_the_tuning_jobs_at_once(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server(environment={"PEGBOX_TUNING_JOBS": "2"})
    client, program = server.client("sagemaker"), register(server, tmp_path, PATIENT)
    server.client("s3").create_bucket(Bucket="jobs")
    requests = [tuning_request(name, program, "s3://jobs/out", jobs=1, at_once=1) for name in ("a", "b", "c", "B")]
    for request in requests[:2]:
        client.create_hyper_parameter_tuning_job(**request)
    code, message = refusal(client.create_hyper_parameter_tuning_job, **requests[2])
    assert code == "ResourceLimitExceeded"
    assert message == (
        "The account-level service limit 'Number of parallel hyperparameter tuning jobs' is 2 Tuning jobs, with "
        "current utilization of 2 Tuning jobs and a request delta of 1 Tuning jobs. Please raise pegbox's setting "
        "tuning_jobs (PEGBOX_TUNING_JOBS) for a higher limit."
    )
    assert refusal(client.create_hyper_parameter_tuning_job, **requests[3])[0] == "ResourceInUse"
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="a")
    tuning_ended(client, "a")
    client.create_hyper_parameter_tuning_job(**requests[2])
    (tmp_path / "go").touch()
    for name in ("b", "c"):
        tuning_ended(client, name)


@pytest.mark.parametrize(
    "header",
    ["X-Amz-Target: SageMaker.ListTrainingJobs", "Content-Type: application/x-www-form-urlencoded"],
    ids=["JSON", "query"],
)
def test_a_body_that_nobody_would_read_is_refused_before_it_is_sent(server: RunningServer, header: str) -> None:
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as connection:
        connection.sendall(f"POST / HTTP/1.1\r\nHost: here\r\n{header}\r\nContent-Length: {10**12}\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            text = answer.read().decode()  # to the end: the server closes
    head, _, body = text.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 413 ")
    assert "\r\nconnection: close" in head.lower()
    assert "RequestEntityTooLargeException" in body and str(4 << 20) in body


def test_of_requests_with_one_name_at_the_same_time_one_wins(server: RunningServer, here: str) -> None:
    clients = [server.client("sagemaker") for _ in range(8)]
    request = training_request(new_name(), "any", here)

    def create(client: Any) -> str:
        try:
            client.create_training_job(**request)
        except client.exceptions.ResourceInUse:
            return "taken"
        return "created"

    with ThreadPoolExecutor(len(clients)) as pool:
        assert sorted(pool.map(create, clients)) == ["created"] + ["taken"] * 7
