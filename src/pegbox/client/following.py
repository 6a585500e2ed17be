"""Looking at a tuning job until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pegbox.client.answers import GROWING
from pegbox.client.view import View

LEAST_PAUSE, MOST_PAUSE = 0.1, 1.0  #: seconds between two looks; the longer it takes, the fewer


def describe(sagemaker: Any, name: str) -> Mapping[str, Any]:
    """DescribeHyperParameterTuningJob."""
    found: dict[str, Any] = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return found


def training_jobs(sagemaker: Any, name: str) -> Sequence[Mapping[str, Any]]:
    """The summaries of all its training jobs, in launch order."""
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job").paginate(
        HyperParameterTuningJobName=name, SortBy="CreationTime", PaginationConfig={"PageSize": 100}
    )
    return [job for page in pages for job in page["TrainingJobSummaries"]]


def follow(sagemaker: Any, name: str, view: View, pause: Callable[[float], None] = time.sleep) -> Mapping[str, Any]:
    """Show it again and again; returns what it is in the end."""
    begin = time.monotonic()
    jobs: Sequence[Mapping[str, Any]] = ()
    counters: Any = None
    while True:
        found = describe(sagemaker, name)
        counted = (found["TrainingJobStatusCounters"], found["ObjectiveStatusCounters"])
        if counted != counters:
            counters, jobs = counted, training_jobs(sagemaker, name)
        view.show(found, jobs)
        if found["HyperParameterTuningJobStatus"] not in GROWING:
            return found
        pause(min(MOST_PAUSE, max(LEAST_PAUSE, (time.monotonic() - begin) / 50)))
