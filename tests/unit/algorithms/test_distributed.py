"""Jobs of several instances: they find each other, train one model, and fall together."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xgboost

from pegbox import data
from pegbox.algorithms.container import UserError
from pegbox.algorithms.xgboost.distributed import PORT, Report, combine
from pegbox.algorithms.xgboost.settings import parse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from conftest import Files, Job

NewJob = Callable[..., "Job"]
BINARY = {"num_round": 5, "objective": "binary:logistic", "max_depth": 3}
ENDLESS = {"num_round": 1000000, "objective": "binary:logistic", "eta": 0.01}
CSV = {name: {f"{name}.csv": path.read_bytes()} for name, path in data.files().items()}


def shards(channel: str, hosts: int, empty: int = 0) -> dict[int, Files]:
    """The rows of a channel dealt to all hosts but `empty`."""
    lines = CSV[channel][f"{channel}.csv"].splitlines(keepends=True)
    members = [host for host in range(1, hosts + 1) if host != empty]
    return {host: {"part.csv": b"".join(lines[place :: len(members)])} for place, host in enumerate(members)}


METRICS = "auc,logloss,accuracy,f1,mse"


@pytest.mark.parametrize(("hosts", "empty"), [(2, 0), (3, 0), (2, 1), (2, 2)])
def test_shards_train_the_model_of_all_rows(new_job: NewJob, hosts: int, empty: int) -> None:
    hyperparameters = {**BINARY, "num_round": 10, "tree_method": "hist", "eval_metric": METRICS}
    channels = {channel: shards(channel, hosts, empty) for channel in CSV}
    job = new_job(hosts).lay_out(hyperparameters, channels)
    alone = new_job().lay_out(hyperparameters, CSV)
    result, single = job.run(), alone.run()
    assert (result.code, result.failure) == (0, "")
    assert len(result.rounds()) == 10
    for metric in ("train:accuracy", "validation:accuracy", "validation:f1", "validation:mse", "validation:logloss"):
        assert result.last(metric) == pytest.approx(single.last(metric), abs=0.06)
    followers = [host for host in job.names if host != "algo-1"]
    assert not any(job.model(host).exists() for host in followers)
    model = xgboost.Booster(model_file=bytearray(job.model().read_bytes()))
    table = np.loadtxt(data.files()["validation"], delimiter=",", dtype=np.float32)
    guessed = model.predict(xgboost.DMatrix(table[:, 1:])) > 0.5
    assert result.last("validation:accuracy") == pytest.approx(np.mean(guessed == table[:, 0]), abs=1e-6)


def test_only_the_leader_reports(new_job: NewJob) -> None:
    job = new_job(2).lay_out(BINARY, {channel: shards(channel, 2) for channel in CSV})
    for host in job.names:
        job.start(host)
    assert len(job.wait("algo-1").rounds()) == 5
    assert job.wait("algo-2").rounds() == []


@pytest.mark.parametrize("faulty", [1, 2])
def test_wrong_data_of_one_instance_is_told_by_all(new_job: NewJob, faulty: int) -> None:
    train: dict[int, Files] = {3 - faulty: CSV["train"], faulty: {"bad.csv": "1,2\n0,x\n"}}
    job = new_job(2).lay_out(BINARY, {"train": train})
    for host in job.names:
        job.start(host)
    told = "train/bad.csv: line 2, column 2: 'x' is not a number"
    results = {host: job.wait(host) for host in job.names}
    assert [result.code for result in results.values()] == [1, 1]
    assert results[f"algo-{faulty}"].failure == told
    assert results[f"algo-{3 - faulty}"].failure == f"algo-{faulty}: {told}"


def test_instances_with_different_columns(new_job: NewJob) -> None:
    job = new_job(2).lay_out(BINARY, {"train": {1: CSV["train"], 2: {"a.csv": "1,2\n0,3\n"}}})
    result = job.run()
    assert result.code == 1
    assert "different numbers of feature columns: algo-1 has 30, algo-2 has 1" in result.failure


def test_no_data_anywhere(new_job: NewJob) -> None:
    result = new_job(2).lay_out(BINARY, {"train": {}}).run()
    assert result.code == 1
    assert "Channel train: there is no data" in result.failure


def test_an_instance_that_is_killed_takes_the_others_down(new_job: NewJob) -> None:
    job = new_job(2).lay_out(ENDLESS, {channel: shards(channel, 2) for channel in CSV})
    leader, follower = (job.start(host) for host in job.names)
    first_round_of_group(leader)
    follower.kill()
    result = job.wait("algo-1")
    assert result.code == 1
    assert "Lost contact to another instance" in result.failure
    assert not job.model().exists()


def test_term_stops_all_instances_after_the_same_round(new_job: NewJob) -> None:
    hyperparameters = {**ENDLESS, "save_model_on_termination": "true"}
    job = new_job(2).lay_out(hyperparameters, {channel: shards(channel, 2) for channel in CSV})
    leader, follower = (job.start(host) for host in job.names)
    first = first_round_of_group(leader)
    follower.send_signal(signal.SIGTERM)
    leader.send_signal(signal.SIGTERM)
    result = job.wait("algo-1")
    assert (result.code, job.wait("algo-2").code) == (0, 0)
    rounds = xgboost.Booster(model_file=bytearray(job.model().read_bytes())).num_boosted_rounds()
    assert rounds == int([first, *result.rounds()][-1].split("]")[0][1:]) + 1


def first_round_of_group(leader: object) -> str:
    """The line of the first round, which is then no longer among the result's."""
    stdout = leader.stdout  # type: ignore[attr-defined]
    while not (line := stdout.readline()).startswith("[0]\t"):
        assert line
    return str(line)


def test_strangers_at_the_meeting_are_sent_away(new_job: NewJob) -> None:
    job = new_job(2).lay_out(BINARY, {channel: shards(channel, 2) for channel in CSV})
    leader = job.start("algo-1")
    address = f"127.77.{job.network}.1"
    while leader.poll() is None:
        try:
            stranger = socket.create_connection((address, PORT))
            break
        except ConnectionRefusedError:
            continue
    stranger.sendall(b'{"job": "another", "host": "algo-2"}\n')
    job.start("algo-2")
    assert (job.wait("algo-1").code, job.wait("algo-2").code) == (0, 0)
    stranger.close()


def test_cross_validation_is_for_one_instance(new_job: NewJob) -> None:
    result = new_job(2).lay_out({**BINARY, "_kfold": 3}, {"train": CSV["train"]}).run()
    assert result.code == 1
    assert "set InstanceCount to 1" in result.failure


def test_libsvm_shards_may_differ_in_width() -> None:
    together = combine({"algo-1": Report(train_rows=2, train_columns=3, sparse=True), "algo-2": Report()})
    assert (together.train_rows, together.train_columns, together.sparse) == (2, 3, True)
    wide = Report(train_rows=1, train_columns=9, sparse=True)
    assert combine({"algo-1": together, "algo-2": wide}).train_columns == 9
    with pytest.raises(UserError, match="algo-1 has 3, algo-2 has 9"):
        combine({"algo-1": Report(train_rows=1, train_columns=3), "algo-2": Report(train_rows=1, train_columns=9)})


def predictions(job: Job) -> NDArray[np.float32]:
    table = np.loadtxt(data.files()["validation"], delimiter=",", dtype=np.float32)
    model = xgboost.Booster(model_file=bytearray(job.model().read_bytes()))
    return np.asarray(model.predict(xgboost.DMatrix(table[:, 1:])))


def backwards(files: Files) -> Files:
    return {name: b"\n".join(reversed(content.splitlines())) + b"\n" for name, content in files.items()}


def test_equal_data_everywhere_is_trained_on_once_with_the_same_result(new_job: NewJob) -> None:
    hyperparameters = {**BINARY, "num_round": 20, "min_child_weight": 4, "alpha": 1, "eval_metric": METRICS}
    once = new_job(2).lay_out(hyperparameters, CSV)
    together = new_job(2).lay_out(
        hyperparameters, {name: {1: files, 2: backwards(files)} for name, files in CSV.items()}
    )
    twice = new_job().lay_out(
        hyperparameters,
        {
            "train": {"a.csv": CSV["train"]["train.csv"], "b.csv": CSV["train"]["train.csv"]},
            "validation": CSV["validation"],
        },
    )
    results = [job.run() for job in (once, together, twice)]
    assert [(result.code, result.failure) for result in results] == [(0, "")] * 3
    assert predictions(once) == pytest.approx(predictions(twice), abs=1e-5)
    assert predictions(once) == pytest.approx(predictions(together), abs=1e-5)


@pytest.mark.parametrize("changes", [{"subsample": 0.5}, {"booster": "gblinear"}, {"objective": "rank:pairwise"}])
def test_where_copies_and_weights_differ_all_instances_train(changes: dict[str, object]) -> None:
    assert parse({name: str(value) for name, value in BINARY.items()}).weighs_like_copies
    given = {name: str(value) for name, value in {**BINARY, **changes}.items()}
    assert not parse(given).weighs_like_copies


def test_data_is_equal_only_if_all_of_it_is() -> None:
    reports = {f"algo-{number}": Report(train_rows=2, train_columns=3, fingerprint="f") for number in (1, 2)}
    assert combine(reports).copies == 2
    assert combine({**reports, "algo-3": Report(train_rows=2, train_columns=3, fingerprint="g")}).copies == 1
    assert combine({**reports, "algo-3": Report(train_rows=2, train_columns=3)}).copies == 1
