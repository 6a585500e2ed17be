"""What Optuna keeps, read as each of its versions left it."""

from __future__ import annotations

import importlib.util
import math
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pegbox.sources.base import SourceError, Study
from pegbox.sources.optuna import Kept, Trial, study_of
from pegbox.sources.optuna_storage import address, studies
from postgres import Cluster

RECORDED = Path(__file__).parents[2] / "sources"
TITLE = "Churn: net/1"


def storage(name: str, folder: Path) -> str:
    """What that version has left."""
    recorded = RECORDED / name
    if recorded.suffix == ".journal":
        return str(recorded)
    with sqlite3.connect(folder / "optuna.db") as opened:
        opened.executescript(recorded.read_text())
    return str(folder / "optuna.db")


def churn(place: str) -> Study:
    (kept,) = studies(place, lambda name: name == TITLE)
    return study_of(kept, "somewhere", None)


def check(study: Study) -> None:
    """The study of record_optuna.py: twelve trials that have ended and one that runs."""
    assert (study.name.rpartition("-")[0], study.title, study.unfinished) == ("Churn-net-1", TITLE, 1)
    assert study.objective is not None and not study.objective.maximize
    assert [run.status for run in study.runs] == [
        *["Completed"] * 3, "Stopped", "Failed", *["Completed"] * 7
    ]  # fmt: skip
    first, stopped, failed, endless = (study.runs[place] for place in (0, 3, 4, 5))
    assert first.parameters == {"rate": "0.3", "layers": "4", "kind": "relu"}
    assert first.metrics["objective"][0] == 0.0 and first.metrics["accuracy"][0] == 1.0
    assert first.tags == {"optuna.number": "0", "note": "Käse {1}"}
    assert first.name.startswith(f"{study.name}-000-") and first.started <= first.ended
    assert stopped.metrics["objective"][0] == pytest.approx(1.0 - stopped.metrics["accuracy"][0])  # of the last step
    assert "objective" not in failed.metrics and failed.failure
    assert math.isinf(endless.metrics["objective"][0])
    assert {run.parameters["kind"] for run in study.runs} == {"relu", "tanh", "None"}
    assert study.ranges == {
        "CategoricalParameterRanges": [{"Name": "kind", "Values": ["relu", "tanh", "None"]}],
        "IntegerParameterRanges": [{"Name": "layers", "MinValue": "1", "MaxValue": "6", "ScalingType": "Linear"}],
        "ContinuousParameterRanges": [
            {"Name": "rate", "MinValue": "0.001", "MaxValue": "1.0", "ScalingType": "Logarithmic"}
        ],
    }


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.glob("optuna-*.*")))
def test_every_version_is_understood(name: str, tmp_path: Path) -> None:
    place = storage(name, tmp_path)
    check(churn(place))
    (both,) = studies(place, lambda name: name == "both")
    with_both = study_of(both, "somewhere", "objective_1")
    assert with_both.objective is not None and with_both.objective.maximize and len(with_both.notes) == 1
    assert list(with_both.runs[0].metrics) == ["objective_1", "objective_0"]
    with pytest.raises(SourceError, match="has no objective loss; it has objective_0, objective_1"):
        study_of(both, "somewhere", "loss")


@pytest.mark.skipif(importlib.util.find_spec("optuna") is None, reason="Optuna is not installed")
def test_a_storage_in_postgresql(postgres: Cluster) -> None:
    url = postgres.database("optuna")
    recorder = [sys.executable, str(RECORDED / "record_optuna.py"), url]
    done = subprocess.run(recorder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    check(churn(url.replace("+psycopg", "")))


def kept(*trials: Trial, **distributions: list[dict[str, Any]]) -> Kept:
    return Kept(
        title="ü/!",
        directions=["MAXIMIZE"],
        metrics=None,
        trials=list(trials),
        distributions={name: list(each) for name, each in distributions.items()},
    )


def ended(number: int, **parameters: float) -> Trial:
    at = 1_700_000_000.0 + number
    return Trial(number=number, state="COMPLETE", started=at, ended=at + 1, parameters=parameters, values={0: 1.0})


def test_distributions_of_old_versions_and_those_that_changed() -> None:
    old = {
        "u": [{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}},
              {"name": "UniformDistribution", "attributes": {"low": -1.0, "high": 0.5}}],
        "l": [{"name": "LogUniformDistribution", "attributes": {"low": 1e-5, "high": 1.0}}],
        "i": [{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 64, "step": 1}}],
        "d": [{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 1.0, "q": 0.25}}],
    }  # fmt: skip
    study = study_of(kept(ended(0, u=0.5, l=0.1, i=8.0, d=0.25), **old), "x", "auc")
    assert study.ranges["ContinuousParameterRanges"] == [
        {"Name": "d", "MinValue": "0.0", "MaxValue": "1.0", "ScalingType": "Linear"},
        {"Name": "l", "MinValue": "1e-05", "MaxValue": "1.0", "ScalingType": "Logarithmic"},
        {"Name": "u", "MinValue": "-1.0", "MaxValue": "1.0", "ScalingType": "Linear"},
    ]
    assert study.ranges["IntegerParameterRanges"] == [
        {"Name": "i", "MinValue": "1", "MaxValue": "64", "ScalingType": "Logarithmic"}
    ]
    assert study.runs[0].parameters == {"u": "0.5", "l": "0.1", "i": "8", "d": "0.25"}
    assert study.objective is not None and study.objective.metric == "auc"


def test_categories_beyond_what_a_range_holds() -> None:
    many = [{"name": "CategoricalDistribution", "attributes": {"choices": [f"v{n}" for n in range(99)]}}]
    few_tried = study_of(kept(ended(0, c=3.0), ended(1, c=7.0), c=many), "x", None)
    assert few_tried.ranges["CategoricalParameterRanges"] == [{"Name": "c", "Values": ["v3", "v7"]}]
    all_tried = study_of(kept(*(ended(n, c=float(n)) for n in range(99)), c=many), "x", None)
    assert not all_tried.ranges and "c has too many values" in all_tried.notes[0]
    assert all_tried.runs[98].parameters == {"c": "v98"}


def test_names_are_the_same_every_time_and_tell_studies_apart() -> None:
    one, other = kept(ended(0)), kept(ended(5))
    assert study_of(one, "x", None).name == study_of(one, "y", None).name
    assert study_of(one, "x", None).name != study_of(other, "x", None).name  # begun anew under the same name
    assert study_of(one, "x", None).name.startswith("u-")
    names = [run.name for run in study_of(kept(*map(ended, range(1200))), "x", None).runs]
    assert len(set(names)) == 1200 and max(map(len, names)) <= 63


def test_a_journal_that_is_being_written_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    lines = (RECORDED / "optuna-5.0.journal").read_text().splitlines(keepends=True)
    file = tmp_path / "journal"
    file.write_text("".join(lines) + '{"op_code": 4, "study')
    check(churn(str(file)))
    gone = '{"op_code":1,"worker_id":"x","study_id":0}\n'
    file.write_text("".join(lines) + gone)
    assert [kept.title for kept in studies(str(file), lambda name: True)] == ["both"]


@pytest.mark.parametrize(
    "secret", ["postgresql://h/db?user=u&password=secret", "postgres ://u:secret@h/db?password=secret"]
)
def test_an_address_has_no_password(secret: str) -> None:
    assert "secret" not in address(secret) and "h/db" in address(secret)
