"""Commands as users give them, and what happens to the jobs they start."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import textwrap
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from typer.testing import CliRunner

import forking
from pegbox.cli.main import app
from running import RunningServer, clean_environment, wait_for

XGBOOST = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest"


_alone = threading.Lock()  #: the runner puts a command's environment into that of this process


def new_name(stem: str = "job") -> str:
    """A job name that nobody has used."""
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def ended_jobs(first: int, last: int) -> list[bytes]:
    """Training jobs that ended, job-<number> each, as lines of the file that `pegbox admin load` takes."""
    records = (
        {
            "TrainingJobName": f"job-{number}",
            "TrainingJobStatus": "Completed",
            "HyperParameters": {"eta": str(number), "kind": "x" * 300},
            "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
            "ModelArtifacts": {"S3ModelArtifacts": "s3://models/model.tar.gz"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "CreationTime": 1.7e9 + number,
            "FinalMetricDataList": [{"MetricName": "auc", "Value": number / 7, "Timestamp": 1.7e9}],
        }
        for number in range(first, last)
    )
    return [json.dumps(each).encode() + b"\n" for each in records]


def pegbox(server: RunningServer, *arguments: str) -> str:
    """Run a command of the command line on the server's home; returns what it prints."""
    with _alone:
        result = CliRunner().invoke(
            app, [*arguments, "--home", str(server.home)], env=dict(server.environment), catch_exceptions=False
        )
    assert result.exit_code == 0, result.output
    return result.output


def command(server: RunningServer, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `[NAME=VALUE ...] pegbox ...` in a process of its own, as a shell would, without the cost of one."""
    words = shlex.split(line)
    place = words.index("pegbox")
    given = dict(word.split("=", 1) for word in words[:place])
    environment = clean_environment() | {"PEGBOX_HOME": str(server.home)} | server.environment | given
    return forking.run(words[place + 1 :], environment, folder)


def shell(server: RunningServer, command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line as a user does; `pegbox` is on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=clean_environment() | {"PATH": path, "PEGBOX_HOME": str(server.home)} | server.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def register(server: RunningServer, folder: Path, source: str, *options: str) -> str:
    """Register an image that runs this Python program; returns the image's name."""
    name = new_name("image")
    program = folder / f"{name}.py"
    program.write_text(textwrap.dedent(source))
    pegbox(server, "image", "add", name, "--command", f"python {program}", "--workdir", str(folder), *options)
    return name


def training_ended(sagemaker: Any, name: str, seconds: float = 60.0) -> dict[str, Any]:
    """DescribeTrainingJob of a job that has ended."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        return found if found["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return wait_for(f"the end of {name}", look, seconds)


def tuning_ended(sagemaker: Any, name: str, seconds: float = 120.0) -> dict[str, Any]:
    """DescribeHyperParameterTuningJob of a job that has ended."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return found if found["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return wait_for(f"the end of {name}", look, seconds)


def in_training(sagemaker: Any, name: str) -> dict[str, Any]:
    """DescribeTrainingJob of a job whose program runs."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
        return found if found["SecondaryStatus"] == "Training" and "TrainingStartTime" in found else None

    return wait_for(f"training of {name}", look)


def process_of(job: str) -> str:
    """The pid of a job's program as we see it; in namespaces of its own it has another one for itself."""
    mark = f"\0TRAINING_JOB_NAME={job}\0".encode()
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in b"\0" + place.read_bytes():
                return place.parent.name
    raise AssertionError(f"no program of {job} is running")


def children(sagemaker: Any, tuning_job: str, **query: Any) -> list[dict[str, Any]]:
    """All training jobs of a tuning job."""
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=tuning_job, **query
    )
    return [job for page in pages for job in page["TrainingJobSummaries"]]


def refusal(call: Any, *arguments: Any, **request: Any) -> tuple[str, str]:
    """Code and message of the error in which a call ends."""
    try:
        answer = call(*arguments, **request)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError(f"not refused: {answer}")


def refusal_of(client: Any, operation: str, body: object) -> tuple[str, str]:
    """Code and message of the error that a body gets which the client itself would not send; it is signed as usual."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def replace(params: dict[str, Any], **_: object) -> None:
        params["body"] = content

    event = f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register_last(event, replace, unique_id="body")
    try:
        return refusal(getattr(client, xform_name(operation)))
    finally:
        client.meta.events.unregister(event, unique_id="body")


def fetch(s3: Any, uri: str) -> bytes:
    """The bytes of an object."""
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def archive(s3: Any, uri: str) -> dict[str, bytes]:
    """Name -> bytes of the files in a tar.gz."""
    with tarfile.open(fileobj=io.BytesIO(fetch(s3, uri))) as found:
        members = [member for member in found.getmembers() if member.isfile()]
        return {member.name: (found.extractfile(member) or io.BytesIO()).read() for member in members}


def keys(s3: Any, uri: str) -> list[str]:
    """All keys under a prefix, relative to it."""
    bucket, prefix = uri.removeprefix("s3://").split("/", 1)
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(prefix) for item in found]


def put(s3: Any, uri: str, files: Mapping[str, bytes | str]) -> None:
    """Store objects below a prefix."""
    bucket, prefix = uri.removeprefix("s3://").split("/", 1)
    for name, content in files.items():
        s3.put_object(Bucket=bucket, Key=prefix + name, Body=content)


def found(sagemaker: Any, resource: str, name: str, value: str) -> list[dict[str, Any]]:
    """The records of which a property has a value, by Search."""
    wanted = [{"Name": name, "Operator": "Equals", "Value": value}]
    answer = sagemaker.search(Resource=resource, SearchExpression={"Filters": wanted})
    return [next(iter(each.values())) for each in answer["Results"]]


def component_of(job: str) -> str:
    """The name of the trial component that a training job makes."""
    return f"{job}-aws-training-job"
