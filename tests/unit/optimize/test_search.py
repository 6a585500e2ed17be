from __future__ import annotations

import json
import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pegbox.optimize import Exhausted, Finished, Search, Stopped, TooLittle, Trial, TrialState, choice, integer, real
from pegbox.strategies.explain.answers import Band

SPACE = {
    "rate": real(1e-5, 1.0),
    "layers": integer(1, 8),
    "kind": choice(["relu", "tanh", None, 0.5]),
    "fixed": integer(3, 3),
}
SMALL = {"n": integer(1, 3), "flag": choice([True, False])}


def loss(trial: Trial) -> float:
    at = trial.parameters
    rate, layers = at["rate"], at["layers"]
    assert isinstance(rate, float) and isinstance(layers, int)
    return (math.log10(rate) + 2) ** 2 + 0.1 * abs(layers - 5) + (0.0 if at["kind"] == "tanh" else 0.5)


def searched(count: int, **settings: object) -> Search:
    search = Search(SPACE, trials=30, **settings)  # type: ignore[arg-type]
    for _ in range(count):
        trial = search.ask()
        search.tell(trial, loss(trial))
    return search


def test_a_search_finds_what_is_good() -> None:
    search = searched(30)
    assert search.best is not None and search.best.value is not None
    assert search.best.value < 0.3
    assert search.best.parameters["kind"] == "tanh"
    assert [trial.number for trial in search.trials] == list(range(1, 31))


def test_values_have_the_types_of_their_ranges() -> None:
    for trial in Search(SPACE).ask_several(20):
        types = [type(value) for value in trial.parameters.values()]
        assert types[:2] == [float, int] and trial.parameters["fixed"] == 3
        assert trial.parameters["kind"] in ("relu", "tanh", None, 0.5)


def test_the_seed_decides_and_nothing_else() -> None:
    assert searched(8).trials == searched(8).trials
    assert searched(8).trials != searched(8, seed=1).trials


def test_maximising_looks_for_the_largest() -> None:
    down, up = Search(SPACE), Search(SPACE, goal="maximise")
    for _ in range(14):
        one, other = down.ask(), up.ask()
        assert one.parameters == other.parameters
        down.tell(one, loss(one))
        up.tell(other, -loss(other))
    assert down.best is not None and up.best is not None
    assert down.best.number == up.best.number


def test_many_are_asked_for_before_any_result_and_told_in_any_order() -> None:
    search, other = Search(SPACE), Search(SPACE)
    asked = search.ask_several(25)
    assert len({json.dumps(dict(trial.parameters)) for trial in asked}) == 25
    assert [trial.number for trial in search.running] == list(range(1, 26))
    for trial in asked:
        search.tell(trial, loss(trial))
    for trial in reversed(other.ask_several(25)):
        other.tell(trial.number, loss(trial))
    assert search.ask() == other.ask()


def test_what_can_be_told() -> None:
    search = Search(SPACE)
    told = [1.0, None, math.nan, math.inf, Stopped(2.0), Stopped(), np.float64(0.5), 3]
    trials = [search.tell(search.ask(), each) for each in told]
    states = [TrialState.FINISHED, *[TrialState.FAILED] * 3, *[TrialState.STOPPED] * 2, *[TrialState.FINISHED] * 2]
    assert [trial.state for trial in trials] == states
    assert [trial.value for trial in trials] == [1.0, None, None, None, 2.0, None, 0.5, 3.0]
    assert search.best == trials[6]
    assert not search.running
    assert search.ask()


def test_curves_say_what_a_stopped_trial_would_have_reached() -> None:
    """Those stopped at 3 of 10 epochs have worse values than the others had at the end, and are as good."""

    def told(with_curves: bool) -> Search:
        search = Search({"x": real(0, 1)}, trials=30)
        for trial in search.ask_several(16):
            x = trial.parameters["x"]
            assert isinstance(x, float)
            curve = [(x - 0.3) ** 2 + 1.0 / epoch for epoch in range(1, 11)]
            kept = curve if with_curves else []
            search.tell(trial, Stopped(curve[2], kept[:3]) if trial.number % 2 else Finished(curve[-1], kept))
        return search

    with_curves, without = (told(each).importance().foretold for each in (True, False))
    assert with_curves is not None and without is not None
    assert with_curves > without
    search = Search({"x": real(0, 1)})
    trial = search.tell(search.ask(), Stopped(curve=[3.0, math.nan, 2.0]))
    assert (trial.state, trial.value, trial.curve) == (TrialState.STOPPED, 2.0, (3.0, 2.0))
    assert search.tell(search.ask(), Finished(None, [1.0])).state is TrialState.FAILED


def test_the_value_of_a_stopped_trial_without_a_curve_is_doubted() -> None:
    """It says what it came to, not what it would have reached: it draws the model less, and leaves it uncertain."""

    def seen(told: type[Finished] | type[Stopped]) -> Band:
        search = Search({"x": real(0, 1)})
        for x in (0.0, 0.15, 0.3, 0.7, 0.85, 1.0):
            search.tell(search.begin({"x": x}), (x - 0.5) ** 2)
        search.tell(search.begin({"x": 0.5}), told(0.2))
        return search.view("x", places=3).places[1].at_best

    finished, stopped = seen(Finished), seen(Stopped)
    assert stopped.median < finished.median
    assert stopped.high - stopped.low > 4 * (finished.high - finished.low)


@pytest.mark.parametrize("finished", [2, 3])
def test_what_was_stopped_is_not_told_of_as_the_best(finished: int) -> None:
    """By the model, as by the search: nobody has seen what it would have come to."""
    search = Search({"x": real(0, 1)})
    search.tell(search.begin({"x": 0.5}), Stopped(0.1))
    for number in range(finished):
        search.tell(search.begin({"x": 0.2 * number}), 1.0 + number)
    assert search.best is not None
    assert search.view("x").best == search.best.parameters
    assert search.reason(search.ask()).best == 1.0


def test_told_again_the_last_word_counts() -> None:
    once, twice = searched(10), searched(10)
    for trial in twice.trials:
        twice.tell(trial, 99.0)
        twice.tell(trial, loss(trial))
    assert twice.trials == once.trials
    assert twice.ask() == once.ask()
    with pytest.raises(KeyError):
        once.tell(99, 1.0)


def test_trials_of_ones_own() -> None:
    search = Search(SPACE)
    own = {"kind": None, "layers": np.int64(4), "rate": 1, "fixed": 3}
    trial = search.begin(own)
    assert trial.parameters == {"rate": 1.0, "layers": 4, "kind": None, "fixed": 3}
    search.tell(trial, 0.25)
    assert search.best == search.trials[0]
    for name, value in (("rate", 2.0), ("layers", 2.5), ("kind", "gelu"), ("fixed", 4)):
        with pytest.raises(ValueError, match=f"^{name}: "):
            search.begin({**own, name: value})
    with pytest.raises(ValueError, match="the parameters are"):
        search.begin({"rate": 0.5})
    with pytest.raises(ValueError, match="the parameters are"):
        search.begin({**own, "other": 1})


def test_what_is_made_of_earlier_searches_is_made_once() -> None:
    """What is kept of parents is found by who they are: new ones for each ask would be learned from anew."""
    old = searched(6)
    search = Search(SPACE, earlier=[old])
    known = search.study.parents
    search.tell(search.ask(), 1.0)
    old.tell(old.ask(), 0.0)
    assert search.study.parents is known and len(known[0].trials) == 6


def test_earlier_searches_show_where_to_begin() -> None:
    """They have other ranges, one parameter more or less, and values on another scale."""
    old = Search({**SPACE, "rate": real(1e-6, 0.1), "more": integer(1, 3)}, trials=30)
    for _ in range(25):
        trial = old.ask()
        old.tell(trial, 100.0 + 7.0 * loss(trial))
    fresh, taught = Search(SPACE, trials=30), Search(SPACE, trials=30, earlier=[old])
    for search in (fresh, taught):
        for _ in range(4):
            trial = search.ask()
            search.tell(trial, loss(trial))
    assert taught.best is not None and fresh.best is not None
    assert taught.best.value is not None and fresh.best.value is not None
    assert taught.best.value < 0.5 * fresh.best.value
    again = Search.from_json(taught.to_json())
    assert again.ask() == taught.ask()
    old.tell(old.ask(), -1000.0)  # too late: it is learned from as it was
    assert again.ask() == taught.ask()


def test_what_an_identical_search_has_tried_is_not_tried_again() -> None:
    old = Search(SMALL)
    for trial in old.ask_several(4):
        old.tell(trial, float(trial.number))
    search = Search(SMALL, earlier=[old], identical=True)
    assert len(search.ask_several(9)) == 2
    with pytest.raises(Exhausted):
        Search.from_json(search.to_json()).ask()
    assert len(Search(SMALL, earlier=[old]).ask_several(9)) == 6
    with pytest.raises(ValueError, match="the same goal"):
        Search(SMALL, earlier=[old], goal="maximise")


def test_a_finite_space_ends() -> None:
    search = Search(SMALL, strategy="Grid")
    assert len(search.ask_several(4)) == 4
    assert len(search.ask_several(4)) == 2
    with pytest.raises(Exhausted):
        search.ask()


@pytest.mark.parametrize(
    "settings", [{"goal": "Minimize"}, {"trials": 0}, {"seed": -1}, {"strategy": "bayesian"}, {"space": {}}]
)
def test_settings_that_are_none_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Search(**{"space": SMALL, **settings})  # type: ignore[arg-type]


def test_a_search_is_data(tmp_path: Path) -> None:
    search = searched(12, seed=3)
    search.tell(search.ask(), Stopped(0.1 + 0.2))
    search.tell(search.ask(), None)
    search.tell(search.ask(), Finished(0.5, [0.7, 1 / 3, 0.5]))
    search.ask()
    search.save(tmp_path / "search.json")
    again = Search.load(tmp_path / "search.json")
    assert again.trials == search.trials
    assert again.to_json() == search.to_json()
    assert (again.goal, again.seed, again.planned, again.strategy) == ("minimise", 3, 30, "Bayesian")
    assert again.ask() == search.ask()
    assert [path.name for path in tmp_path.iterdir()] == ["search.json"]


def test_an_empty_search_is_data_too() -> None:
    search = Search({"x": real(-1e308, 1e308), "ä": choice(["é", ""])}, goal="maximise")
    assert Search.from_json(search.to_json()).ask() == search.ask()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"form": "another"}',
        Search(SMALL).to_json().replace("minimise", "descend"),
        Search(SMALL).to_json().replace('"integer"', '"whole"'),
        searched(1).to_json().replace("Finished", "Failed"),
        searched(1).to_json().replace('{"rate":', '{"ratio":'),
    ],
)
def test_what_is_no_search_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Search.from_json(text)


def test_what_was_learned_is_told_in_values_of_the_ranges() -> None:
    search = searched(25)
    shares = {share.name: share.total for share in search.importance().shares}
    assert shares.keys() == {"rate", "layers", "kind"}
    assert max(shares, key=lambda name: shares[name]) == "rate"
    kinds = search.view("kind")
    assert [place.values["kind"] for place in kinds.places] == ["relu", "tanh", None, 0.5]
    assert kinds.best == (search.best.parameters if search.best else None)
    assert len(search.view("rate", "layers", places=4).places) == 16
    assert search.reason(1).kind == "initial"
    last = search.reason(search.ask())
    assert last.kind in ("explore", "exploit") and last.results == 25
    for names in ((), ("fixed",), ("speed",)):
        with pytest.raises(ValueError):
            search.view(*names)
    with pytest.raises(TooLittle):
        searched(2).importance()


def test_importing_loads_no_numerical_library_and_no_part_of_the_server() -> None:
    program = """
import sys, time
begun = time.process_time()
from pegbox.optimize import Search, integer
spent = time.process_time() - begun
known = {name.removeprefix("pegbox.").split(".")[0] for name in sys.modules if name.startswith("pegbox.")}
assert known <= {"optimize", "strategies", "domain", "errors"}, known
assert not {"numpy", "scipy", "botocore", "sqlalchemy", "starlette"} & set(sys.modules)
search = Search({"n": integer(1, 9)})
search.ask()
assert "scipy" not in sys.modules
print(spent)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.5  # 0.03 on an idle machine


def test_a_trial_may_be_changed_by_whoever_runs_it() -> None:
    search = Search(SPACE, seed=3)
    asked = search.ask()
    wanted = dict(asked.parameters)
    asked.parameters.clear()  # type: ignore[attr-defined]
    told = search.tell(asked, 1.0)
    assert told.parameters == wanted
    told.parameters["more"] = 1  # type: ignore[index]
    assert Search.from_json(search.to_json()).trials[0].parameters == wanted


def test_a_trial_of_another_search_is_refused() -> None:
    """Its value belongs to other parameters."""
    one, other = Search(SPACE, seed=1), Search(SPACE, seed=2)
    _, trial = one.ask(), one.ask()
    asked = [other.ask(), other.ask()]
    with pytest.raises(ValueError, match="trial 2 of this search has other parameters"):
        other.tell(trial, 1.0)
    with pytest.raises(ValueError, match="trial 2 of this search has other parameters"):
        other.reason(trial)
    assert other.running == asked
    narrow = Search({"rate": SPACE["rate"]})
    for _ in range(2):
        narrow.begin({"rate": trial.parameters["rate"]})
    with pytest.raises(ValueError, match="has other parameters"):
        narrow.tell(trial, 1.0)
    with pytest.raises(KeyError, match="no trial 2"):
        Search(SPACE).tell(trial, 1.0)


def test_a_trial_is_known_after_it_and_the_search_have_been_elsewhere() -> None:
    search = Search(SPACE, seed=3)
    trial = search.ask()
    again = Search.from_json(search.to_json())
    assert again.tell(pickle.loads(pickle.dumps(trial)), 1.0).value == 1.0
    assert again.tell(again.trials[0], 2.0).value == 2.0
    assert again.tell(Trial(1, trial.parameters), 3.0).value == 3.0
    assert repr(trial) == repr(Trial(1, trial.parameters))


def test_numbers_of_numpy_are_settings_too() -> None:
    search = Search(SPACE, trials=np.int64(9), seed=np.int64(7))  # type: ignore[arg-type]
    assert Search.from_json(search.to_json()).ask() == Search(SPACE, trials=9, seed=7).ask()


@pytest.mark.parametrize("told", ["much", (1.0, 2.0), {"loss": 1.0}, 1j, np.ones(2), Stopped("x"), Finished(1.0, 2.0)])  # type: ignore[arg-type]
def test_what_is_no_result_is_refused(told: object) -> None:
    search = Search(SPACE)
    with pytest.raises(TypeError, match=r"a result is a number|a curve is a list"):
        search.tell(search.ask(), told)  # type: ignore[arg-type]
    assert len(search.running) == 1


def test_an_integer_beyond_all_doubles_is_infinite() -> None:
    search = Search(SPACE)
    assert search.tell(search.ask(), 10**400).state is TrialState.FAILED


def test_what_is_unknown_is_named(tmp_path: Path) -> None:
    search = Search(SPACE)
    with pytest.raises(KeyError, match="no trial 99"):
        search.tell(99, 1.0)
    with pytest.raises(TypeError, match="a list of searches"):
        Search(SPACE, earlier=["search.json"])  # type: ignore[list-item]
    (tmp_path / "search.json").write_text("no search")
    with pytest.raises(ValueError, match=r"search.json: this is no search that was saved"):
        Search.load(tmp_path / "search.json")


@pytest.mark.parametrize("strategy", ["bayesian", "Hyperband", "ModelHyperband", ["Random"]])
def test_a_strategy_that_is_none_of_a_function_is_refused_with_those_that_are(strategy: str) -> None:
    with pytest.raises(ValueError, match=r"is none of \['Bayesian', 'Random', 'Grid'\]"):
        Search(SMALL, strategy=strategy)


@pytest.mark.parametrize("space", [loss, [("x", real(0, 1))], None, real(0, 1)])
def test_what_is_no_space_is_called_so(space: object) -> None:
    with pytest.raises(TypeError, match=r"a space is a dictionary of ranges by name, as in {'x': real\(0, 1\)}, not "):
        Search(space)  # type: ignore[arg-type]


def test_telling_of_parameters_in_place_of_their_trial_is_refused_with_what_is_meant() -> None:
    search = Search(SMALL)
    with pytest.raises(TypeError, match=r"tell what ask or begin gave, or its number, not {"):
        search.tell(search.ask().parameters, 1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["{}", "[]", '{"form": "pegbox.optimize 1"}', '{"form": 3}'])
def test_a_file_that_is_no_search_is_called_so_without_names_of_python(text: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"other\.json: this is no search that was saved") as refused:
        Search.load(tmp_path / "other.json")
    assert "Error" not in str(refused.value)


def test_saving_where_there_is_no_folder_names_the_file_that_was_meant(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        Search(SMALL).save(tmp_path / "none" / "search.json")
    assert refused.value.filename == str(tmp_path / "none" / "search.json")


def test_a_search_tells_what_it_is() -> None:
    search = Search(SMALL, trials=4)
    assert repr(search) == "<Search: minimise, 0 of 4 trials>"
    search.tell(search.begin({"n": 1, "flag": True}), 0.5)
    search.ask()
    assert repr(search) == "<Search: minimise, 2 of 4 trials, 1 running, best 0.5>"


def test_a_reason_compares_with_the_best_that_the_ranges_allow() -> None:
    """And not with what an earlier search has found outside them."""
    old = Search({"x": real(0, 10)}, trials=11)
    for x in range(11):
        old.tell(old.begin({"x": x}), (x - 9.0) ** 2)
    search = Search({"x": real(0, 5)}, trials=5, earlier=[old], identical=True)
    why = search.reason(search.ask())
    assert why.best == pytest.approx(16.0)
