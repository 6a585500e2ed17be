"""What training jobs print, as it comes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pegbox.client import following
from pegbox.client.answers import ENDED, GROWING, Job
from pegbox.client.finding import Found

GROUP = "/aws/sagemaker/TrainingJobs"


class Line(NamedTuple):
    """A line that a training job has printed."""

    at: int  #: epoch milliseconds
    source: str  #: which job of a search, and which instance of several
    message: str


class JobLog:
    """The log of a training job, read on from where it was read to."""

    def __init__(self, logs: Any, job: Job, label: str = "", last: int | None = None) -> None:
        """`last`: begin with so many lines of the end of each instance's log."""
        self._logs, self._label, self._last = logs, label, last
        self._prefix = f"{job['TrainingJobName']}/"
        # Streams of a job that was deleted stay, and another one may have its name.
        self._suffix = f"-{int(job['CreationTime'].timestamp())}"
        self._tokens: dict[str, str] = {}

    def new(self) -> Sequence[Line]:
        """The lines that have come since the last time, by their times."""
        streams = self._streams()
        found = [(stream, event) for stream in streams for event in self._events(stream)]
        lines = [
            Line(event["timestamp"], self._source(stream, len(streams) > 1), event["message"])
            for stream, event in found
        ]
        return sorted(lines, key=lambda line: line.at)  # which keeps the order within an instance

    def _streams(self) -> Sequence[str]:
        try:
            pages = self._logs.get_paginator("describe_log_streams").paginate(
                logGroupName=GROUP, logStreamNamePrefix=self._prefix
            )
            names = [each["logStreamName"] for page in pages for each in page["logStreams"]]
            return [name for name in names if name.endswith(self._suffix)]
        except self._logs.exceptions.ResourceNotFoundException:  # nothing has been printed yet at all
            return []

    def _events(self, stream: str) -> Iterator[dict[str, Any]]:
        at = {"logGroupName": GROUP, "logStreamName": stream}
        if stream not in self._tokens and self._last is not None:
            page = self._logs.get_log_events(**at, limit=self._last)
            self._tokens[stream] = page["nextForwardToken"]
            yield from page["events"]
        while True:
            token = {"nextToken": self._tokens[stream]} if stream in self._tokens else {}
            page = self._logs.get_log_events(**at, startFromHead=True, **token)
            self._tokens[stream] = page["nextForwardToken"]
            yield from page["events"]
            if not page["events"]:
                return

    def _source(self, stream: str, is_one_of_several: bool) -> str:
        host = stream.rpartition("/")[2].rpartition("-")[0] if is_one_of_several else ""
        return " ".join(filter(None, (self._label, host)))


class Reader:
    """What a training job prints, or all those of a tuning job."""

    def __init__(self, sagemaker: Any, logs: Any, found: Found, last: int | None) -> None:
        self._sagemaker, self._logs, self._found, self._last = sagemaker, logs, found, last
        self._open: dict[str, JobLog] = {}
        self._done: set[str] = set()

    def new(self) -> Iterator[Sequence[Line]]:
        """The new lines of each job that may have some; a job's end is asked for before its lines are."""
        for job, label in self._jobs():
            name = job["TrainingJobName"]
            if name not in self._done:
                log = self._open.setdefault(name, JobLog(self._logs, job, label, self._last))
                yield log.new()
                if job["TrainingJobStatus"] in ENDED:
                    self._done.add(name)
                    del self._open[name]

    def is_over(self) -> bool:
        """Whether nothing will come any more, after new()."""
        if not self._found.is_tuning:
            return self._found.name in self._done
        ended = following.describe(self._sagemaker, self._found.name)
        if ended["HyperParameterTuningJobStatus"] in GROWING:
            return False
        return all(job["TrainingJobName"] in self._done for job, _ in self._jobs())  # some may have been deleted

    def _jobs(self) -> Iterator[tuple[Job, str]]:
        """Each with what its lines are marked with."""
        if not self._found.is_tuning:
            yield self._sagemaker.describe_training_job(TrainingJobName=self._found.name), ""
            return
        for job in following.training_jobs(self._sagemaker, self._found.name):
            yield job, job["TrainingJobName"].rpartition("-")[0].rpartition("-")[2]
