"""Hyperband with a model, through the engine on virtual time (pegbox.testing.simulation)."""

from __future__ import annotations

from pathlib import Path

from pegbox.executors.base import Attempt
from pegbox.testing.requests import simulated_request
from pegbox.testing.simulated_executor import Training
from pegbox.testing.simulation import Simulation

EPOCHS, BEST = 9, 0.3
REQUEST = simulated_request(
    24, 2, "Hyperband", StrategyConfig={"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": EPOCHS}}
)


def train(attempt: Attempt) -> Training:
    """How good a place is shows from the first epoch on."""
    distance = abs(float(attempt.hyperparameters["x"]) - BEST)
    return Training(values=[("loss", distance + 1 / epoch) for epoch in range(1, EPOCHS + 1)])


def places(folder: Path, *, model: bool, then: bool | None = None) -> list[float]:
    """What is tried; `then`: the server is started again with this setting after the first training jobs."""
    folder.mkdir()
    simulation = Simulation(folder, train, hyperband_model=model)
    simulation.create(REQUEST)
    if then is not None:
        while len(simulation.children("search")) < 10:
            simulation.step()
        simulation.start_again(hyperband_model=then)
    simulation.run()
    found = [float(child["TunedHyperParameters"]["x"]) for child in simulation.children("search")]
    assert simulation.describe("search")["HyperParameterTuningJobStatus"] == "Completed"
    assert "Stopped" in {child["TrainingJobStatus"] for child in simulation.children("search")}
    simulation.close()
    return found


def test_a_model_looks_where_values_at_rungs_are_good_and_random_does_not(tmp_path: Path) -> None:
    near = {
        model: sum(abs(x - BEST) < 0.1 for x in places(tmp_path / str(model), model=model)[6:])
        for model in (True, False)
    }
    assert near[True] >= 9 and near[False] <= 6


def test_a_search_goes_on_as_it_began_under_another_setting(tmp_path: Path) -> None:
    for model in (True, False):
        alone = places(tmp_path / f"{model} alone", model=model)
        assert places(tmp_path / f"{model} then not", model=model, then=not model) == alone
