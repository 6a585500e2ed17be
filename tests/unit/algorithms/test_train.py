"""The trainer as a process: one instance, every input format, every way to fail."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import re2
import xgboost

from pegbox import data
from pegbox.algorithms.registry import find

if TYPE_CHECKING:
    from conftest import Files, Instance, Job

NewJob = Callable[..., "Job"]
BINARY = {"num_round": 5, "objective": "binary:logistic", "max_depth": 3}
TABLES = {name: np.loadtxt(path, delimiter=",", dtype=np.float32) for name, path in data.files().items()}
CSV = {name: {f"{name}.csv": path.read_bytes()} for name, path in data.files().items()}


def reference(num_round: int = 5, **parameters: object) -> np.ndarray:
    """What xgboost itself predicts for the validation rows with the same parameters."""
    train, validation = TABLES["train"], TABLES["validation"]
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, **parameters},
        xgboost.DMatrix(train[:, 1:], label=train[:, 0]),
        num_boost_round=num_round,
    )
    return booster.predict(xgboost.DMatrix(validation[:, 1:]))


def predictions(job: Job, columns: slice = slice(1, None)) -> np.ndarray:
    booster = xgboost.Booster(model_file=bytearray(job.model().read_bytes()))
    return booster.predict(xgboost.DMatrix(TABLES["validation"][:, columns]))


def test_a_job_of_the_guide(new_job: NewJob) -> None:
    hyperparameters = {
        "num_round": 30,
        "objective": "binary:logistic",
        "eval_metric": "auc",
        "eta": "0.2",
        "alpha": "1.5",
        "rate_drop": "0.3",
        "tweedie_variance_power": "1.4",
        "_tuning_objective_metric": "validation:auc",
    }
    job = new_job().lay_out(hyperparameters, CSV)
    result = job.run()
    assert (result.code, result.err, result.failure) == (0, "", "")
    assert [line.split("\t")[0] for line in result.rounds()] == [f"[{number}]" for number in range(30)]
    assert [word.split(":")[0] for word in result.rounds()[0].split("\t")[1:]] == ["train-auc", "validation-auc"]
    algorithm = find("xgboost")
    assert algorithm is not None
    auc = algorithm.metric("validation:auc")
    assert auc is not None
    assert float(re2.search(auc.regex, result.rounds()[-1])[1]) == result.last("validation:auc")
    assert 0.9 < result.last("validation:auc") < 1
    expected = reference(30, max_depth=6, eta=0.2, alpha=1.5)
    np.testing.assert_array_equal(predictions(job), expected)


def libsvm(table: np.ndarray) -> bytes:
    rows = [
        f"{row[0]:g} " + " ".join(f"{index}:{float(value)!r}" for index, value in enumerate(row[1:])) for row in table
    ]
    return "\n".join(rows).encode()


def parquet(table: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    columns = {f"c{index}": table[:, index] for index in range(table.shape[1])}
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content_type", "write"),
    [
        (None, libsvm),
        ("text/libsvm", libsvm),
        ("application/x-parquet", parquet),
        ("parquet", parquet),
    ],
)
def test_formats(new_job: NewJob, content_type: str | None, write: Callable[[np.ndarray], bytes]) -> None:
    channels = {name: {"part": write(table)} for name, table in TABLES.items()}
    job = new_job().lay_out({**BINARY, "eval_metric": "auc"}, channels, content_type)
    result = job.run()
    assert (result.code, result.failure) == (0, "")
    np.testing.assert_allclose(predictions(job), reference(), atol=1e-6)


def test_recordio_protobuf(new_job: NewJob, encode: SimpleNamespace) -> None:
    rows = [encode.record(float(row[0]), encode.tensor(row[1:].tolist())) for row in TABLES["train"]]
    job = new_job().lay_out(BINARY, {"train": {"part": b"".join(rows)}}, "application/x-recordio-protobuf")
    assert job.run().code == 0
    np.testing.assert_array_equal(predictions(job), reference())


def test_several_files_and_folders_are_one_channel(new_job: NewJob) -> None:
    lines = CSV["train"]["train.csv"].splitlines(keepends=True)
    parts = {
        "b/part-1.csv": b"".join(lines[100:]),
        "a/part-0.csv": b"".join(lines[:100]),
        "_SUCCESS": b"",
        ".hidden.csv": b"no data",
        "empty.csv": b"\n",
    }
    job = new_job().lay_out(BINARY, {"train": parts})
    assert job.run().code == 0
    np.testing.assert_array_equal(predictions(job), reference())


def test_weights(new_job: NewJob) -> None:
    table = TABLES["train"]
    weights = np.where(table[:, 0] == 1, 0.25, 2).astype(np.float32)
    rows = np.column_stack([table[:, 0], weights, table[:, 1:]])
    text = "\n".join(",".join(repr(float(value)) for value in row) for row in rows)
    job = new_job().lay_out({**BINARY, "csv_weights": 1}, {"train": {"a.csv": text}})
    assert job.run().code == 0
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3},
        xgboost.DMatrix(table[:, 1:], label=table[:, 0], weight=weights),
        num_boost_round=5,
    )
    expected = booster.predict(xgboost.DMatrix(TABLES["validation"][:, 1:]))
    np.testing.assert_array_equal(predictions(job), expected)


def test_pipe_mode(new_job: NewJob) -> None:
    job = new_job().lay_out(BINARY, {"train": {}}, input_mode="Pipe")
    pipe = job.home() / "input/data/train_0"
    os.mkfifo(pipe)
    job.start()
    pipe.write_bytes(bytes(CSV["train"]["train.csv"]))
    assert job.wait().code == 0
    np.testing.assert_array_equal(predictions(job), reference())


@pytest.mark.parametrize(
    ("hyperparameters", "labels", "metrics"),
    [
        (
            {"objective": "binary:logistic"},
            lambda y: y,
            "accuracy auc aucpr balanced_accuracy error error@0.7 f1 f1_binary f1_macro logloss mae map mse ndcg "
            "precision precision_macro precision_micro recall recall_macro recall_micro rmse",
        ),
        (
            {"objective": "multi:softprob", "num_class": 3},
            lambda y: y + (np.arange(len(y)) % 2),
            "accuracy auc aucpr balanced_accuracy f1 f1_macro merror mlogloss precision_macro precision_micro "
            "recall_macro recall_micro",
        ),
        ({"objective": "multi:softmax", "num_class": 2}, lambda y: y, "accuracy f1_macro merror"),
        ({"objective": "binary:hinge"}, lambda y: y, "accuracy error f1"),
        ({"objective": "reg:squarederror"}, lambda y: y + 1, "mae mape mphe mse r2 rmse rmsle"),
        ({"objective": "reg:gamma"}, lambda y: y + 1, "gamma-deviance gamma-nloglik rmse"),
        ({"objective": "count:poisson"}, lambda y: y, "poisson-nloglik r2"),
        ({"objective": "reg:tweedie"}, lambda y: y, "rmse tweedie-nloglik"),
        ({"objective": "survival:cox"}, lambda y: y + 1, "cox-nloglik"),
    ],
)
def test_every_metric_is_printed_under_its_name(
    new_job: NewJob, hyperparameters: Mapping[str, object], labels: Callable[[np.ndarray], np.ndarray], metrics: str
) -> None:
    channels: dict[str, Files] = {}
    for name, table in TABLES.items():
        rows = np.column_stack([labels(table[:, 0]), table[:, 1:]])
        channels[name] = {"a.csv": "\n".join(",".join(repr(float(v)) for v in row) for row in rows)}
    names = metrics.split()
    job = new_job().lay_out({"num_round": 2, "eval_metric": ",".join(names), **hyperparameters}, channels)
    result = job.run()
    assert (result.code, result.failure) == (0, "")
    words = [word.split(":")[0] for word in result.rounds()[-1].split("\t")[1:]]
    assert words == [f"{dataset}-{name}" for dataset in ("train", "validation") for name in names]
    algorithm = find("xgboost")
    assert algorithm is not None
    for name in set(names) - {"error@0.7"}:
        metric = algorithm.metric(f"validation:{name}")
        assert metric is not None
        assert re2.search(metric.regex, result.rounds()[-1]), name


def test_metrics_of_ours_agree_with_those_of_xgboost(new_job: NewJob) -> None:
    result = new_job().lay_out({**BINARY, "eval_metric": "error,rmse,accuracy,mse"}, CSV).run()
    assert result.last("validation:accuracy") == pytest.approx(1 - result.last("validation:error"))
    assert result.last("validation:mse") == pytest.approx(result.last("validation:rmse") ** 2, rel=1e-5)


def test_ranking(new_job: NewJob) -> None:
    rng = np.random.default_rng(1)
    rows = [
        f"{int(rng.integers(3))} qid:{query} 0:{rng.normal():f} 1:{rng.normal():f}"
        for query in range(9)
        for _ in range(5)
    ]
    hyperparameters = {"num_round": 3, "objective": "rank:ndcg", "eval_metric": "ndcg,ndcg@3"}
    files = {"a.libsvm": "\n".join(rows)}
    result = new_job().lay_out(hyperparameters, {"train": files, "validation": files}, "text/libsvm").run()
    assert (result.code, result.failure) == (0, "")
    assert 0 < result.last("validation:ndcg@3") <= 1


@pytest.mark.parametrize("booster", ["gbtree", "gblinear", "dart"])
def test_early_stopping_keeps_the_best_rounds(new_job: NewJob, booster: str) -> None:
    hyperparameters = {
        "num_round": 200,
        "objective": "binary:logistic",
        "eta": 0.9,
        "booster": booster,
        "early_stopping_rounds": 3,
        "eval_metric": "auc,accuracy,logloss",
        "_tuning_objective_metric": "validation:accuracy",
    }
    job = new_job().lay_out(hyperparameters, CSV)
    result = job.run()
    assert result.code == 0
    values = [float(line.rsplit(":", 1)[1]) for line in result.rounds()]
    best = values.index(max(values))
    assert len(values) == best + 4 < 200
    if booster != "gblinear":
        assert xgboost.Booster(model_file=bytearray(job.model().read_bytes())).num_boosted_rounds() == best + 1


def test_cross_validation(new_job: NewJob) -> None:
    job = new_job().lay_out({**BINARY, "_kfold": 3, "_num_cv_round": 2, "eval_metric": "auc,accuracy"}, CSV)
    result = job.run()
    assert (result.code, result.failure) == (0, "")
    assert len(result.rounds()) == 3 * 2 * 5 + 1
    folds = [float(line.rsplit(":", 1)[1]) for line in result.rounds()[4:-1:5]]
    assert result.last("validation:accuracy") == pytest.approx(np.mean(folds), abs=1e-6)
    assert sorted(path.name for path in job.model().parent.iterdir()) == [f"xgboost-model-{fold}" for fold in range(6)]


@pytest.mark.parametrize(
    ("hyperparameters", "channels", "content_type", "told"),
    [
        ({"foo": 1}, CSV, "text/csv", "Extraneous hyperparameter found: foo"),
        ({"eta": 2}, CSV, "text/csv", "Hyperparameter eta: value 2 is outside the allowed range [0, 1]"),
        ({"_tuning_objective_metric": "validation:rmse", "eval_metric": "merror"}, CSV, "text/csv", "'merror'"),
        ({}, {"validation": CSV["validation"]}, "text/csv", "The channel train is missing"),
        ({}, {"train": {}}, "text/csv", "Channel train: there is no data"),
        ({}, {"train": {"a.csv": "\n"}}, "text/csv", "Channel train: there is no data"),
        ({}, {"train": CSV["train"], "validation": {}}, "text/csv", "Channel validation: there is no data"),
        ({}, {"train": {"a.csv": "y,x\n1,2\n"}}, "text/csv", "train/a.csv: the first line is a header"),
        ({}, {"train": {"x/a.csv": "1,2\n0,b\n"}}, "text/csv", "train/x/a.csv: line 2, column 2: 'b'"),
        ({}, {"train": {"a.csv": "1,2\n0\n"}}, "text/csv", "train/a.csv: line 2 has 1 columns, line 1 has 2"),
        ({}, {"train": {"a.csv": "1,2\n", "b.csv": "0,2,3\n"}}, "text/csv", "train/b.csv: 2 feature columns, but"),
        ({}, {"train": {"a.csv": "1,2\n,3\n"}}, "text/csv", "train/a.csv: row 2: the label (first column) is missing"),
        (
            {},
            {"train": {"a.csv": "1,2\n2,3\n"}},
            "text/csv",
            "row 2: labels must be between 0 and 1 for binary:logistic, found 2",
        ),
        (
            {"objective": "multi:softprob", "num_class": 2},
            {"train": {"a.csv": "1,2\n2,3\n"}},
            "text/csv",
            "row 2: labels must be integers from 0 to 1 (num_class is 2), found 2",
        ),
        ({}, {"train": {"a.csv": "1,inf\n0,3\n"}}, "text/csv", "train/a.csv: a feature is infinite"),
        (
            {"csv_weights": 1},
            {"train": {"a.csv": "1,-1,5\n"}},
            "text/csv",
            "row 1: weights must be numbers that are not negative, found -1",
        ),
        (
            {},
            {"train": {"a.csv": "1,2\n0,1\n"}, "validation": {"a.csv": "1,2,3\n"}},
            "text/csv",
            "train has 1 feature columns, validation has 2",
        ),
        ({}, CSV, None, "looks like CSV"),
        ({}, CSV, "application/json", "the content type 'application/json' is not one of"),
        ({"_kfold": 5}, {"train": {"a.csv": "1,2\n0,3\n"}}, "text/csv", "5 folds need as many rows, the data has 2"),
        ({"monotone_constraints": "(1, 1)"}, {"train": {"a.csv": "1,2\n0,3\n"}}, "text/csv", "XGBoost refuses the job"),
    ],
)
def test_what_the_user_can_mend_is_told(
    new_job: NewJob,
    hyperparameters: dict[str, object],
    channels: Mapping[str, Files],
    content_type: str | None,
    told: str,
) -> None:
    job = new_job().lay_out({**BINARY, **hyperparameters}, channels, content_type)
    result = job.run()
    assert result.code == 1
    assert told in result.failure
    assert told in result.err
    assert "Traceback" not in result.err
    assert not list(job.model().parent.iterdir())


def test_a_fault_of_the_trainer_keeps_its_traceback(new_job: NewJob) -> None:
    job = new_job().lay_out(BINARY, CSV)
    job.model().mkdir()  # the model cannot be written
    result = job.run()
    assert result.code == 255
    assert "Traceback" in result.err
    assert result.failure.startswith("IsADirectoryError")


ENDLESS = {"num_round": 1000000, "objective": "binary:logistic", "eta": 0.01}


def first_round(process: Instance) -> str:
    """The line of the first round, which is then no longer among the result's."""
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith("[0]\t"):
        assert line
    return line


def test_term_saves_the_model_when_asked_to(new_job: NewJob) -> None:
    job = new_job().lay_out({**ENDLESS, "save_model_on_termination": "true"}, CSV)
    process = job.start()
    first = first_round(process)
    process.send_signal(signal.SIGTERM)
    result = job.wait()
    assert (result.code, result.failure) == (0, "")
    rounds = xgboost.Booster(model_file=bytearray(job.model().read_bytes())).num_boosted_rounds()
    assert rounds == int([first, *result.rounds()][-1].split("]")[0][1:]) + 1


def test_term_ends_training_at_once_otherwise(new_job: NewJob) -> None:
    job = new_job().lay_out(ENDLESS, CSV)
    process = job.start()
    first_round(process)
    process.send_signal(signal.SIGTERM)
    assert job.wait().code == -signal.SIGTERM
    assert not job.model().exists()


def test_training_resumes_from_a_checkpoint(new_job: NewJob) -> None:
    checkpoints = new_job().root / "checkpoints"
    checkpoints.mkdir(parents=True)
    whole = new_job().lay_out({**BINARY, "num_round": 8}, CSV)
    part = new_job().lay_out({**BINARY, "num_round": 5}, CSV)
    assert whole.run().code == part.run().code == 0
    (checkpoints / "xgboost-checkpoint.4").write_bytes(part.model().read_bytes())
    (checkpoints / "xgboost-checkpoint.10").write_bytes(b"cut off")
    resumed = new_job().lay_out({**BINARY, "num_round": 8}, CSV)
    result = resumed.run(SM_CHECKPOINT_DIR=str(checkpoints))
    assert [line.split("\t")[0] for line in result.rounds()] == ["[5]", "[6]", "[7]"]
    np.testing.assert_array_equal(predictions(resumed), predictions(whole))


def test_checkpoints_are_left_behind(new_job: NewJob) -> None:
    job = new_job().lay_out(ENDLESS, CSV)
    checkpoints = job.root / "checkpoints"
    process = job.start(SM_CHECKPOINT_DIR=str(checkpoints))
    assert process.stdout is not None
    while not checkpoints.exists() or not list(checkpoints.glob("xgboost-checkpoint.*")):
        assert process.stdout.readline()
    process.kill()
    job.wait()
    left = next(iter(checkpoints.glob("xgboost-checkpoint.*")))
    booster = xgboost.Booster(model_file=bytearray(left.read_bytes()))
    assert booster.num_boosted_rounds() == int(left.suffix[1:]) + 1


FORKING_PARENT = """
import json, os, sys, threading
from pegbox.algorithms.xgboost import train
assert threading.active_count() == 1 and len(os.listdir("/proc/self/task")) == 1
codes = []
for environment in json.load(sys.stdin):
    child = os.fork()
    if child == 0:
        os.environ.update(environment)
        os._exit(train.main())
    codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(codes))
"""


def test_children_of_a_process_that_imported_the_trainer(new_job: NewJob) -> None:
    jobs = [new_job().lay_out({**BINARY, "nthread": 2}, CSV) for _ in range(2)]
    wrong = new_job().lay_out({**BINARY, "eta": 7}, CSV)
    done = subprocess.run(
        [sys.executable, "-c", FORKING_PARENT],
        input=json.dumps([job.environment() for job in (*jobs, wrong)]),
        env={name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, 0, 1]
    for job in jobs:
        np.testing.assert_array_equal(predictions(job), reference())


def test_importing_the_trainer_leaves_other_packages_importable() -> None:
    code = (
        "import sys, pegbox.algorithms.xgboost.train;"
        "print([name for name in ('sklearn', 'pandas', 'pyarrow') if name in sys.modules]);"
        "import pandas, pyarrow.parquet"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
