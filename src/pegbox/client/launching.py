"""From what a file asks for to a tuning job on a server: its program, a bucket, a name."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pegbox.client import api_form, document, short_form
from pegbox.client.connection import Connection, NoServer
from pegbox.client.wanted import Program, Wanted

LONGEST_STEM = 24  #: of a tuning job's name, which has 32 at most
NAME = "HyperParameterTuningJobName"

Register = Callable[[str, Program], None]  #: says what an image of this name runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A tuning job that has been created."""

    name: str
    request: Mapping[str, Any]


def read(file: Path, operation: Callable[[], Any]) -> Wanted:
    """What a file asks for; `operation` gives the input shape of CreateHyperParameterTuningJob, if it is needed.

    Raises RequestFaults, UnreadableFile.
    """
    root = document.read(file)
    if api_form.is_meant(root):
        return api_form.wanted(file, root, operation())
    return short_form.wanted(file, root)


def launch(connection: Connection, wanted: Wanted, file: Path, name: str | None, register: Register) -> Launch:
    """Create the tuning job.  Raises NoServer, ClientError."""
    request = dict(wanted.request)
    stem = _slug(file.stem)
    if wanted.program is not None:
        if not connection.is_ours:
            raise NoServer(
                f"{file} names a program of this machine, and the server at {connection.url} is not that of "
                f"{connection.settings.home}: write image: NAME, of one that is registered there"
            )
        image = wanted.program.image_name(stem)
        register(image, wanted.program)
        request = _with(request, AlgorithmSpecification={"TrainingImage": image})
    given = name or request.get(NAME)
    sagemaker = connection.client("sagemaker")
    for each in [given] if given else _free_names(sagemaker, stem):
        complete = {**_complete(connection, request, each), NAME: each}
        try:
            sagemaker.create_hyper_parameter_tuning_job(**complete)
            return Launch(name=each, request=complete)
        except sagemaker.exceptions.ResourceInUse:
            if given:
                raise
    raise AssertionError("there is always one more number")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:LONGEST_STEM].rstrip("-") or "job"


def _free_names(sagemaker: Any, stem: str) -> Iterator[str]:
    """stem-1, stem-2, ... from the first on that nobody has taken, and no later one either."""
    pages = sagemaker.get_paginator("list_hyper_parameter_tuning_jobs").paginate(NameContains=f"{stem}-")
    names = [each[NAME] for page in pages for each in page["HyperParameterTuningJobSummaries"]]
    numbered = (re.fullmatch(rf"{re.escape(stem)}-([0-9]{{1,7}})", name, re.IGNORECASE) for name in names)
    last = max((int(found[1]) for found in numbered if found), default=0)
    return (f"{stem}-{number}" for number in count(last + 1))


def _complete(connection: Connection, request: dict[str, Any], name: str) -> dict[str, Any]:
    """With a role, which nobody checks, and with a place for models, wherever the file names none."""
    several = request.get("TrainingJobDefinitions") or []
    definitions = [*several, *([request["TrainingJobDefinition"]] if "TrainingJobDefinition" in request else [])]
    missing = {name for name in ("RoleArn", "OutputDataConfig") if any(name not in each for each in definitions)}
    if not missing:
        return request
    account = connection.client("sts").get_caller_identity()["Account"]
    defaults: dict[str, Any] = {"RoleArn": f"arn:aws:iam::{account}:role/pegbox"}
    if "OutputDataConfig" in missing:
        defaults["OutputDataConfig"] = {"S3OutputPath": f"s3://{_bucket(connection, account)}/{name}"}
    filled = [{**defaults, **each} for each in definitions]
    if several:
        return {**request, "TrainingJobDefinitions": filled}
    return {**request, "TrainingJobDefinition": filled[0]}


def _bucket(connection: Connection, account: str) -> str:
    """A bucket of the account's own, made if it is not there."""
    s3 = connection.client("s3")
    region = s3.meta.region_name
    name = f"pegbox-{region}-{account}"
    place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=name, **place)
    return name


def _with(request: Mapping[str, Any], **changes: Mapping[str, Any]) -> dict[str, Any]:
    """The request with more members in parts of its TrainingJobDefinition."""
    definition = dict(request["TrainingJobDefinition"])
    for part, members in changes.items():
        definition[part] = {**definition.get(part, {}), **members}
    return {**request, "TrainingJobDefinition": definition}
