"""Programs that nest folders deeper than a path can be long, or make files with more holes than a volume has room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs import new_name, training_ended
from pegbox.testing.requests import training_request
from running import RunningServer

PROGRAM = """
import os
here = os.open(os.environ[{variable!r}], os.O_RDONLY)
for _ in range(1500):
    os.mkdir("folder", dir_fd=here)
    inner = os.open("folder", os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = inner
"""


@pytest.mark.parametrize(
    ("variable", "status"),
    [("SM_MODEL_DIR", "Failed"), ("SM_OUTPUT_DATA_DIR", "Failed"), ("SM_INPUT_DIR", "Completed")],
)
def test_a_deep_tree_harms_nobody(
    server: RunningServer, sagemaker: Any, here: str, image: Callable[..., str], variable: str, status: str
) -> None:
    request = training_request(new_name(), image(PROGRAM.format(variable=variable)), here)
    sagemaker.create_training_job(**request)
    job = training_ended(sagemaker, request["TrainingJobName"])
    assert job["TrainingJobStatus"] == status, job.get("FailureReason")
    if status == "Failed":
        assert job["FailureReason"].startswith("ClientError: The output [")
        assert job["FailureReason"].endswith("is nested too deeply.")
    assert "level=error" not in server.log.read_text()


SPARSE = """
import os
for number in range(11):
    with open(os.environ["SM_MODEL_DIR"] + f"/{number}", "wb") as file:
        file.truncate(1 << 30)
"""


def test_a_model_of_holes_is_no_work_without_end(sagemaker: Any, here: str, image: Callable[..., str]) -> None:
    resources = {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 1}
    request = training_request(new_name(), image(SPARSE), here, ResourceConfig=resources)
    sagemaker.create_training_job(**request)
    job = training_ended(sagemaker, request["TrainingJobName"])
    assert job["FailureReason"].startswith(
        "ClientError: The files of the output [model] have 11811160064 bytes, more than 10 times VolumeSizeInGB"
    )
