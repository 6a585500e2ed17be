"""pegbox import sagemaker: from one server into another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command_line import Done, run
from examination import damages
from jobs import children, new_name, register, training_ended, tuning_ended
from pegbox.testing.requests import training_request, tuning_request
from running import RunningServer

PROGRAM = """
    import json, os
    x = float(json.loads(os.environ["SM_HPS"]).get("x", 0.5))
    print(f"loss={(x - 0.3) ** 2};")
"""


class Elsewhere:
    """Another server with a few jobs, in the place of an account of AWS."""

    def __init__(self, server: RunningServer, folder: Path) -> None:
        self.server, self.sagemaker = server, server.client("sagemaker")
        self.server.client("s3").create_bucket(Bucket="elsewhere")
        self.program = register(server, folder, PROGRAM)

    def search(self, name: str, program: str | None = None) -> None:
        # One after the other: of two at once TrainingEndTime does not tell for certain which had ended first.
        request = tuning_request(name, program or self.program, "s3://elsewhere/out", jobs=4, at_once=1)
        tags = [{"Key": "Project", "Value": "churn"}]
        self.sagemaker.create_hyper_parameter_tuning_job(**request, Tags=tags)

    def train(self, name: str, program: str | None = None) -> None:
        request = training_request(name, program or self.program, "s3://elsewhere/out", HyperParameters={"x": "0.1"})
        request["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=(.*?);"}]
        self.sagemaker.create_training_job(**request, Tags=[{"Key": "Project", "Value": "single"}])

    def bring(self, home: Path, *more: str) -> Done:
        key = {name.upper(): value for name, value in self.server.credentials().items()}
        arguments = ["--endpoint-url", self.server.url, "--region", "us-east-1", *more, "--home", home]
        return run("import", "sagemaker", *arguments, **key)


@pytest.fixture(scope="module")
def elsewhere(start_server: Callable[..., RunningServer], tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    return Elsewhere(start_server(), tmp_path_factory.mktemp("elsewhere"))


def test_jobs_of_an_account_are_jobs_here(
    elsewhere: Elsewhere, server: RunningServer, sagemaker: Any, image: Callable[..., str], here: str
) -> None:
    wrong = damages(server)
    part = new_name("part")
    search, single = f"{part}-a"[:32], f"{part}-single"
    there = elsewhere.sagemaker
    elsewhere.search(search)
    elsewhere.train(single)
    before, alone = tuning_ended(there, search), training_ended(there, single)

    said = elsewhere.bring(server.home, "--name-contains", part)
    assert said.code == 0, said.err
    assert said.err.splitlines() == [
        f"pegbox: reading {elsewhere.server.url}",
        "pegbox: 1 tuning job with 4 training jobs is new, and 1 other training job; 0 were there already",
    ]
    after = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=search)
    for each in (before, after):
        del each["ResponseMetadata"]
    assert after == before
    assert children(sagemaker, search) == children(there, search)
    described = sagemaker.describe_training_job(TrainingJobName=single)
    changing = {"ResponseMetadata"}
    assert {key: value for key, value in described.items() if key not in changing} == {
        key: value for key, value in alone.items() if key not in changing
    }
    tags = sagemaker.list_tags(ResourceArn=after["HyperParameterTuningJobArn"])["Tags"]
    assert tags == [
        {"Key": "Project", "Value": "churn"},
        {"Key": "imported.from", "Value": "sagemaker"},
        {"Key": "imported.arn", "Value": before["HyperParameterTuningJobArn"]},
    ]
    wanted = [
        {"Name": "Tags.Project", "Value": "churn"},
        {"Name": "TrainingJobName", "Operator": "Contains", "Value": part},
    ]
    found = sagemaker.search(Resource="TrainingJob", SearchExpression={"Filters": wanted})["Results"]
    assert len(found) == 4

    again = elsewhere.bring(server.home, "--name-contains", part)
    assert "0 tuning jobs with 0 training jobs are new, and 0 other training jobs; 6 were there already" in again.err
    assert children(sagemaker, search) == children(there, search)

    request = tuning_request(new_name("warm"), image(PROGRAM), here)
    request["HyperParameterTuningJobConfig"]["Strategy"] = "Bayesian"
    parents = [{"HyperParameterTuningJobName": search}]
    warm = {"ParentHyperParameterTuningJobs": parents, "WarmStartType": "TransferLearning"}
    sagemaker.create_hyper_parameter_tuning_job(**request, WarmStartConfig=warm)
    final = tuning_ended(sagemaker, request["HyperParameterTuningJobName"])
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert damages(server) <= wrong


def test_what_has_not_ended_is_left_for_the_next_time(elsewhere: Elsewhere, tmp_path: Path) -> None:
    part, there = new_name("later"), elsewhere.sagemaker
    slow = register(elsewhere.server, tmp_path, "import time\nprint('loss=1;', flush=True)\ntime.sleep(600)")
    elsewhere.search(f"{part}-s", slow)
    elsewhere.train(f"{part}-t", slow)
    said = elsewhere.bring(tmp_path / "home", "--name-contains", part)
    assert "0 tuning jobs with 0 training jobs are new, and 0 other training jobs" in said.err
    assert "not ended; the same command adds what has ended since" in said.err
    there.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=f"{part}-s")
    there.stop_training_job(TrainingJobName=f"{part}-t")
    tuning_ended(there, f"{part}-s")
    training_ended(there, f"{part}-t")
    said = elsewhere.bring(tmp_path / "home", "--name-contains", part, "--since", "2020-01-01")
    assert "1 tuning job with" in said.err and "and 1 other training job; 0 were there already" in said.err
    said = elsewhere.bring(tmp_path / "home", "--name-contains", part, "--since", "2999-01-01T00:00:00")
    assert "0 training jobs are new, and 0 other training jobs; 0 were there already" in said.err


def test_training_jobs_outlive_their_tuning_job(elsewhere: Elsewhere, tmp_path: Path) -> None:
    name, there = new_name("gone"), elsewhere.sagemaker
    elsewhere.search(name)
    tuning_ended(there, name)
    there.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    said = elsewhere.bring(tmp_path / "home", "--name-contains", name)
    assert "0 tuning jobs with 0 training jobs are new, and 4 other training jobs" in said.err


def test_other_jobs_of_the_same_names_stay(
    elsewhere: Elsewhere, server: RunningServer, sagemaker: Any, image: Callable[..., str], here: str
) -> None:
    name = new_name("taken")
    elsewhere.train(name)
    training_ended(elsewhere.sagemaker, name)
    sagemaker.create_training_job(**training_request(name, image("pass"), here))
    before = training_ended(sagemaker, name)
    said = elsewhere.bring(server.home, "--name-contains", name)
    assert said.code == 1
    assert f"pegbox: {name} is not imported: there is another job of this name\n" in said.err
    assert said.err.endswith("pegbox: 1 is not imported\n")
    assert training_ended(sagemaker, name)["CreationTime"] == before["CreationTime"]


def test_an_account_that_cannot_be_asked_is_told(elsewhere: Elsewhere, tmp_path: Path) -> None:
    said = run("import", "sagemaker", "--profile", "nobody", "--home", tmp_path / "home")
    assert (said.code, said.err) == (1, "pegbox: The config profile (nobody) could not be found\n")
    key = {"AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "wrong"}
    arguments = ["--endpoint-url", elsewhere.server.url, "--region", "us-east-1", "--home", str(tmp_path / "home")]
    said = run("import", "sagemaker", *arguments, **key)
    assert said.code == 1
    assert f"pegbox: {elsewhere.server.url} refuses: The security token" in said.err
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null"}
    said = run("import", "sagemaker", *arguments, AWS_SHARED_CREDENTIALS_FILE="/dev/null", **nowhere)
    assert (said.code, said.err.split(":")[1]) == (1, " there is no key to ask AWS with")
