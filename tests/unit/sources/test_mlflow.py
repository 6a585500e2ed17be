"""What MLflow keeps, read as each of its versions and stores left it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pegbox.sources import mlflow_rest
from pegbox.sources.base import Objective, SourceError, Study
from pegbox.sources.mlflow import Kept, KeptRun, study_of
from pegbox.sources.mlflow_store import address, experiments

RECORDED = Path(__file__).parents[2] / "sources"
TITLE = "Churn: net/1"
LOSS = Objective(metric="loss", maximize=False)


@contextmanager
def store(name: str, folder: Path) -> Iterator[str]:
    """The tracking URI of what that version has left."""
    recorded = RECORDED / name
    if name.endswith(".sql"):
        with sqlite3.connect(folder / "mlflow.db") as opened:
            opened.executescript(recorded.read_text())
        yield f"sqlite:///{folder / 'mlflow.db'}"
    elif name.endswith(".folder.json"):
        for path, text in json.loads(recorded.read_text()).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        yield folder.as_uri()
    else:
        with answering(json.loads(recorded.read_text())) as (uri, _):
            yield uri


@contextmanager
def answering(answers: dict[str, Any]) -> Iterator[tuple[str, list[str | None]]]:
    """A server that gives the recorded answers, and notes who says he is there."""
    seen: list[str | None] = []

    class Handler(_Silent):
        def do_POST(self) -> None:
            seen.append(self.headers.get("Authorization"))
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = f"{self.path.removeprefix('/api/2.0/mlflow/')} {json.dumps(asked, sort_keys=True)}"
            found = answers.get(key, {"error_code": "BAD_REQUEST", "message": f"never asked: {key}"})
            self.send_response(200 if key in answers else 400)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

    with serving(Handler) as uri:
        yield uri, seen


class _Silent(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server of one thread."""
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_rest, "PAGE", 5)  # as recorded


def read(uri: str, wanted: Callable[[str], bool] = lambda name: True) -> list[Kept]:
    return list(experiments(uri, wanted, lambda count: None))


def churn(uri: str, *tuned: str) -> Study:
    (kept,) = read(uri, lambda name: name == TITLE)
    return study_of(kept, address(uri), LOSS, tuned)


@pytest.mark.parametrize("name", sorted(path.name for path in RECORDED.glob("mlflow-*.*")))
def test_every_version_is_understood(name: str, tmp_path: Path) -> None:
    with store(name, tmp_path) as uri:
        assert {kept.title for kept in read(uri)} == {"Default", TITLE, "empty"}
        study = churn(uri)
    assert study.name.startswith("Churn-net-1-") and study.unfinished == 1
    assert [run.status for run in study.runs] == [*["Completed"] * 4, "Failed", "Stopped", *["Completed"] * 4]
    best = study.runs[7]
    assert best.parameters == {"rate": "0.3", "layers": "4", "kind": "relu", "epochs": "5"}
    assert best.metrics == {"loss": (0.0, 1_700_000_422.0), "accuracy": (1.0, 1_700_000_420.0)}
    assert (best.started, best.ended) == (1_700_000_420.0, 1_700_000_450.0)
    assert best.tags["team"] == "Käse {1}" and best.tags["mlflow.runName"]
    run_id = best.tags["mlflow.runId"]
    assert best.name == f"{study.name}-{run_id[:24]}" and best.model == f"s3://models/churn/{run_id}/artifacts/"
    accuracy = study.runs[3].metrics.get("accuracy")  # was none
    assert accuracy is None or accuracy[0] != accuracy[0]
    kinds = {name: {each["Name"] for each in ranges} for name, ranges in study.ranges.items()}
    assert kinds == {
        "ContinuousParameterRanges": {"rate"},
        "IntegerParameterRanges": {"layers"},
        "CategoricalParameterRanges": {"kind"},
    }
    assert study.static == {"epochs": "5"} and study.objective == LOSS


def test_a_server_and_its_database_are_one_store(tmp_path: Path) -> None:
    with store("mlflow-3.17.sql", tmp_path) as database, store("mlflow-3.17.rest.json", tmp_path) as server:
        of_database, of_server = churn(database), churn(server)
    assert of_database.name == of_server.name
    assert [run.name for run in of_database.runs] == [run.name for run in of_server.runs]
    assert of_server.tags["imported.address"] == server


def test_who_asks_is_told_as_mlflow_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering({}) as (uri, seen):
        for variables, given in (
            ({}, uri.replace("//", "//me:s%40cret@")),
            ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "s@cret"}, uri),
            ({"MLFLOW_TRACKING_USERNAME": "", "MLFLOW_TRACKING_TOKEN": "abc"}, uri),
        ):
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            with pytest.raises(SourceError, match="experiments/search answers 400: never asked") as told:
                read(given)
            assert "cret" not in str(told.value)
    assert seen == ["Basic bWU6c0BjcmV0", "Basic bWU6c0BjcmV0", "Bearer abc"]


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    def refused(uri: str) -> str:
        with pytest.raises(SourceError) as told:
            read(uri)
        return str(told.value)

    assert refused("http://127.0.0.1:1") == "http://127.0.0.1:1 does not answer: [Errno 111] Connection refused"
    assert refused(str(tmp_path / "none")).endswith("none: there is no such folder")
    assert "is no folder of MLflow's" in refused(str(tmp_path))
    with store("mlflow-3.17.folder.json", tmp_path) as uri:
        pass
    metric = next(tmp_path.glob("*/*/metrics/loss"))
    metric.write_text("1 a 2\n")
    assert refused(uri) == f"{metric}: '1 a 2' is no value of a metric"
    meta = next(tmp_path.glob("*/*/meta.yaml"))
    meta.write_text("a: [\n")
    assert refused(uri).startswith(f"{meta} cannot be read: ")
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE experiments (name)").connection.close()
    assert "it has no table runs" in refused(f"sqlite:///{tmp_path / 'other.db'}")


def kept(*runs: dict[str, str], metric: str = "loss") -> Kept:
    return Kept(
        id="1",
        title="t",
        created=1.0,
        runs=[
            KeptRun(
                id=f"{number:032x}",
                title="",
                status="FINISHED",
                started=float(number),
                ended=None,
                artifacts="mlflow-artifacts:/1/a",
                parameters=parameters,
                metrics={metric: (1.0, None), "a": (2.0, None)},
            )
            for number, parameters in enumerate(runs, 1)
        ],
    )


def test_ranges_are_what_was_observed() -> None:
    runs = [{"n": str(n), "x": "1e-3" if n else "2", "text": f"t{n}", "some": "1"} for n in range(40)]
    del runs[3]["some"]
    study = study_of(kept(*runs), "x", LOSS, ())
    assert study.ranges == {
        "IntegerParameterRanges": [{"Name": "n", "MinValue": "0", "MaxValue": "39", "ScalingType": "Auto"}],
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0.001", "MaxValue": "2.0", "ScalingType": "Auto"}],
    }
    assert study.notes == [
        "some, text: not in every run, or with too many values: hyperparameters of the training jobs, not of the search"
    ]
    chosen = study_of(kept(*runs), "x", LOSS, ["x", "none"])
    assert list(chosen.ranges) == ["ContinuousParameterRanges"] and not chosen.static
    assert chosen.notes == ["no run with a result has a parameter none"]
    assert not study_of(kept(*runs), "x", None, ()).ranges


def test_an_objective_that_no_run_has_is_named_beside_those_there_are() -> None:
    study = study_of(kept({"x": "1"}, {"x": "2"}), "x", Objective(metric="los", maximize=False), ["x"])
    assert study.objective is None and not study.ranges and len(study.runs) == 2
    assert study.notes == ["no run has a metric los, so there is no tuning job; metrics are: a, loss"]
    nothing = study_of(kept(), "x", LOSS, ())
    assert nothing.objective == LOSS and not nothing.notes


def test_places_that_sagemaker_has_no_words_for_are_tags() -> None:
    (run,) = study_of(kept({"x": "1"}), "x", LOSS, ()).runs
    assert run.model is None and run.tags["mlflow.artifactUri"] == "mlflow-artifacts:/1/a"
    assert list(run.metrics) == ["loss", "a"]


def test_nobody_else_is_told_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    seen: list[str | None] = []

    class Other(_Silent):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_error(404)

    with serving(Other) as other:

        class Elsewhere(_Silent):
            def do_POST(self) -> None:
                seen.append(self.headers.get("Authorization"))
                self.send_response(302)
                self.send_header("Location", other + self.path)
                self.end_headers()

        with serving(Elsewhere) as uri, pytest.raises(SourceError):
            read(uri)
    assert seen == ["Bearer secret", None]
