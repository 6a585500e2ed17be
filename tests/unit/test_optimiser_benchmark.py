"""benchmarks/optimiser: its tasks are what they say they are, its clock is right, its changes are real."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _findable() -> Iterator[None]:
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))


@pytest.fixture
def shapes() -> ModuleType:
    from benchmarks.optimiser.tasks import shapes

    return shapes


def test_every_function_has_its_minimum_where_it_says(shapes: ModuleType) -> None:
    for arguments in shapes.functions():
        task = shapes.shaped(*arguments)
        values = {
            axis.parameter.name: at(axis, best) for axis, best in zip(task.exact.axes, task.exact.best, strict=True)
        }
        assert task.exact(values) == pytest.approx(task.best, abs=1e-6), task.name


def test_no_function_has_its_minimum_in_the_middle(shapes: ModuleType) -> None:
    """Some optimisers look there first."""
    for arguments in shapes.functions():
        task = shapes.shaped(*arguments)
        assert np.max(np.abs(task.exact.best - 0.5)) > 0.05, task.name


def at(axis: Any, coordinate: float) -> str:
    """The value of a range at a coordinate of the unit cube."""
    if axis.cells:
        return str(axis.parameter.value(axis.cells.index(coordinate)))
    return repr(float(coordinate) ** axis.power)


def test_a_seventh_of_a_failing_task_fails(shapes: ModuleType) -> None:
    from benchmarks.optimiser.tasks.task import draws

    for arguments in shapes.functions():
        task = shapes.shaped(*arguments)
        share = np.mean([task.exact(values) is None for values in draws(task.space, 1000, seed=1)])
        assert share == 0 if not arguments[3].failing else 0.1 < share < 0.2, task.name


class Recorded:
    """A method that proposes 0.1, 0.2, ... and writes down what it hears."""

    seconds = 0.0
    expected = None

    def __init__(self) -> None:
        self.heard: list[object] = []

    def ask(self, numbers: Sequence[int]) -> list[dict[str, str]]:
        self.heard.append(list(numbers))
        return [{"x0": str(number / 10)} for number in numbers]

    def observe(self, number: int, curve: tuple[float, ...]) -> None:
        self.heard.append((number, curve))

    def tell(self, number: int, outcome: Any) -> None:
        self.heard.append((number, outcome.state.value, outcome.value))


def a_task(**fields: Any) -> Any:
    from benchmarks.optimiser.tasks.task import Task

    from pegbox.domain.ranges import Continuous, Space

    return Task(name="it", family="its", space=Space((Continuous("x0", 0.0, 1.0),)), **fields)


def test_results_come_in_the_order_of_their_ends_and_free_workers_ask_at_once() -> None:
    from benchmarks.optimiser.methods.method import Setting
    from benchmarks.optimiser.simulation import Simulation, incumbents

    seconds = {"0.1": 5.0, "0.2": 1.0, "0.3": 2.0, "0.4": 9.0}
    task = a_task(
        exact=lambda values: None if values["x0"] == "0.2" else -float(values["x0"]),
        seconds=lambda values: seconds[values["x0"]],
    )
    method = Recorded()
    ended = Simulation(task, method, Setting(budget=4, workers=2), 0).run()
    assert method.heard == [
        [1, 2],
        (2, "failed", None),
        [3],
        (3, "finished", -0.3),
        [4],
        (1, "finished", -0.1),
        (4, "finished", -0.4),
    ]
    assert [(item.number, item.known, item.running) for item in ended] == [(2, 0, 0), (3, 1, 1), (1, 0, 0), (4, 2, 1)]
    assert incumbents(ended, 1.0) == [float("inf"), -0.3, -0.3, -0.4]


def test_the_rule_of_the_service_stops_evaluations_early() -> None:
    from benchmarks.optimiser.methods.method import Setting
    from benchmarks.optimiser.simulation import Simulation

    def curve(values: dict[str, str]) -> tuple[float, ...]:
        return tuple(float(values["x0"]) / epoch for epoch in range(1, 6))

    task = a_task(exact=lambda values: curve(values)[-1], curve=curve)
    method = Recorded()
    ended = Simulation(task, method, Setting(budget=4, early=True), 0).run()
    assert [item.state.value for item in ended] == ["finished", "finished", "finished", "stopped"]
    assert method.heard[-2:] == [(4, (0.4,)), (4, "stopped", 0.4)]


def test_bayesian_is_told_of_curves_and_runs_in_every_variant() -> None:
    from benchmarks.optimiser.methods.method import Setting
    from benchmarks.optimiser.methods.ours import Ours
    from benchmarks.optimiser.methods.variants import VARIANTS
    from benchmarks.optimiser.simulation import Simulation

    def curve(values: dict[str, str]) -> tuple[float, ...]:
        return tuple((float(values["x0"]) - 0.3) ** 2 + 1 / epoch for epoch in range(1, 12))

    task = a_task(exact=lambda values: curve(values)[-1], curve=curve)
    setting = Setting(budget=7, workers=2, early=True)
    for changes in ({}, *VARIANTS.values()):
        method = Ours(task, setting, 0, strategy="Bayesian", changes=changes)
        assert len(Simulation(task, method, setting, 0).run()) == 7
        assert all(trial.curve[-1][1] == trial.objective for trial in method.trials)


def test_parents_are_what_their_kind_says(tmp_path: Path) -> None:
    from benchmarks.optimiser.methods.parents import KINDS, parent

    def bowl(values: dict[str, str]) -> float:
        return (float(values["x0"]) - 0.3) ** 2

    task = a_task(exact=bowl)
    known = {kind: parent(task, kind, 0, None, tmp_path) for kind in KINDS}
    for kind, found in known.items():
        assert found.kind is KINDS[kind]
        assert len(found.trials) == 50
        told = [(trial.objective, bowl(dict(trial.values))) for trial in found.trials]
        assert all(objective == exact for objective, exact in told) == (kind == "identical")
        assert sorted(told)[0][1] < 0.01 or kind in ("shuffled", "lying")
        assert ({objective for objective, _ in told} == {exact for _, exact in told}) == (kind != "related")


def test_latency_is_measured_after_what_a_method_was_told() -> None:
    from benchmarks.optimiser.latency import latencies
    from benchmarks.optimiser.methods.registry import ours

    (row,) = latencies([ours("Random")], [30], asks=4)
    assert (row["observations"], row["asks"]) == (30, 4)
    assert 0 < row["median"] <= row["p95"]


def test_results_are_printed_as_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.optimiser.methods.method import Setting
    from benchmarks.optimiser.methods.registry import ours, peer
    from benchmarks.optimiser.report import Wanted, report
    from benchmarks.optimiser.runs import Places, plan, run_all

    places = Places(bench=None, cache=tmp_path, runs=tmp_path / "runs")
    methods = [method for method in (ours("Random"), peer("sobol", tmp_path)) if method]
    run_all(plan(["branin", "hartmann3"], methods, Setting(budget=6), range(2)), places, processes=1)
    capsys.readouterr()
    report(places.runs, Wanted(setting="w1-n6", tasks=["branin", "hartmann3"], methods=["*"], ours="Random", at=[3, 6]))
    printed = capsys.readouterr().out
    assert "all, 6 evaluations: 2 tasks, 4 searches" in printed
    assert "4 searches" in printed.partition("Probability")[2]
    assert "Probability that Random has less regret" in printed
    for seed in (0, 1):
        (places.runs / "w1-n6" / "branin" / "sobol" / f"{seed}.csv").unlink()
    wanted = Wanted(
        setting="w1-n6", tasks=["branin", "hartmann3"], methods=["*"], ours="Random", at=[6], slow=["sobol"]
    )
    report(places.runs, wanted)
    printed = capsys.readouterr().out
    assert "all, 6 evaluations: 2 tasks, 4 searches" in printed
    assert "2 searches" in printed.partition("Probability")[2]


def test_every_variant_changes_something_that_is_there() -> None:
    from benchmarks.optimiser.methods.variants import VARIANTS, changed

    for changes in VARIANTS.values():
        with changed(changes):
            pass


def test_changes_are_made_and_taken_back() -> None:
    from benchmarks.optimiser.methods.variants import changed

    from pegbox.strategies import bayesian

    before = bayesian.initial_size
    with changed({"pegbox.strategies.bayesian:initial_size": 7}):
        assert bayesian.initial_size == 7
    assert bayesian.initial_size is before
    with pytest.raises(AttributeError), changed({"pegbox.strategies.bayesian:_NO_SUCH_THING": 7}):
        pass


def test_a_search_is_read_as_it_was_written(tmp_path: Path) -> None:
    from benchmarks.optimiser import records
    from benchmarks.optimiser.methods.method import Setting
    from benchmarks.optimiser.methods.registry import ours
    from benchmarks.optimiser.runs import Places, plan, run_all

    places = Places(bench=None, cache=tmp_path, runs=tmp_path / "runs")
    searches = plan(["branin-failing"], [ours("Random")], Setting(budget=12, workers=3), range(1))
    run_all(searches, places, processes=1)
    (key,) = records.keys(places.runs)
    assert key == searches[0].key
    evaluations = records.read(places.runs, key)
    assert sorted(item.number for item in evaluations) == list(range(1, 13))
    records.write(places.runs, key, evaluations, {})
    assert records.read(places.runs, key) == evaluations


def test_a_search_converges_where_the_service_would_end_it() -> None:
    from benchmarks.optimiser.convergence import converged_after
    from benchmarks.optimiser.methods.method import Setting, State
    from benchmarks.optimiser.methods.registry import ours
    from benchmarks.optimiser.simulation import Evaluation, Simulation

    def evaluation(number: int, value: float | None, expected: float | None) -> Evaluation:
        times = {"begun": float(number), "ended": number + 1.0, "known": number - 1, "running": 0, "seconds": 0.0}
        state = State.FAILED if value is None else State.FINISHED
        return Evaluation(number=number, values={"x": "1"}, value=value, expected=expected, state=state, **times)  # type: ignore[arg-type]

    flat = [evaluation(number, 1.0, 0.00009 if number >= 16 else 0.5) for number in range(1, 41)]
    assert converged_after(flat, 1.0) == 25  # whose model has been asked ten times
    doubtful = [evaluation(number, 1.0, 0.0002 if number == 25 else 0.0) for number in range(1, 41)]
    assert converged_after(doubtful, 1.0) == 20
    assert converged_after(doubtful[5:], 1.0) == 30
    assert converged_after([evaluation(number, 1.0, None) for number in range(1, 41)], 1.0) is None
    assert converged_after([evaluation(number, None, 0.0) for number in range(1, 41)], 1.0) is None
    assert converged_after([evaluation(number, 1.0 / number, 0.0) for number in range(1, 41)], 1.0) is None
    task = a_task(exact=lambda values: float(values["x0"]))
    setting = Setting(budget=7)
    evaluations = Simulation(task, ours("Bayesian").maker(task, setting, 0), setting, 0).run()
    assert evaluations[0].expected is None and (evaluations[-1].expected or 0.0) > 0.0


def test_regret_is_one_where_random_search_begins() -> None:
    from benchmarks.optimiser.reference import Reference

    reference = Reference(family="its", maximise=True, best=0.9, start=0.7)
    assert reference.regret(-0.9) == 0
    assert reference.regret(-0.7) == pytest.approx(1)
    assert reference.regret(-0.8) == pytest.approx(0.5)


def test_intervals_hold_their_mean_and_pairs_are_compared_seed_by_seed() -> None:
    from benchmarks.optimiser.comparison import mean_regret, wins

    ours = {task: {seed: np.array([seed / 10]) for seed in range(5)} for task in "ab"}
    theirs = {task: {seed: np.array([seed / 10 + (seed % 2)]) for seed in range(5)} for task in "ab"}
    estimate = mean_regret(ours, 1)
    assert estimate.low < estimate.mean < estimate.high
    assert estimate.mean == pytest.approx(0.2)
    assert wins(ours, theirs, 1).mean == pytest.approx((2 + 3 * 0.5) / 5)


def test_a_peer_searches_in_a_process_of_its_own(tmp_path: Path) -> None:
    from benchmarks.optimiser import records
    from benchmarks.optimiser.methods.method import Setting
    from benchmarks.optimiser.methods.registry import peer
    from benchmarks.optimiser.runs import Places, plan, run_all

    places = Places(bench=None, cache=tmp_path, runs=tmp_path / "runs")
    sobol = peer("sobol", tmp_path)
    assert sobol is not None
    searches = plan(["levy8-mixed-failing"], [sobol], Setting(budget=16, workers=4), range(1))
    run_all(searches, places, processes=1)
    evaluations = records.read(places.runs, searches[0].key)
    assert len({str(item.values) for item in evaluations}) == 16
    assert "scipy" in records.versions_of(places.runs, "sobol")


def test_a_peer_that_fails_is_told_about_and_leaves_no_result(tmp_path: Path) -> None:
    from benchmarks.optimiser.methods.method import Setting
    from benchmarks.optimiser.methods.peer import Peer, PeerError

    with pytest.raises(PeerError, match="KeyError: 'nobody'"):
        Peer(a_task(exact=lambda values: 0.0), Setting(budget=3), 0, name="nobody", python=Path(sys.executable))


def test_every_peer_has_a_module_and_requirements() -> None:
    from benchmarks.optimiser.environments import REQUIREMENTS
    from benchmarks.optimiser.methods.registry import PEERS
    from benchmarks.optimiser.peers import worker

    assert worker.PEERS.keys() == PEERS.keys()
    for name, environment in PEERS.items():
        assert (REQUIREMENTS.parent / f"{worker.PEERS[name][0]}.py").exists()
        assert (REQUIREMENTS / f"{environment}.txt").exists()
