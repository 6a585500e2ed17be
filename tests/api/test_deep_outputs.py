"""Programs that nest folders deeper than a path can be long."""

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
