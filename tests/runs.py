"""An attempt as its runner sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pegbox.runner.job import Job


def a_job(directory: Path, **changes: Any) -> Job:
    """A job of one instance; `changes` are members of its record."""
    record: dict[str, Any] = {
        "id": "job-1",
        "job_name": "job",
        "job_arn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/job",
        "region": "us-east-1",
        "program": {"argv": ["true"], "module": None, "workdir": None, "environment": {}},
        "hyperparameters": {},
        "environment": {},
        "channels": {},
        "metrics": [],
        "instance_count": 1,
        "instance_type": "ml.m5.large",
        "checkpoint_path": None,
        "max_runtime": None,
        "grace": 1.0,
        "inherited": {},
        "wake": None,
        "isolate": True,
    }
    return Job.parse(directory, record | changes)
