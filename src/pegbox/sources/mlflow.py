"""Experiments of MLflow: runs with their parameters and last metrics, whichever store they come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pegbox.sources.base import Objective, Run, Study, plain, study_name
from pegbox.sources.observed import Observed, observed_ranges

STATUS = {"FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Stopped"}
NO_REASON = "The run failed. MLflow has kept no reason."
_MOST_TOLD = 10  #: names in a note
_OF_RUN = 24  #: characters of a run's id in the name of its training job


@dataclass(slots=True, kw_only=True)
class KeptRun:
    """A run as a store has it."""

    id: str
    title: str
    status: str  #: RUNNING, SCHEDULED, FINISHED, FAILED or KILLED
    started: float | None  #: epoch seconds
    ended: float | None
    artifacts: str  #: URI
    parameters: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, tuple[float, float | None]] = field(default_factory=dict)  #: last value, epoch seconds
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Kept:
    """An experiment as a store has it."""

    id: str
    title: str
    created: float | None  #: epoch seconds
    runs: Sequence[KeptRun]


def study_of(kept: Kept, address: str, objective: Objective | None, tuned: Collection[str]) -> Study:
    """The study.  `tuned`: the parameters that count as tuned; none means all that differ between runs."""
    name = study_name(kept.title, f"mlflow/{kept.id}/{kept.title}/{kept.created!r}")
    ended = sorted((run for run in kept.runs if run.status in STATUS), key=lambda run: (run.started or 0.0, run.id))
    notes: list[str] = []
    if objective and ended and not any(objective.metric in run.metrics for run in ended):
        there = ", ".join(sorted({metric for run in ended for metric in run.metrics})[:_MOST_TOLD]) or "none"
        notes.append(f"no run has a metric {objective.metric}, so there is no tuning job; metrics are: {there}")
        objective = None
    found = _observed(ended, objective, tuned, notes)
    return Study(
        source="mlflow",
        name=name,
        title=kept.title,
        tags={"imported.from": "mlflow", "imported.address": address, "mlflow.experiment": kept.title},
        runs=[_run(run, name, kept.created, objective) for run in ended],
        objective=objective,
        ranges=found.ranges,
        static=found.static,
        unfinished=len(kept.runs) - len(ended),
        notes=notes,
    )


def seconds(milliseconds: float | None) -> float | None:
    """Epoch seconds of MLflow's times."""
    return None if milliseconds is None else milliseconds / 1000


def _observed(
    runs: Sequence[KeptRun], objective: Objective | None, tuned: Collection[str], notes: list[str]
) -> Observed:
    """Ranges of the runs that a search could learn from."""
    if objective is None:
        return Observed()
    with_result = [run for run in runs if run.status != "FAILED" and objective.metric in run.metrics]
    return observed_ranges([run.parameters for run in with_result], tuned, notes)


def _run(run: KeptRun, study: str, created: float | None, objective: Objective | None) -> Run:
    started = run.started or run.ended or created or 0.0
    model, tags = _model(run.artifacts)
    metric = objective.metric if objective else None
    return Run(
        name=f"{study}-{plain(run.id, _OF_RUN)}",
        status=STATUS[run.status],
        parameters=dict(sorted(run.parameters.items())),
        metrics=dict(sorted(run.metrics.items(), key=lambda each: (each[0] != metric, each[0]))),
        tags={"mlflow.runId": run.id, "mlflow.runName": run.title, **tags, **run.tags},
        started=started,
        ended=max(run.ended or started, started),
        failure=NO_REASON if run.status == "FAILED" else None,
        model=model,
    )


def _model(artifacts: str) -> tuple[str | None, Mapping[str, str]]:
    """Where a job's model is, as far as SageMaker has words for it; else a tag says it."""
    if artifacts.startswith(("s3://", "https://", "file:///")):
        return f"{artifacts.rstrip('/')}/", {}
    if artifacts.startswith("/"):
        return f"file://{artifacts.rstrip('/')}/", {}
    return None, {"mlflow.artifactUri": artifacts}
