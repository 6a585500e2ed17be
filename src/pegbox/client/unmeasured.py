"""Searches whose training jobs ended by themselves, and none of which printed the metric that counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pegbox.client import following
from pegbox.client.answers import aim, definitions, objective
from pegbox.client.lines import told
from pegbox.client.reading import JobLog

if TYPE_CHECKING:
    from pegbox.client.connection import Connection

LOOKED_AT = 50  #: lines of the end of a log, of which those are shown that may be meant
SHOWN = 2
LONGEST = 200  #: characters of one


def is_unmeasured(tuning: Mapping[str, Any]) -> bool:
    """Whether training jobs have ended other than by a failure, all without a value.

    Stopped ones count when the search has completed, as when all ran out of their time; else somebody stopped them.
    """
    counters = tuning["TrainingJobStatusCounters"]
    stopped = counters["Stopped"] if tuning["HyperParameterTuningJobStatus"] == "Completed" else 0
    return counters["Completed"] + stopped > 0 and not tuning["ObjectiveStatusCounters"]["Succeeded"]


def reasons(connection: Connection, tuning: Mapping[str, Any], again: str) -> Iterator[str]:
    """What was looked for, and what was printed instead; nothing if there are values."""
    if not is_unmeasured(tuning):
        return
    name = tuning["HyperParameterTuningJobName"]
    jobs = following.training_jobs(connection.client("sagemaker"), name)
    ended = [job for job in jobs if job["TrainingJobStatus"] in ("Completed", "Stopped") and objective(job) is None]
    ended.sort(key=lambda job: job["TrainingJobStatus"] != "Completed")
    metric, expression = _looked_for(tuning, ended[0] if ended else {})
    yield told("no result", f"no job printed the metric {metric}")
    yield told("", f"it is looked for with {expression}")
    if ended:
        job = str(ended[0]["TrainingJobName"])
        printed = _likely(JobLog(connection.client("logs"), ended[0], last=LOOKED_AT), metric)
        yield told("printed", f"{job}{'' if printed else ': nothing that is kept'}")
        yield from (told("", f"  {line}") for line in printed)
        yield told("", f"pegbox logs {job}{again}")


def _looked_for(tuning: Mapping[str, Any], job: Mapping[str, Any]) -> tuple[str, str]:
    """Name and expression of a training job's objective."""
    known = definitions(tuning)
    name = job.get("TrainingJobDefinitionName")
    mine = next((each for each in known if each.get("DefinitionName") == name), known[0])
    metric = (mine.get("TuningObjective") or aim(tuning)).get("MetricName", "")
    metrics = (mine.get("AlgorithmSpecification") or {}).get("MetricDefinitions") or []
    return metric, next((each["Regex"] for each in metrics if each["Name"] == metric), "")


def _likely(log: JobLog, metric: str) -> Sequence[str]:
    """The last lines that have the metric's name in any letters, else of those with digits, else of all."""
    lines = [text[:LONGEST] for line in log.new() if (text := line.message.strip())]
    named = [line for line in lines if metric.lower() in line.lower()]
    measured = [line for line in lines if any(sign.isdigit() for sign in line)]
    return (named or measured or lines)[-SHOWN:]
