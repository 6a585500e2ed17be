"""Clients that create, stop, describe and list the same few jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from histories.job_model import TRAINING, TUNING, JobModel
from histories.recording import Client, Door, History, together
from jobs import pegbox
from pegbox.testing.linearisability import Call
from pegbox.testing.requests import training_request, tuning_request

MODELS = {"training": JobModel(TRAINING, stops_again=False), "tuning": JobModel(TUNING, stops_again=True)}
BUCKET = "histories"
OUTPUT = f"s3://{BUCKET}/out"
STEMS = ("a", "b", "c")
#: what the jobs run; an image that nobody knows lets a job fail without a process
IMAGES = {"unknown": None, "quick": "true", "slow": "sleep 0.3"}


def prepare(door: Door) -> None:
    """Register the images that the jobs run and make the bucket of their models, once for a database."""
    door.client("s3").create_bucket(Bucket=BUCKET)
    for name, command in IMAGES.items():
        if command is not None:
            pegbox(door.server, "image", "add", name, "--command", command)


def jobs_of(doors: Sequence[Door], kind: str, seed: str, *, clients: int = 6, calls: int = 10) -> list[Call]:
    """The history of clients that share three new names; `kind` is training or tuning."""
    history = History(doors)
    prefix = f"{kind}-{seed}-"

    def live(client: Client) -> None:
        for step in range(calls):
            name = _any_case(client, prefix + client.luck.choice(STEMS))
            operation = "create" if step == 0 else client.luck.choice(_MIXTURE)
            _OPERATIONS[operation](history, client, kind, name if operation != "list" else prefix)

    together(clients, f"{kind}/{seed}", live)
    return history.calls()


_MIXTURE = ("create", "create", "stop", "describe", "describe", "list")


def _any_case(client: Client, name: str) -> str:
    return name.upper() if client.luck.random() < 0.3 else name


def _create(history: History, client: Client, kind: str, name: str) -> None:
    image = client.luck.choice(list(IMAGES))

    def work(sagemaker: Any) -> str:
        if kind == "training":
            sagemaker.create_training_job(**training_request(name, image, OUTPUT))
        else:
            sagemaker.create_hyper_parameter_tuning_job(**tuning_request(name, image, OUTPUT, jobs=2, at_once=1))
        return "created"

    history.ask(client, "sagemaker", "create", work, _told, name=name)


def _stop(history: History, client: Client, kind: str, name: str) -> None:
    def work(sagemaker: Any) -> str:
        if kind == "training":
            sagemaker.stop_training_job(TrainingJobName=name)
        else:
            sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return "stopping"

    history.ask(client, "sagemaker", "stop", work, _told, name=name)


def _describe(history: History, client: Client, kind: str, name: str) -> None:
    def work(sagemaker: Any) -> tuple[str, str]:
        if kind == "training":
            found = sagemaker.describe_training_job(TrainingJobName=name)
            return found["TrainingJobName"], found["TrainingJobStatus"]
        found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return found["HyperParameterTuningJobName"], found["HyperParameterTuningJobStatus"]

    history.ask(client, "sagemaker", "describe", work, _told, reads=True, name=name)


def _list(history: History, client: Client, kind: str, prefix: str) -> None:
    def work(sagemaker: Any) -> tuple[tuple[str, str], ...]:
        query = {"NameContains": prefix, "MaxResults": 100}
        if kind == "training":
            found = sagemaker.list_training_jobs(**query)["TrainingJobSummaries"]
            return tuple(sorted((job["TrainingJobName"], job["TrainingJobStatus"]) for job in found))
        found = sagemaker.list_hyper_parameter_tuning_jobs(**query)["HyperParameterTuningJobSummaries"]
        return tuple(
            sorted((job["HyperParameterTuningJobName"], job["HyperParameterTuningJobStatus"]) for job in found)
        )

    history.ask(client, "sagemaker", "list", work, _told, reads=True)


def _told(error: ClientError) -> Any:
    code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
    if code == "ResourceInUse":
        return "in use"
    if code == "ResourceNotFound" or message == "Requested resource not found.":
        return "missing"
    if refused := re.search(r"is in status (\w+)\.", message):
        return "refused", refused[1]
    return code, message


_OPERATIONS = {"create": _create, "stop": _stop, "describe": _describe, "list": _list}
