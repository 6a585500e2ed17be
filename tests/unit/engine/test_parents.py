"""What reaches the strategy of a warm started search, and what of it outlives its parents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pegbox.engine.proposer import Answer, Question, answer
from pegbox.executors.base import Attempt, Cause
from pegbox.operations import tuning_jobs
from pegbox.store.resources import Kind
from pegbox.strategies.base import ParentKind, Study, TrialState
from pegbox.testing.requests import tuning_request
from pegbox.testing.simulated_executor import Training
from pegbox.testing.simulation import ACCOUNT, REGION, Simulation

Start = Callable[..., Simulation]


class Listening:
    """A proposer that answers in this process and keeps what it was asked."""

    def __init__(self) -> None:
        self.studies: list[Study] = []

    def ask(self, question: Question) -> Answer:
        self.studies.append(question.study)
        return answer(question)

    def close(self) -> None:
        pass


def train(attempt: Attempt) -> Training:
    """The loss is x, of searches whose name begins so after two larger ones; every job number 2 fails."""
    failed, x = "-002-" in attempt.job_name, float(attempt.hyperparameters["x"])
    curve = [x + 2.0, x + 1.0, x] if attempt.job_name.startswith("curves") else [x]
    cause = Cause.MAX_RUNTIME if attempt.job_name.startswith("slow") else Cause.EXIT
    return Training(values=[] if failed else [("loss", value) for value in curve], cause=cause, code=int(failed))


@pytest.fixture
def proposer() -> Listening:
    return Listening()


@pytest.fixture
def crashing() -> list[bool]:
    """What happens before each piece of work, the last first: does the server die now?"""
    return []


@pytest.fixture
def simulation(tmp_path: Path, proposer: Listening, crashing: list[bool]) -> Iterator[Simulation]:
    made = Simulation(tmp_path, train, proposer=proposer, order=1, crash=lambda: bool(crashing) and crashing.pop())
    yield made
    made.close()


def search(
    simulation: Simulation,
    name: str,
    *parents: str,
    kind: ParentKind = ParentKind.IDENTICAL,
    jobs: int = 4,
    early: str = "Off",
) -> Any:
    request = tuning_request(name, "simulated", "s3://models/out", jobs, min(jobs, 2))
    request["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] = early
    request["HyperParameterTuningJobConfig"]["RandomSeed"] = sum(name.encode())
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": "3", "sagemaker_job_name": name}
    if parents:
        named = [{"HyperParameterTuningJobName": parent} for parent in parents]
        request["WarmStartConfig"] = {"ParentHyperParameterTuningJobs": named, "WarmStartType": kind.value}
    simulation.create(request)
    return request


def results(simulation: Simulation, name: str) -> list[tuple[dict[str, str], float]]:
    return [
        (job["TunedHyperParameters"], job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])
        for job in simulation.children(name)
        if job["FinalHyperParameterTuningJobObjectiveMetric"]
    ]


@pytest.mark.parametrize("kind", ParentKind)
def test_the_parents_own_results_reach_the_strategy(
    simulation: Simulation, proposer: Listening, kind: ParentKind
) -> None:
    for name, *parents in (("first",), ("second", "first"), ("other",), ("child", "second", "other")):
        search(simulation, name, *parents, kind=kind)
        simulation.run()
    study = proposer.studies[-1]
    assert study.static == {"epochs": "3"}
    assert [parent.kind for parent in study.parents] == [kind] * 2
    for parent, name in zip(study.parents, ("second", "other"), strict=True):
        told = [(dict(trial.values), trial.objective) for trial in parent.trials]
        assert told == results(simulation, name) and len(told) == 3
        assert parent.static == {"epochs": "3"} and parent.space == study.space


@pytest.mark.parametrize("kind", ParentKind)
def test_of_trials_that_a_parent_stopped_early_it_is_told_how_far_they_came(
    simulation: Simulation, proposer: Listening, kind: ParentKind
) -> None:
    """With their curves and those of the others, by which it can be guessed where they would have ended."""
    search(simulation, "curves", jobs=12, early="Auto")
    search(simulation, "curves-of-whole-ones", jobs=3)
    simulation.run()
    search(simulation, "child", "curves", "curves-of-whole-ones", kind=kind)
    simulation.run()
    stopping, others = proposer.studies[-1].parents
    assert not any(trial.curve or trial.cut_short for trial in others.trials)
    short = [trial for trial in stopping.trials if trial.state is TrialState.STOPPED]
    assert 0 < len(short) < len(stopping.trials)
    assert [trial for trial in stopping.trials if trial.cut_short] == short
    for trial in stopping.trials:
        x = float(trial.values["x"])
        curve = ((1, x + 2.0), (2, x + 1.0), (3, x))
        came = curve.index(next(each for each in curve if each[1] == trial.objective)) + 1
        assert came == 3 or trial in short
        assert trial.curve == curve[:came]


def test_a_trial_that_came_to_its_most_time_has_come_to_an_end(simulation: Simulation, proposer: Listening) -> None:
    search(simulation, "slow")
    simulation.run()
    search(simulation, "child", "slow")
    simulation.run()
    (parent,) = proposer.studies[-1].parents
    assert {(trial.state, trial.cut_short) for trial in parent.trials} == {(TrialState.STOPPED, False)}


def test_a_search_without_parents_is_told_of_none(simulation: Simulation, proposer: Listening) -> None:
    search(simulation, "alone")
    simulation.run()
    assert {(study.parents, *study.static) for study in proposer.studies} == {((),)}


def test_parents_are_read_once(simulation: Simulation, proposer: Listening) -> None:
    search(simulation, "parent")
    simulation.run()
    proposer.studies.clear()
    search(simulation, "child", "parent", jobs=9)
    simulation.run()
    assert len(proposer.studies) > 3
    assert len({id(study.parents) for study in proposer.studies}) == 1


def test_a_search_goes_on_when_its_parent_is_deleted(
    simulation: Simulation, proposer: Listening, crashing: list[bool]
) -> None:
    """The tuning job as users do, a training job as well; and the server has forgotten what it had read."""
    search(simulation, "parent")
    simulation.run()
    best = simulation.describe("parent")["BestTrainingJob"]
    search(simulation, "child", "PARENT", jobs=9)
    proposer.studies.clear()
    while not proposer.studies:
        simulation.step()
    with simulation.store.transaction() as tx:
        parent = tx.get(ACCOUNT, REGION, Kind.TUNING_JOB, "parent")
        tx.delete(max(tx.children(parent.id), key=lambda child: child.objective or 0.0).id)
    tuning_jobs.delete_hyper_parameter_tuning_job({"HyperParameterTuningJobName": "parent"}, simulation.call())
    crashing.append(True)
    simulation.run()
    assert [len(study.parents[0].trials) for study in (proposer.studies[0], proposer.studies[-1])] == [3, 2]
    child = simulation.describe("child")
    assert child["HyperParameterTuningJobStatus"] == "Completed"
    assert child["OverallBestTrainingJob"] in (best, child["BestTrainingJob"])


def overall(simulation: Simulation, name: str) -> tuple[str, float] | None:
    found = simulation.describe(name)["OverallBestTrainingJob"]
    return found and (found["TuningJobName"], found["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def test_the_overall_best_is_over_the_search_and_its_parents(simulation: Simulation) -> None:
    for name in ("a", "b"):
        search(simulation, name, jobs=9)
    simulation.run()
    lowest = {name: min(value for _, value in results(simulation, name)) for name in ("a", "b")}
    winner = min(lowest, key=lambda name: lowest[name])
    search(simulation, "child", "A", "b", jobs=3)
    assert overall(simulation, "child") == (winner, lowest[winner])  # before it has a result of its own
    simulation.run()
    lowest["child"] = min(value for _, value in results(simulation, "child"))
    winner = min(lowest, key=lambda name: lowest[name])
    assert overall(simulation, "child") == (winner, lowest[winner])
    assert simulation.describe("child")["BestTrainingJob"]["TuningJobName"] == "child"
    search(simulation, "related", "a", kind=ParentKind.TRANSFER)
    simulation.run()
    assert overall(simulation, "related") is None and overall(simulation, "a") is None


def test_there_is_no_overall_best_without_any_result(simulation: Simulation) -> None:
    search(simulation, "parent", jobs=1)
    simulation.run()
    with simulation.store.transaction() as tx:
        parent = tx.get(ACCOUNT, REGION, Kind.TUNING_JOB, "parent")
        tx.delete(tx.children(parent.id)[0].id)
    search(simulation, "child", "parent", jobs=1)
    assert overall(simulation, "child") is None
    simulation.run()
    assert overall(simulation, "child") == ("child", results(simulation, "child")[0][1])


def test_a_space_that_the_parents_have_used_up_ends_the_search(simulation: Simulation) -> None:
    requests = []
    for name in ("parent", "child"):
        request = tuning_request(name, "simulated", "s3://models/out", 3)
        request["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
            "IntegerParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "5"}]
        }
        requests.append(request)
    simulation.create(requests[0])
    simulation.run()
    requests[1]["WarmStartConfig"] = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    requests[1]["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 9
    simulation.create(requests[1])
    simulation.run()
    tried = [values["x"] for name in ("parent", "child") for values, _ in results(simulation, name)]
    child = simulation.describe("child")
    assert len(set(tried)) == len(tried) and child["HyperParameterTuningJobStatus"] == "Completed"
    assert child["FailureReason"] == (
        "The search space is exhausted: all of its configurations have been tried, 3 of them by this tuning job and "
        "the others by its parents."
    )
