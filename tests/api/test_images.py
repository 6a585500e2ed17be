"""The command line beside a running server: images, keys, `pegbox env`, `pegbox migrate`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from jobs import archive, command, new_name, pegbox, shell, training_ended, tuning_ended
from pegbox.cli.main import app
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer


def test_an_image_is_the_command_in_the_folder_where_it_was_added(
    server: RunningServer, sagemaker: Any, s3: Any, here: str, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text(
        "import os, pathlib, sys\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'said').write_text(' '.join([os.environ['GREETING'], *sys.argv[1:]]))"
    )
    name = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{new_name('mine')}:latest"
    done = command(
        server, f"pegbox image add {name} --command \"python train.py --fast 'a b'\" --env GREETING=hi", tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    job = new_name()
    sagemaker.create_training_job(**training_request(job, name, here))
    found = training_ended(sagemaker, job)
    assert archive(s3, found["ModelArtifacts"]["S3ModelArtifacts"]) == {"said": b"hi --fast a b"}
    assert f"{name}  runs  python train.py --fast 'a b'  in {tmp_path}" in pegbox(server, "image", "list")


def test_hyperparameters_are_filled_in_where_the_arguments_name_them(
    server: RunningServer, sagemaker: Any, here: str, tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("import sys; raise SystemExit(repr(sys.argv[1:]))")
    name = new_name("mine")
    arguments = "--lr={lr} {fast?--fast} {slow?--slow} 'model {kind}'"
    done = shell(server, f'pegbox image add {name} --command "python train.py" --arguments "{arguments}"', tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    values = {"lr": "-0.5", "fast": "true", "slow": "false", "kind": '"a b"'}
    whole, without = new_name(), new_name()
    sagemaker.create_training_job(**training_request(whole, name, here, HyperParameters=values))
    del values["lr"]
    sagemaker.create_training_job(**training_request(without, name, here, HyperParameters=values))
    assert "['--lr=-0.5', '--fast', 'model a b']" in training_ended(sagemaker, whole)["FailureReason"]
    assert "need the hyperparameter [lr]" in training_ended(sagemaker, without)["FailureReason"]


def test_what_an_image_needs_and_is_not_there_is_mentioned(server: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    add = f"pegbox image add {new_name('early')} --command true"
    for options in ("", "--python python3", "--python bin/python", f"--python {sys.executable} --workdir bin"):
        assert command(server, f"{add} {options}", tmp_path).stderr == ""
    for options in ("--workdir nowhere", "--python /nowhere/python", "--python bin/python --workdir bin"):
        done = command(server, f"{add} {options}", tmp_path)
        assert done.returncode == 0
        assert "is registered, but --" in done.stderr and "until it is there" in done.stderr
    done = command(server, f"pegbox image add {new_name('early')} --command 'no-such-program --fast'", tmp_path)
    assert done.returncode == 0
    assert "no-such-program, with which --command begins, is no program that can be run" in done.stderr


def test_an_added_image_replaces_the_former_and_a_removed_one_is_unknown(
    server: RunningServer, sagemaker: Any, here: str, image: Callable[..., str]
) -> None:
    name = image("raise SystemExit('first')")
    pegbox(server, "image", "add", name, "--command", "echo second")
    job = new_name()
    sagemaker.create_training_job(**training_request(job, name, here))
    assert training_ended(sagemaker, job)["TrainingJobStatus"] == "Completed"
    pegbox(server, "image", "remove", name)
    job = new_name()
    sagemaker.create_training_job(**training_request(job, name, here))
    assert "is not known on this server" in training_ended(sagemaker, job)["FailureReason"]


def test_an_image_may_take_the_name_of_a_built_in(start_server: Callable[..., RunningServer], tmp_path: Path) -> None:
    own = start_server()
    own.client("s3").create_bucket(Bucket="own")
    pegbox(own, "image", "add", "xgboost", "--command", "true")
    sagemaker = own.client("sagemaker")
    sagemaker.create_training_job(**training_request("mine", "xgboost", "s3://own/out"))
    job = training_ended(sagemaker, "mine")
    assert job["TrainingJobStatus"] == "Completed"
    assert "MetricDefinitions" not in job["AlgorithmSpecification"]
    sagemaker.create_hyper_parameter_tuning_job(**tuning_request("own", "xgboost", "s3://own/out"))
    assert tuning_ended(sagemaker, "own")["HyperParameterTuningJobStatus"] == "Completed"


def test_credentials_outlive_a_command_that_looks_into_another_database(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server()
    before = (server.home / "credentials").read_text()
    other = f"PEGBOX_DATABASE_URL=sqlite:///{tmp_path}/other.db"
    done = command(server, f"{other} pegbox env", tmp_path)
    assert (done.returncode, "has no tables" in done.stderr) == (1, True)
    assert (server.home / "credentials").read_text() == before
    assert command(server, f"{other} pegbox migrate", tmp_path).returncode == 0
    done = command(server, f"{other} pegbox env", tmp_path)
    assert done.returncode == 0
    assert (server.home / "credentials").read_text() != before
    assert (server.home / "credentials.before").read_text() == before
    assert (server.home / "credentials.before").stat().st_mode & 0o077 == 0


WRONG = {
    "pegbox image add x": (2, "give --command, or --python"),
    "pegbox image add x --command 'a' --env B": (2, "is not of the form KEY=VALUE"),
    'pegbox image add x --command "a \'b"': (2, "No closing quotation"),
    "pegbox image remove nobody": (1, "pegbox: there is no image nobody"),
    "pegbox keys remove nobody": (1, "pegbox: there is no access key nobody"),
    "pegbox keys add --account 12": (2, "Invalid value for '--account': '12' is not twelve digits"),
    "pegbox import sagemaker --to-account 12": (2, "Invalid value for '--to-account': '12' is not twelve digits"),
    "pegbox image add x --command ' '": (2, "give --command, or --python"),
    "pegbox image add x --command ' ' --python python": (2, "give --command, or --python"),
    "pegbox image add '' --command true": (2, "'' is no TrainingImage"),
    "pegbox image add x --command true --bind '~nobody-here/x'": (0, "is not there: its jobs will run without it"),
    "pegbox env --home '~nobody-here/x'": (1, "~nobody-here/x is no home of a server"),
    "pegbox image add 'a\nb' --command true": (2, "is no TrainingImage"),
    "PEGBOX_SLOTS=0 pegbox serve": (1, "slots: 0 leaves no room"),
    "PEGBOX_SLOTS=many pegbox env": (1, "PEGBOX_SLOTS: 'many' is not usable; expected a whole number"),
    "pegbox serve --auth off --host 0.0.0.0": (1, "auth off is for loopback only"),
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_line_ends_with_one_clear_line(server: RunningServer, tmp_path: Path, line: str) -> None:
    code, expected = WRONG[line]
    done = command(server, line, tmp_path)
    assert done.returncode == code
    assert expected in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_told(server: RunningServer, tmp_path: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = command(server, f"pegbox serve --port {port} --home fresh", tmp_path)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
    again = command(server, f"pegbox serve --port {port}", tmp_path)
    assert again.returncode == 1
    assert again.stderr.startswith(f"pegbox: the server of {server.home} runs already at {server.url} (process ")


@pytest.mark.parametrize("host", ["nonexist.invalid", "a" * 80, "192.0.2.1"])
def test_a_host_that_is_not_ours_is_told_without_talk_of_ports(
    server: RunningServer, tmp_path: Path, host: str
) -> None:
    done = command(server, f"pegbox serve --port 0 --host {host} --home fresh", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"pegbox: cannot listen on {host}:0: ") and done.stderr.count("\n") == 1
    assert "another server" not in done.stderr and "--host" in done.stderr


def test_a_variable_that_is_no_setting_is_mentioned(server: RunningServer, tmp_path: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = command(server, f"PEGBOX_BOGUS=1 pegbox serve --port {port}", tmp_path)
    assert done.stderr.splitlines()[0] == "pegbox: the environment variable PEGBOX_BOGUS is no setting and is ignored"


def test_env_says_when_no_server_is_running(start_server: Callable[..., RunningServer], tmp_path: Path) -> None:
    own = start_server()
    done = command(own, "pegbox env", tmp_path)
    assert done.stderr == ""
    assert f"export AWS_ENDPOINT_URL={own.url}" in done.stdout.splitlines()
    own.kill()  # it leaves its announcement behind
    done = shell(own, 'eval "$(pegbox env)" && echo "$AWS_ENDPOINT_URL"', tmp_path)
    assert (done.returncode, done.stdout) == (0, "http://127.0.0.1:8420\n")
    assert done.stderr == f"# no server is running on the home {own.home}; start one with: pegbox serve\n"
    own.home.rename(tmp_path / "a b")
    done = command(own, f"pegbox env --home '{tmp_path}/a b'", tmp_path)
    assert done.stderr.endswith(f"start one with: pegbox serve --home '{tmp_path}/a b'\n")


def test_who_only_reads_makes_no_home(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for home in (tmp_path / "typo" / "home", tmp_path / "empty"):
        for words in ("env", "keys list", "keys remove X", "image list", "image remove x"):
            result = CliRunner().invoke(app, [*words.split(), "--home", str(home)])
            assert (result.exit_code, result.stdout) == (1, "")
            assert f"{home} is no home of a server" in str(result.exception)
    url = f"sqlite:///{tmp_path / 'other.db'}"
    result = CliRunner().invoke(app, ["keys", "list", "--home", str(home)], env={"PEGBOX_DATABASE_URL": url})
    assert "the database has no tables" in str(result.exception)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def endpoint(server: RunningServer, folder: Path) -> str:
    return command(server, "pegbox env", folder).stdout.splitlines()[0]


def test_the_second_server_of_a_home_leaves_the_first_one_known(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    first = start_server()
    assert "another server" not in first.log.read_text()
    second = RunningServer(first.home)
    try:
        told = [line for line in second.log.read_text().splitlines() if "another server" in line]
        assert len(told) == 1 and first.url in told[0]
        assert endpoint(first, tmp_path) == f"export AWS_ENDPOINT_URL={second.url}"
    finally:
        second.stop()
    assert endpoint(first, tmp_path) == f"export AWS_ENDPOINT_URL={first.url}"
    RunningServer(first.home).kill()
    assert endpoint(first, tmp_path) == f"export AWS_ENDPOINT_URL={first.url}"
    assert command(first, f"pegbox backup {tmp_path}/kept", tmp_path).returncode == 0
    refused = command(first, f"pegbox restore {tmp_path}/kept --home {first.home} --overwrite", tmp_path)
    assert refused.returncode == 1
    assert f"a server is running on {first.home}: stop it first" in refused.stderr
    first.stop()
    assert list((first.home / "run").glob("server*.json")) == []


def test_pegbox_env_points_every_client_at_the_server(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = shell(server, 'eval "$(pegbox env)" && env | grep ^AWS_', tmp_path)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert found == {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": server.credentials()["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": server.credentials()["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    assert session.client("sts").get_caller_identity()["Account"] == "000000000000"
    session.client("sagemaker").list_training_jobs()
    assert session.client("s3").list_buckets()["Buckets"] is not None


def test_migrate_may_run_beside_the_server_and_before_it(server: RunningServer, tmp_path: Path) -> None:
    assert "already" in pegbox(server, "migrate")
    fresh = tmp_path / "fresh"
    first, second = (command(server, f"pegbox migrate --home {fresh}", tmp_path).stdout.strip() for _ in range(2))
    assert first == second.removesuffix(" already.") + "."
    assert fresh.stat().st_mode & 0o077 == 0


def test_the_home_is_for_its_owner_only(server: RunningServer) -> None:
    for path in (server.home, server.home / "credentials", server.home / "pegbox.db", server.home / "run"):
        assert path.stat().st_mode & 0o077 == 0, path
