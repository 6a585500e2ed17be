"""Requests that must be refused, each with a message that says what to change, and nothing created."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.config import Config

from jobs import new_name, refusal_of, tuning_ended
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer
from wrong_requests import NOT_YET, TRAINING, TUNING, config, job

CREATE_TUNING_JOB = "CreateHyperParameterTuningJob"


@pytest.fixture(scope="module")
def unchecked(server: RunningServer) -> Any:
    """A client that sends whatever it is given."""
    return server.client("sagemaker", config=Config(parameter_validation=False))


@pytest.fixture
def nothing_created(sagemaker: Any) -> Iterator[None]:
    """Fails when the test leaves a job behind."""

    def count() -> tuple[int, int]:
        tuning = sagemaker.get_paginator("list_hyper_parameter_tuning_jobs").paginate()
        training = sagemaker.get_paginator("list_training_jobs").paginate()
        return (
            sum(len(page["HyperParameterTuningJobSummaries"]) for page in tuning),
            sum(len(page["TrainingJobSummaries"]) for page in training),
        )

    before = count()
    yield
    assert count() == before


@pytest.mark.parametrize("case", TUNING)
def test_a_wrong_tuning_request_is_refused(unchecked: Any, here: str, case: str) -> None:
    change, expected = TUNING[case]
    request = tuning_request(new_name(), "any", here)
    change(request)
    code, message = refusal_of(unchecked, CREATE_TUNING_JOB, request)
    assert code == "ValidationException"
    assert expected in message


@pytest.mark.parametrize("case", NOT_YET)
def test_what_is_not_there_yet_is_refused_by_name(unchecked: Any, here: str, case: str) -> None:
    change, expected = NOT_YET[case]
    request = tuning_request(new_name(), "any", here)
    change(request)
    code, message = refusal_of(unchecked, CREATE_TUNING_JOB, request)
    assert code == "ValidationException"
    assert expected in message and "not supported" in message


@pytest.mark.usefixtures("nothing_created")
def test_nothing_is_created_by_any_wrong_tuning_request(unchecked: Any, here: str) -> None:
    for change, _ in [*TUNING.values(), *NOT_YET.values()]:
        request = tuning_request(new_name(), "any", here)
        change(request)
        refusal_of(unchecked, CREATE_TUNING_JOB, request)


def test_the_requests_that_are_changed_are_right_without_the_change(
    sagemaker: Any, here: str, image: Callable[..., str]
) -> None:
    name, running = new_name(), image("import time\ntime.sleep(600)")
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request(name, running, here))
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuning_ended(sagemaker, name)["HyperParameterTuningJobStatus"] == "Stopped"


@pytest.mark.usefixtures("nothing_created")
@pytest.mark.parametrize("case", TRAINING)
def test_a_wrong_training_request_is_refused(unchecked: Any, here: str, case: str) -> None:
    changes, expected = TRAINING[case]
    request = training_request(new_name(), "any", here) | changes
    code, message = refusal_of(unchecked, "CreateTrainingJob", request)
    assert code == "ValidationException"
    assert expected in message


def test_several_mistakes_are_told_at_once(unchecked: Any, here: str) -> None:
    request = tuning_request("a b", "any", here)
    config(request)["Strategy"] = "Guess"
    job(request)["RoleArn"] = "me"
    _, message = refusal_of(unchecked, CREATE_TUNING_JOB, request)
    assert message.startswith("4 validation errors detected: ")
    for path in ("hyperParameterTuningJobName", "hyperParameterTuningJobConfig.strategy", "roleArn"):
        assert path in message
