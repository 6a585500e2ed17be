"""Training jobs by themselves: what Describe and List tell, script mode, unknown images."""

from __future__ import annotations

import copy
import io
import json
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jobs import archive, fetch, in_training, keys, new_name, put, refusal, training_ended
from pegbox.testing.requests import ROLE, channel, training_request
from running import RunningServer

SCIKIT_LEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


def _tar(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            file.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_describe_gives_back_everything_that_was_asked(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str
) -> None:
    put(s3, here, {"/train/a": "1"})
    asked = training_request(
        new_name("Full"),
        image("print('loss=1;')"),
        f"{here}/out",
        HyperParameters={"a": "1"},
        InputDataConfig=[channel("train", f"{here}/train")],
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        CheckpointConfig={"S3Uri": f"{here}/points"},
        Environment={"A": "b"},
        RetryStrategy={"MaximumRetryAttempts": 2},
        EnableInterContainerTrafficEncryption=True,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 700},
        DebugHookConfig={"S3OutputPath": f"{here}/debug"},
        ProfilerConfig={"S3OutputPath": f"{here}/profile"},
    )
    asked["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": "loss=(.*);"}]
    arn = sagemaker.create_training_job(**copy.deepcopy(asked))["TrainingJobArn"]
    job = training_ended(sagemaker, asked["TrainingJobName"])
    assert job["TrainingJobArn"] == arn
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{asked['TrainingJobName'].lower()}"
    changed = {"InputDataConfig", "CheckpointConfig", "OutputDataConfig", "AlgorithmSpecification"}
    for member in set(asked) - changed:
        assert job[member] == asked[member], member
    assert job["InputDataConfig"] == [
        {
            "ChannelName": "train",
            "CompressionType": "None",
            "RecordWrapperType": "None",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": f"{here}/train",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
    ]
    assert job["CheckpointConfig"] == {"S3Uri": f"{here}/points", "LocalPath": "/opt/ml/checkpoints/"}
    assert job["OutputDataConfig"] == {"S3OutputPath": f"{here}/out", "KmsKeyId": "", "CompressionType": "GZIP"}
    assert job["AlgorithmSpecification"] == asked["AlgorithmSpecification"] | {"EnableSageMakerMetricsTimeSeries": True}
    assert job["ProfilingStatus"] == "Disabled"
    assert job["EnableNetworkIsolation"] is False
    assert not {"TuningJobArn", "FailureReason", "ExperimentConfig", "WarmPoolStatus"} & set(job)


def test_a_volume_size_is_there_for_clients_that_read_it(sagemaker: Any, here: str) -> None:
    resources = {"InstanceType": "local", "InstanceCount": 1}
    request = training_request(new_name(), "any", here, ResourceConfig=resources)
    sagemaker.create_training_job(**request)
    job = sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])
    assert job["ResourceConfig"] == resources | {"VolumeSizeInGB": 1}


def test_a_running_job_tells_where_it_stands(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name()
    sagemaker.create_training_job(**training_request(name, image("import time; time.sleep(600)"), here))
    first = sagemaker.describe_training_job(TrainingJobName=name)
    assert first["TrainingJobStatus"] == "InProgress"
    assert first["ModelArtifacts"]["S3ModelArtifacts"] == f"{here}/{name}/output/model.tar.gz"
    job = in_training(sagemaker, name)
    assert job["SecondaryStatusTransitions"][-1]["Status"] == "Training"
    assert "EndTime" not in job["SecondaryStatusTransitions"][-1]
    assert not {"TrainingEndTime", "TrainingTimeInSeconds", "FinalMetricDataList"} & set(job)
    assert abs(job["TrainingStartTime"] - datetime.now(UTC)) < timedelta(minutes=1)
    sagemaker.stop_training_job(TrainingJobName=name)


def test_the_waiter_of_boto3_ends_with_the_job(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name()
    sagemaker.create_training_job(**training_request(name, image("print()"), here))
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "Completed"


def test_an_unknown_image_fails_the_job_and_says_what_to_do(sagemaker: Any, here: str) -> None:
    name = new_name()
    sagemaker.create_training_job(**training_request(name, "registry.example/me/mine:1", here))
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: The training image [registry.example/me/mine:1] is not known")
    assert "pegbox image add registry.example/me/mine:1" in job["FailureReason"]


def test_the_built_in_by_itself(sagemaker: Any, s3: Any, here: str) -> None:
    put(s3, here, {"/train/a.csv": "\n".join(f"{n % 2},{n},{n * n}" for n in range(50))})
    name = new_name("xgb")
    request = training_request(
        name,
        "xgboost",
        f"{here}/out",
        HyperParameters={"num_round": "5", "objective": "binary:logistic", "eval_metric": "logloss"},
        InputDataConfig=[channel("train", f"{here}/train") | {"ContentType": "text/csv"}],
    )
    sagemaker.create_training_job(**request)
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    defined = {item["Name"] for item in job["AlgorithmSpecification"]["MetricDefinitions"]}
    assert {"train:logloss", "validation:auc"} <= defined
    assert [item["MetricName"] for item in job["FinalMetricDataList"]] == ["train:logloss"]
    assert set(archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"])) == {"xgboost-model"}


def test_the_built_in_tells_what_is_wrong_with_its_data(sagemaker: Any, s3: Any, here: str) -> None:
    put(s3, here, {"/train/a.csv": "this,is\nno,csv\nof,numbers\n"})
    name = new_name("xgb")
    request = training_request(
        name,
        "xgboost",
        f"{here}/out",
        HyperParameters={"num_round": "5", "objective": "binary:logistic"},
        InputDataConfig=[channel("train", f"{here}/train") | {"ContentType": "text/csv"}],
    )
    sagemaker.create_training_job(**request)
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(("AlgorithmError: ", "ClientError: "))
    assert "Traceback" not in job["FailureReason"]


SCRIPT = """
import argparse, os, pathlib
import helper

parser = argparse.ArgumentParser()
parser.add_argument("--n-estimators", type=int)
parser.add_argument("--criterion")
parser.add_argument("-c")
arguments = parser.parse_args()
text = helper.join(arguments.n_estimators, arguments.criterion, arguments.c, os.environ["SM_HP_CRITERION"])
pathlib.Path(os.environ["SM_MODEL_DIR"], "said").write_text(text)
"""


def _script_request(name: str, source: str, here: str, **changes: str) -> dict[str, Any]:
    """As the SDK's framework estimators send it: every hyperparameter JSON-encoded."""
    values = {
        "n-estimators": 20,
        "criterion": "gini",
        "c": "x y",
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": source,
        "sagemaker_region": "us-east-1",
        "sagemaker_container_log_level": 20,
        "sagemaker_job_name": name,
    }
    hyperparameters = {key: json.dumps(value) for key, value in values.items()} | changes
    return training_request(name, SCIKIT_LEARN, f"{here}/out", HyperParameters=hyperparameters)


def test_script_mode_runs_the_users_script(sagemaker: Any, s3: Any, here: str) -> None:
    source = {"train.py": SCRIPT, "helper.py": "def join(*parts):\n    return '|'.join(map(str, parts))\n"}
    put(s3, here, {"/source/sourcedir.tar.gz": _tar(source)})
    name = new_name("script")
    sagemaker.create_training_job(**_script_request(name, f"{here}/source/sourcedir.tar.gz", here))
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {"said": b"20|gini|x y|gini"}


SOURCES = {
    "that is missing": (None, "does not exist"),
    "that is no archive": (b"hello", "can't be unpacked"),
    "that is empty": (b"", "can't be unpacked"),
    "that climbs out": (_tar({"../../../evil.py": "print()"}), "can't be unpacked"),
    "without the program": (_tar({"other.py": ""}), "train.py"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_a_source_fails_the_job(sagemaker: Any, s3: Any, here: str, case: str) -> None:
    content, expected = SOURCES[case]
    if content is not None:
        put(s3, here, {"/sourcedir.tar.gz": content})
    name = new_name("script")
    sagemaker.create_training_job(**_script_request(name, f"{here}/sourcedir.tar.gz", here))
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert expected in job["FailureReason"]


def test_script_mode_needs_a_script(sagemaker: Any, here: str) -> None:
    name = new_name("script")
    sagemaker.create_training_job(**training_request(name, SCIKIT_LEARN, here))
    job = training_ended(sagemaker, name)
    assert "the hyperparameters sagemaker_program and sagemaker_submit_directory must name it" in job["FailureReason"]
    name = new_name("script")
    sagemaker.create_training_job(**_script_request(name, "nowhere", here))
    job = training_ended(sagemaker, name)
    assert job["FailureReason"].startswith("ClientError: The source code can't be found")


def test_lists_filter_by_name_status_and_time(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    mark = new_name("Listed")
    program = image("print()")
    for number in range(3):
        sagemaker.create_training_job(**training_request(f"{mark}-{number}", program, here))
        training_ended(sagemaker, f"{mark}-{number}")

    def listed(**query: Any) -> list[str]:
        found = sagemaker.list_training_jobs(NameContains=mark.upper(), **query)["TrainingJobSummaries"]
        return [job["TrainingJobName"].rsplit("-", 1)[1] for job in found]

    assert listed() == ["2", "1", "0"]  # newest first, as the reference says of the default
    assert listed(SortBy="Name") == ["0", "1", "2"]
    assert listed(SortBy="Name", SortOrder="Descending") == ["2", "1", "0"]
    assert listed(SortBy="CreationTime", SortOrder="Ascending") == ["0", "1", "2"]
    assert listed(StatusEquals="Completed", SortBy="Status") == ["0", "1", "2"]
    assert listed(StatusEquals="Failed") == []
    assert listed(WarmPoolStatusEquals="Available") == []
    middle = sagemaker.describe_training_job(TrainingJobName=f"{mark}-1")
    assert listed(CreationTimeAfter=middle["CreationTime"] + timedelta(milliseconds=1)) == ["2"]
    assert listed(CreationTimeBefore=middle["CreationTime"] - timedelta(milliseconds=1)) == ["0"]
    assert listed(LastModifiedTimeAfter=datetime.now(UTC) + timedelta(hours=1)) == []
    assert listed(LastModifiedTimeBefore=datetime.now(UTC) + timedelta(hours=1)) == ["2", "1", "0"]


def test_a_summary_tells_the_essentials(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name("Summary")
    sagemaker.create_training_job(**training_request(name, image("print()"), here))
    job = training_ended(sagemaker, name)
    (summary,) = sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    for member in ("TrainingJobName", "TrainingJobArn", "TrainingJobStatus", "SecondaryStatus", "CreationTime"):
        assert summary[member] == job[member]
    assert summary["LastModifiedTime"] == job["LastModifiedTime"]
    assert summary["TrainingEndTime"] == job["TrainingEndTime"]


def test_the_role_is_only_remembered(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    name = new_name()
    role = ROLE.replace("aws", "aws-us-gov", 1).replace("tuning", "service-role/With_Path-1")
    sagemaker.create_training_job(**training_request(name, image("print()"), here, RoleArn=role))
    assert training_ended(sagemaker, name)["RoleArn"] == role


def test_secrets_of_the_server_do_not_reach_programs(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    from jobs import register

    server = start_server(environment={"DATABASE_PASSWORD": "hush", "PEGBOX_LOG_LEVEL": "debug"})
    server.client("s3").create_bucket(Bucket="env")
    program = "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'e').write_text(repr(dict(os.environ)))"
    sagemaker = server.client("sagemaker")
    sagemaker.create_training_job(**training_request("env", register(server, tmp_path, program), "s3://env/out"))
    job = training_ended(sagemaker, "env")
    seen = archive(server.client("s3"), job["ModelArtifacts"]["S3ModelArtifacts"])["e"].decode()
    assert "hush" not in seen
    assert server.credentials()["aws_secret_access_key"] not in seen
    assert server.credentials()["aws_secret_access_key"] not in server.log.read_text()


def test_checkpoints_of_several_jobs_in_one_place_stay(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str
) -> None:
    """Checkpoints and models of two jobs share a prefix; each removes what it removed itself, and no more."""
    program = image(
        """
        import os, pathlib
        points = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"])
        name = os.environ["TRAINING_JOB_NAME"]
        (points / f"{name}.new").write_text("new")
        (points / f"{name}.old").unlink()
        pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text(name)
        """
    )
    names = [new_name("first"), new_name("second")]
    put(s3, here, {f"/{name}.old": "old" for name in names})
    for name in names:
        sagemaker.create_training_job(**training_request(name, program, here, CheckpointConfig={"S3Uri": here}))
        job = training_ended(sagemaker, name)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    models = [f"{name}/output/model.tar.gz" for name in names]
    assert sorted(keys(s3, f"{here}/")) == sorted([*models, *(f"{name}.new" for name in names)])
    for name, model in zip(names, models, strict=True):
        assert archive(s3, f"{here}/{model}") == {"weights": name.encode()}


def test_a_checkpoint_path_is_told_as_it_is_used(sagemaker: Any, s3: Any, image: Callable[..., str], here: str) -> None:
    put(s3, here, {"/points/old": "old"})
    source = """
        import os, pathlib
        points = pathlib.Path(os.environ["SM_CHECKPOINT_DIR"])
        (points / "new").write_text((points / "old").read_text() + points.name)
    """
    name = new_name()
    place = {"S3Uri": f"{here}/points", "LocalPath": "/opt//ml/./mine/"}
    sagemaker.create_training_job(**training_request(name, image(source), here, CheckpointConfig=place))
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert job["CheckpointConfig"]["LocalPath"] == "/opt/ml/mine/"
    assert fetch(s3, f"{here}/points/new") == b"oldmine"


@pytest.mark.parametrize("path", ["/opt/ml/model", "/opt/ml//input/data/", "/opt/ml/./output", "/opt/ml/code/mine"])
def test_checkpoints_may_not_lie_where_something_else_does(sagemaker: Any, here: str, path: str) -> None:
    place = {"S3Uri": f"{here}/points", "LocalPath": path}
    request = training_request(new_name(), "any", here, CheckpointConfig=place)
    code, message = refusal(sagemaker.create_training_job, **request)
    assert code == "ValidationException"
    assert f"CheckpointConfig.LocalPath [{path}] must not lie in /opt/ml/" in message


def test_a_model_that_links_to_the_host_is_empty(sagemaker: Any, s3: Any, image: Callable[..., str], here: str) -> None:
    source = """
        import os, pathlib
        model = pathlib.Path(os.environ["SM_MODEL_DIR"])
        model.rmdir()
        model.symlink_to("/etc")
    """
    name = new_name()
    sagemaker.create_training_job(**training_request(name, image(source), here))
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert archive(s3, job["ModelArtifacts"]["S3ModelArtifacts"]) == {}


def test_a_model_file_that_can_be_no_key_is_named(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str
) -> None:
    source = r"""
        import os
        open(os.fsencode(os.environ["SM_MODEL_DIR"]) + b"/caf\xe9.bin", "w").close()
    """
    name, output = new_name(), {"S3OutputPath": here, "CompressionType": "NONE"}
    sagemaker.create_training_job(**training_request(name, image(source), here, OutputDataConfig=output))
    job = training_ended(sagemaker, name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(r"ClientError: The name of the file [caf\xe9.bin] is not UTF-8")
    assert keys(s3, f"{here}/") == []
