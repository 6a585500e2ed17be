"""Single situations of a search that hardly ever come about by chance, on virtual time (pegbox.testing.simulation)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from pegbox.domain.tuning import ALL_FAILED, TIME_IS_UP
from pegbox.engine.proposer import Answer, Question, answer
from pegbox.executors.base import Attempt, Cause
from pegbox.operations import training_jobs, tuning_jobs
from pegbox.strategies.base import TrialState
from pegbox.testing.requests import simulated_request
from pegbox.testing.simulated_executor import Training
from pegbox.testing.simulation import Simulation

X = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}


def losses(*values: float, seconds: float = 1.0, code: int = 0, is_lost: bool = False) -> Training:
    """A training that prints these."""
    return Training(values=[("loss", value) for value in values], seconds=seconds, code=code, is_lost=is_lost)


def number_of(attempt: Attempt) -> int:
    """Of its training job, from 1."""
    return int(attempt.job_name.split("-")[1])


Simulate = Callable[[Callable[[Attempt], Training]], Simulation]


@pytest.fixture
def simulate(tmp_path: Path) -> Iterator[Simulate]:
    """Makes a simulation of trainings."""
    made: list[Simulation] = []

    def make(train: Callable[[Attempt], Training]) -> Simulation:
        made.append(Simulation(tmp_path, train))
        return made[-1]

    yield make
    for simulation in made:
        simulation.close()


def statuses(simulation: Simulation) -> list[str]:
    """TrainingJobStatus of the training jobs, in launch order."""
    return [child["TrainingJobStatus"] for child in simulation.children("search")]


@pytest.mark.parametrize("forgets", [False, True], ids=["one server", "one that is started again"])
def test_a_job_that_is_tried_again_is_not_judged_by_what_its_lost_attempt_published(
    simulate: Simulate, forgets: bool
) -> None:
    """The fourth job is bad and lost; when the third to complete makes judgements possible, it is being tried again."""
    again: list[str] = []

    def train(attempt: Attempt) -> Training:
        number = number_of(attempt)
        if number == 4:
            again.append(attempt.id)
            return losses(0.01, seconds=50) if len(again) > 1 else losses(0.9, 0.9, is_lost=True)
        return losses(*[0.1] * (10 if number == 3 else 3))

    simulation = simulate(train)
    wanted = simulated_request(4, 2, TrainingJobEarlyStoppingType="Auto")
    wanted["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": 1}
    simulation.create(wanted)
    while len(again) < 2:
        simulation.step()
    if forgets:
        simulation.start_again()
    simulation.run()
    assert statuses(simulation) == ["Completed"] * 4
    assert simulation.describe("search")["ObjectiveStatusCounters"]["Succeeded"] == 4


def test_a_search_with_ten_failures_goes_on_while_a_job_has_a_value(simulate: Simulate) -> None:
    def train(attempt: Attempt) -> Training:
        number = number_of(attempt)
        return losses(code=1) if 1 < number <= 11 else losses(*[0.1] * (200 if number == 1 else 1))

    simulation = simulate(train)
    simulation.create(simulated_request(14, 2))
    simulation.run()
    assert statuses(simulation) == ["Completed", *["Failed"] * 10, *["Completed"] * 3]
    assert simulation.describe("search")["HyperParameterTuningJobStatus"] == "Completed"


def test_a_search_is_given_up_when_a_job_has_nothing_to_show_for_ten_failures(simulate: Simulate) -> None:
    def train(attempt: Attempt) -> Training:
        return losses(0.1, seconds=50) if number_of(attempt) == 1 else losses(code=1)

    simulation = simulate(train)
    simulation.create(simulated_request(30, 2))
    simulation.run()
    found = simulation.describe("search")
    assert statuses(simulation) == ["Stopped", *["Failed"] * 10]
    assert (found["HyperParameterTuningJobStatus"], found["FailureReason"]) == ("Failed", ALL_FAILED)


class Listening:
    """A proposer that remembers what the trials of the last study were."""

    def __init__(self) -> None:
        self.states: list[TrialState] = []

    def ask(self, question: Question) -> Answer:
        self.states = [trial.state for trial in question.study.trials]
        return answer(question)

    def close(self) -> None:
        """Nothing to let go of."""


def test_what_was_stopped_or_lost_without_a_value_is_no_failure_of_its_configuration(tmp_path: Path) -> None:
    """One after the other: a user stops one before its first value, one is lost, one fails, one is well."""

    def train(attempt: Attempt) -> Training:
        number = number_of(attempt)
        values = [0.5] if number >= 4 else []
        return losses(*values, seconds=100, code=int(number == 3), is_lost=number == 2)

    proposer = Listening()
    simulation = Simulation(tmp_path, train, proposer=proposer)
    simulation.create(simulated_request(5, 1))
    while not simulation.executor.running:
        simulation.step()
    stopped: Any = {"TrainingJobName": simulation.children("search")[0]["TrainingJobName"]}
    training_jobs.stop_training_job(stopped, simulation.call())
    simulation.run()
    assert statuses(simulation) == ["Stopped", "Failed", "Failed", "Completed", "Completed"]
    assert proposer.states == [TrialState.STOPPED, TrialState.STOPPED, TrialState.FAILED, TrialState.FINISHED]
    simulation.close()


def test_of_a_job_that_a_user_stops_it_is_told_that_it_was_cut_short(tmp_path: Path) -> None:
    """Not of one that came to its limit of time."""

    def train(attempt: Attempt) -> Training:
        cause = Cause.MAX_RUNTIME if number_of(attempt) == 2 else Cause.EXIT
        return replace(losses(0.5, 0.4), cause=cause)

    overhearing = Overhearing()
    simulation = Simulation(tmp_path, train, proposer=overhearing)
    simulation.create(simulated_request(4, 1))
    while not simulation.executor.epochs:
        simulation.step()
    first: Any = {"TrainingJobName": simulation.children("search")[0]["TrainingJobName"]}
    training_jobs.stop_training_job(first, simulation.call())
    simulation.run()
    simulation.close()
    told = [(trial.state, trial.objective, trial.cut_short) for trial in overhearing.questions[-1].study.trials]
    assert told == [
        (TrialState.STOPPED, 0.5, True),
        (TrialState.STOPPED, 0.4, False),
        (TrialState.FINISHED, 0.4, False),
    ]


def test_a_search_may_inherit_an_integer_that_is_too_great_for_a_double(simulate: Simulate) -> None:
    simulation = simulate(lambda attempt: losses(number_of(attempt) / 10))
    parent = simulated_request(4, 1) | {"HyperParameterTuningJobName": "parent"}
    parent["TrainingJobDefinition"]["StaticHyperParameters"] = {"n": "1" + "0" * 400}
    simulation.create(parent)
    simulation.run()
    child = simulated_request(4, 1, "Bayesian")
    child["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        **X,
        "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "100"}],
    }
    for kind in ("IdenticalDataAndAlgorithm", "TransferLearning"):
        child["HyperParameterTuningJobName"] = "search" if kind.startswith("I") else "another"
        child["WarmStartConfig"] = {
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
            "WarmStartType": kind,
        }
        simulation.create(child)
        simulation.run()
        found = simulation.describe(child["HyperParameterTuningJobName"])
        assert (found["HyperParameterTuningJobStatus"], found["FailureReason"]) == ("Completed", None)


@pytest.mark.parametrize("given", [{}, {"MaxRuntimeInSeconds": 15_768_000}], ids=["no limit", "half a year"])
def test_a_search_ends_after_thirty_days(simulate: Simulate, given: dict[str, int]) -> None:
    day = 86_400.0
    simulation = simulate(lambda attempt: losses(0.5, seconds=day / 2))
    wanted = simulated_request(100, 1)
    wanted["HyperParameterTuningJobConfig"]["ResourceLimits"] |= given
    simulation.create(wanted)
    simulation.run()
    found = simulation.describe("search")
    assert (found["HyperParameterTuningJobStatus"], found["FailureReason"]) == ("Completed", TIME_IS_UP)
    assert round(found["ConsumedResources"]["RuntimeInSeconds"] / day) == 30
    assert found["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxRuntimeInSeconds") == given.get(
        "MaxRuntimeInSeconds"
    )


def test_a_search_that_is_stopped_while_a_criterion_ends_it_has_no_reason(simulate: Simulate) -> None:
    simulation = simulate(
        lambda attempt: losses(0.1) if number_of(attempt) == 1 else losses(0.5, seconds=1000),
    )
    simulation.create(simulated_request(9, 3, TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 0.2}))
    while "Stopping" not in statuses(simulation):
        simulation.step()
    tuning_jobs.stop_hyper_parameter_tuning_job({"HyperParameterTuningJobName": "search"}, simulation.call())
    simulation.run()
    found = simulation.describe("search")
    assert (found["HyperParameterTuningJobStatus"], found["FailureReason"]) == ("Stopped", None)


class Overhearing:
    """Answers, and keeps the questions."""

    def __init__(self) -> None:
        self.questions: list[Question] = []

    def ask(self, question: Question) -> Answer:
        self.questions.append(question)
        return answer(question)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("forgets", [False, True], ids=["one server", "one that is started again"])
def test_the_strategy_sees_how_far_a_job_was_that_was_stopped_early(tmp_path: Path, forgets: bool) -> None:
    def train(attempt: Attempt) -> Training:
        return losses(*[0.9] * 9) if number_of(attempt) == 4 else losses(0.3, 0.2, 0.1)

    overhearing = Overhearing()
    simulation = Simulation(tmp_path, train, proposer=overhearing)
    simulation.create(simulated_request(6, 1, "Bayesian", TrainingJobEarlyStoppingType="Auto"))
    while len(overhearing.questions) < 5:
        simulation.step()
    if forgets:
        simulation.start_again()
    simulation.run()
    simulation.close()
    assert overhearing.questions[-1].study.early_stopping
    trials = overhearing.questions[-1].study.trials
    assert [trial.state for trial in trials] == [TrialState.FINISHED] * 3 + [TrialState.STOPPED, TrialState.FINISHED]
    assert trials[0].curve == ((1, 0.3), (2, 0.2), (3, 0.1))
    assert trials[3].curve == ((1, 0.9),)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.4]])
def test_the_log_tells_that_hyperband_had_nothing_to_judge(simulate: Simulate, values: list[float]) -> None:
    simulation = simulate(lambda attempt: losses(*values))
    band = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 9}}
    with capture_logs() as log:
        simulation.create(simulated_request(4, 2, "Hyperband", StrategyConfig=band))
        simulation.run()
    told = [line["event"] for line in log if line["log_level"] == "warning"]
    assert told == ["no training job published its objective twice: Hyperband had nothing to judge"] * (len(values) < 2)
