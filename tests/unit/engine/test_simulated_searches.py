"""Any search, any order of ends, failures and crashes: what clients see is right after every step.

The engine, the store and the operations are real; trainings take virtual time (pegbox.testing.simulation).
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from pegbox.domain.range_request import parse_ranges
from pegbox.domain.ranges import Categorical
from pegbox.domain.searches import Search, searches_of
from pegbox.engine.proposer import Answer, Question, answer
from pegbox.executors.base import Attempt
from pegbox.testing.requests import simulated_definition
from pegbox.testing.simulated_executor import Training
from pegbox.testing.simulation import Simulation

RANGES = {
    "continuous": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "1e-3", "MaxValue": "1"}]},
    "few integers": {"IntegerParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "5"}]},
    "categories": {
        "CategoricalParameterRanges": [{"Name": "x", "Values": ["1", "2", "4"]}, {"Name": "y", "Values": ["a", "b"]}]
    },
}
COUNTERS = {"Completed": "Completed", "Stopped": "Stopped", "InProgress": "InProgress", "Stopping": "InProgress"}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """CreateHyperParameterTuningJob requests with everything that steers a search."""
    strategy = draw(st.sampled_from(["Random", "Bayesian", "Grid", "Hyperband"]))
    ranges = RANGES["categories"] if strategy == "Grid" else draw(st.sampled_from([*RANGES.values()]))
    most = 6 if strategy == "Grid" else draw(st.integers(1, 12))
    count = 1 if strategy == "Grid" else draw(st.sampled_from([1, 1, 3]))
    objective = {"Type": draw(st.sampled_from(["Minimize", "Maximize"])), "MetricName": "loss"}
    config: dict[str, Any] = {
        "Strategy": strategy,
        "ResourceLimits": {
            "MaxNumberOfTrainingJobs": most,
            "MaxParallelTrainingJobs": draw(st.integers(1, most)),
        },
        "RandomSeed": draw(st.integers(0, 9)),
    }
    if draw(st.booleans()):
        config["ResourceLimits"]["MaxRuntimeInSeconds"] = 120
    if strategy == "Hyperband":
        config["StrategyConfig"] = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 4}}
    elif count == 1:
        config["TrainingJobEarlyStoppingType"] = draw(st.sampled_from(["Off", "Auto"]))
    config["TuningJobCompletionCriteria"] = draw(
        st.sampled_from(
            [
                {},
                {"TargetObjectiveMetricValue": 0.3},
                {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}},
                {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}},
            ]
        )
    )
    definition: dict[str, Any] = simulated_definition(60)
    if draw(st.booleans()):
        definition["RetryStrategy"] = {"MaximumRetryAttempts": 1}
    request: dict[str, Any] = {"HyperParameterTuningJobName": "search", "HyperParameterTuningJobConfig": config}
    if count == 1:
        config |= {"HyperParameterTuningJobObjective": objective, "ParameterRanges": ranges}
        return request | {"TrainingJobDefinition": definition}
    each = {"TuningObjective": objective, "HyperParameterRanges": ranges}
    return request | {
        "TrainingJobDefinitions": [
            {**definition, **each, "DefinitionName": f"definition-{place}"} for place in range(count)
        ]
    }


def trainings(seed: int) -> Any:
    """What attempts do: mostly they learn, some fail, say nothing, or lose their runner."""

    def train(attempt: Attempt) -> Training:
        dice = random.Random(f"{seed}/{attempt.id}")
        level = dice.random()
        values = [("loss", level + 1 / (2 + epoch)) for epoch in range(dice.randint(0, 5))]
        return Training(
            values=values,
            seconds=dice.uniform(0.5, 20),
            code=dice.choice([0, 0, 0, 0, 1]),
            is_lost=dice.random() < 0.1,
        )

    return train


def check(simulation: Simulation, best_before: float | None) -> float | None:
    """Everything that must hold at any time (spec of the service's invariants); returns the best objective."""
    described, children = simulation.describe("search"), simulation.children("search")
    searches = {search.name: search for search in searches_of(described)}
    limits = described["HyperParameterTuningJobConfig"]["ResourceLimits"]
    counters = described["TrainingJobStatusCounters"]
    assert sum(counters.values()) == sum(described["ObjectiveStatusCounters"].values()) == len(children)
    counted = Counter(COUNTERS.get(child["TrainingJobStatus"], "Failed") for child in children)
    assert counters["Completed"] == counted["Completed"]
    assert counters["Stopped"] == counted["Stopped"]
    assert counters["InProgress"] == counted["InProgress"] <= limits["MaxParallelTrainingJobs"]
    assert counters["RetryableError"] + counters["NonRetryableError"] == counted["Failed"]
    assert len(children) <= limits["MaxNumberOfTrainingJobs"]
    assert dict(Counter(child["ObjectiveStatus"] for child in children)) == {
        status: count for status, count in described["ObjectiveStatusCounters"].items() if count
    }
    for child in children:
        check_values(searches[child["TrainingJobDefinitionName"]], child["TunedHyperParameters"])
    return check_best(described, children, best_before)


def check_values(search: Search, tuned: dict[str, str]) -> None:
    """Tuned values re-parse inside their ranges."""
    space = parse_ranges(search.ranges, {})
    assert set(tuned) == set(space.names)
    for parameter in space.parameters:
        if isinstance(parameter, Categorical):
            assert tuned[parameter.name] in parameter.values
        else:
            assert parameter.low <= float(tuned[parameter.name]) <= parameter.high


def check_best(described: dict[str, Any], children: list[dict[str, Any]], before: float | None) -> float | None:
    """BestTrainingJob is the best of all that succeeded, and never gets worse."""
    succeeded = [child for child in children if child["ObjectiveStatus"] == "Succeeded"]
    values = [child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for child in succeeded]
    found = described["BestTrainingJob"]
    if not values:
        assert found is None
        return None
    maximize = searches_of(described)[0].maximize
    best = max(values) if maximize else min(values)
    assert found["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == best
    assert before is None or (best >= before if maximize else best <= before)
    return best


def stopped_in_its_turn() -> dict[str, Any]:
    """A search that reaches its target while a job that it stops is claimed with it."""
    return {
        "HyperParameterTuningJobName": "search",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Grid",
            "RandomSeed": 8,
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 6, "MaxParallelTrainingJobs": 6},
            "TuningJobCompletionCriteria": {"TargetObjectiveMetricValue": 0.3},
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "loss"},
            "ParameterRanges": RANGES["categories"],
        },
        "TrainingJobDefinition": simulated_definition(60),
    }


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(request=stopped_in_its_turn(), seed=16, crashes=0.1, late=False)
@given(
    request=requests(),
    seed=st.integers(0, 10_000),
    crashes=st.sampled_from([0.0, 0.0, 0.1]),
    late=st.booleans(),
)
def test_whatever_happens_clients_see_what_is_so(
    tmp_path_factory: pytest.TempPathFactory, request: dict[str, Any], seed: int, crashes: float, late: bool
) -> None:
    dice = random.Random(seed)
    simulation = Simulation(
        tmp_path_factory.mktemp("search"),
        trainings(seed),
        slots=5,
        order=seed,
        crash=lambda: dice.random() < crashes,
        late=late,
    )
    simulation.create(request)
    best: float | None = None
    while simulation.step():
        best = check(simulation, best)
    ended = simulation.describe("search")
    assert ended["HyperParameterTuningJobStatus"] in ("Completed", "Failed")
    assert ended["TrainingJobStatusCounters"]["InProgress"] == 0
    for child in simulation.children("search"):
        check_training(simulation.describe_training(child["TrainingJobName"]), child)
    simulation.close()


def check_training(described: dict[str, Any], child: dict[str, Any]) -> None:
    """A training job that has ended, as its own Describe shows it."""
    transitions = described["SecondaryStatusTransitions"]
    assert transitions[-1]["Status"] == described["SecondaryStatus"]
    assert all("EndTime" in each for each in transitions)
    starts = [each["StartTime"] for each in transitions]
    assert starts == sorted(starts)
    final = child.get("FinalHyperParameterTuningJobObjectiveMetric")
    if final is not None:
        told = {item["MetricName"]: item["Value"] for item in described["FinalMetricDataList"]}
        assert told["loss"] == final["Value"]


class Expecting:
    """A proposer whose model expects to gain so much."""

    def __init__(self, gain: float) -> None:
        self._gain = gain

    def ask(self, question: Question) -> Answer:
        found = answer(replace(question, strategy="Random"))
        return Answer([replace(candidate, expected=self._gain) for candidate in found.candidates])

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("gain", "count"), [(0.0002, 30), (0.00005, 20)])
@pytest.mark.parametrize("crashes", [0.0, 0.2])
def test_a_model_that_expects_more_keeps_a_search_going(
    tmp_path: Path, gain: float, count: int, crashes: float
) -> None:
    request: dict[str, Any] = {
        "HyperParameterTuningJobName": "search",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "RandomSeed": 8,
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 30, "MaxParallelTrainingJobs": 1},
            "TuningJobCompletionCriteria": {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}},
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "loss"},
            "ParameterRanges": RANGES["continuous"],
        },
        "TrainingJobDefinition": simulated_definition(60),
    }
    dice = random.Random(1)
    simulation = Simulation(
        tmp_path,
        lambda _: Training(values=[("loss", 1.0)]),
        crash=lambda: dice.random() < crashes,
        proposer=Expecting(gain),
    )
    simulation.create(request)
    simulation.run()
    assert len(simulation.children("search")) == count
    simulation.close()
