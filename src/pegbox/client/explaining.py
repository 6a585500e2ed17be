"""The studies behind a tuning job, as the API shows its training jobs, and what can be said of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pegbox.client import following
from pegbox.client.answers import objective
from pegbox.client.curves import outlines
from pegbox.client.finding import NoSuchJob, tuning_job
from pegbox.domain.parents import IDENTICAL, of_the_program
from pegbox.domain.progress import Outline
from pegbox.domain.range_request import parse_ranges
from pegbox.domain.searches import Search, searches_of
from pegbox.strategies.base import Goal, Limits, ParentKind, ParentStudy, Study, Trial, TrialState
from pegbox.strategies.explain.answers import Importance, Reason, TooLittle, View

Job = Mapping[str, Any]  #: a HyperParameterTrainingJobSummary
_UNLIMITED = 10_000  #: training jobs of a tuning job without a limit
_OF_THE_SERVER = "InternalServerError"  #: how the reason of a failure begins that says nothing of the values


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One definition of a tuning job: what it searches, and its training jobs, of which the first is trial 1."""

    search: Search
    strategy: str
    study: Study
    jobs: Sequence[Job]

    def before(self, number: int) -> Study:
        """What was known when the trial of this number was proposed."""
        moment = self.jobs[number - 1]["CreationTime"]
        known = [
            trial if _ended(job, moment) else replace(trial, state=TrialState.RUNNING, objective=None, curve=())
            for trial, job in zip(self.study.trials[: number - 1], self.jobs, strict=False)
        ]
        return replace(self.study, trials=tuple(known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is said of one definition."""

    subject: Subject
    importance: Importance | TooLittle
    view: View | None = None
    reasons: Sequence[tuple[Job, Reason]] = ()


def explain(subject: Subject, names: Sequence[str], places: int | None, jobs: int) -> Explanation:
    """Importances, the view along the named hyperparameters if there are any, and reasons for the last so many jobs."""
    from pegbox.strategies.explain.belief import Belief
    from pegbox.strategies.explain.importance import importance
    from pegbox.strategies.explain.view import view

    try:
        belief = Belief(subject.study)
    except TooLittle as error:
        return Explanation(subject=subject, importance=error)
    numbers = range(max(1, len(subject.jobs) - jobs + 1), len(subject.jobs) + 1)
    return Explanation(
        subject=subject,
        importance=importance(belief),
        view=view(belief, names, places) if names else None,
        reasons=[(subject.jobs[number - 1], reason_of(subject, number)) for number in numbers],
    )


def reason_of(subject: Subject, number: int) -> Reason:
    """Why the trial of this number was proposed."""
    from pegbox.strategies.explain.reason import reason

    return reason(subject.before(number), number, subject.study.trials[number - 1].values, subject.strategy)


def view_then(subject: Subject, number: int, names: Sequence[str], places: int | None) -> View | TooLittle:
    """What the model believed along the named hyperparameters when the trial of this number was proposed."""
    from pegbox.strategies.explain.view import view

    try:
        return view(subject.before(number), names, places)
    except TooLittle as error:
        return error


def subjects(sagemaker: Any, metrics: Any, tuning: Mapping[str, Any]) -> Sequence[Subject]:
    """One for each definition of a tuning job; clients of the services sagemaker and sagemaker-metrics."""
    jobs = following.training_jobs(sagemaker, tuning["HyperParameterTuningJobName"])
    searches = searches_of(tuning)
    parents = tuple(_parents(sagemaker, metrics, tuning))
    config = tuning["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    most = limits.get("MaxNumberOfTrainingJobs") or _UNLIMITED
    found = []
    for search in searches:
        own = [job for job in jobs if len(searches) == 1 or job.get("TrainingJobDefinitionName") == search.name]
        study = Study(
            space=parse_ranges(search.ranges, search.static),
            goal=Goal.MAXIMIZE if search.maximize else Goal.MINIMIZE,
            limits=Limits(most=most, at_once=min(most, limits["MaxParallelTrainingJobs"])),
            seed=0,
            trials=tuple(_trials(own, _curves(metrics, tuning, own, search))),
            static=of_the_program(search.static) if parents else {},
            parents=parents,
            early_stopping=config.get("TrainingJobEarlyStoppingType") == "Auto",
        )
        found.append(Subject(search=search, strategy=config["Strategy"], study=study, jobs=own))
    return found


def _parents(sagemaker: Any, metrics: Any, tuning: Mapping[str, Any]) -> Iterator[ParentStudy]:
    """The tuning jobs from which it started, as far as they are still there."""
    warm = tuning.get("WarmStartConfig") or {}
    kind = ParentKind.IDENTICAL if warm.get("WarmStartType") == IDENTICAL else ParentKind.TRANSFER
    for named in warm.get("ParentHyperParameterTuningJobs") or []:
        name = named["HyperParameterTuningJobName"]
        try:
            parent = tuning_job(sagemaker, name)
        except NoSuchJob:
            continue
        search, jobs = searches_of(parent)[0], following.training_jobs(sagemaker, name)
        trials = _trials(jobs, _curves(metrics, parent, jobs, search))
        yield ParentStudy(
            kind=kind,
            space=parse_ranges(search.ranges, search.static),
            static=of_the_program(search.static),
            trials=tuple(trial for trial in trials if trial.objective is not None),
        )


def _curves(metrics: Any, tuning: Mapping[str, Any], jobs: Sequence[Job], search: Search) -> Mapping[str, Outline]:
    """Of a tuning job's training jobs that have ended, if it stops some for what they publish."""
    config = tuning["HyperParameterTuningJobConfig"]
    if config["Strategy"] != "Hyperband" and config.get("TrainingJobEarlyStoppingType") != "Auto":
        return {}
    return outlines(metrics, [job for job in jobs if _state(job) is not TrialState.RUNNING], search.metric)


def _trials(jobs: Sequence[Job], curves: Mapping[str, Outline]) -> Iterator[Trial]:
    for number, job in enumerate(jobs, 1):
        state = _state(job)
        yield Trial(
            number=number,
            values=job["TunedHyperParameters"],
            state=state,
            objective=_value(job),
            curve=curves.get(job["TrainingJobName"], ()),
            cut_short=state is TrialState.STOPPED and bool(curves),
        )


def _value(job: Job) -> float | None:
    return objective(job) if job["TrainingJobStatus"] in ("Completed", "Stopped") else None


def _state(job: Job) -> TrialState:
    match job["TrainingJobStatus"]:
        case "Completed":
            return TrialState.FAILED if objective(job) is None else TrialState.FINISHED
        case "Stopped":
            return TrialState.STOPPED
        case "Failed":
            ours = job.get("FailureReason", "").startswith(_OF_THE_SERVER)
            return TrialState.STOPPED if ours else TrialState.FAILED
    return TrialState.RUNNING


def _ended(job: Job, moment: Any) -> bool:
    return "TrainingEndTime" in job and bool(job["TrainingEndTime"] <= moment)
