"""Warm start: the guide's two requests, both types, and what is refused."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from guide import TUNING_JOB_CONFIG, training_job_definition
from jobs import XGBOOST, children, new_name, refusal, shell, tuning_ended
from pegbox import data
from pegbox.testing.requests import LOSS, ROLE, tuning_request
from running import RunningServer, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "warm-start.md"
PROGRAM = """
    import json, os
    given = json.loads(os.environ["SM_HPS"])
    rate, momentum = float(given["learning_rate"]), float(given["momentum"])
    print(f"accuracy={1 - (rate - 0.03) ** 2 - (momentum - 0.9) ** 2};")
"""


@pytest.fixture
def search(sagemaker: Any) -> Callable[..., dict[str, Any]]:
    """Run a tuning job to its end."""

    def run(**request: Any) -> dict[str, Any]:
        sagemaker.create_hyper_parameter_tuning_job(**copy.deepcopy(request))
        return tuning_ended(sagemaker, request["HyperParameterTuningJobName"])

    return run


def warm(*parents: str, kind: str = "IdenticalDataAndAlgorithm") -> dict[str, Any]:
    named = [{"HyperParameterTuningJobName": parent} for parent in parents]
    return {"ParentHyperParameterTuningJobs": named, "WarmStartType": kind}


def value(job: dict[str, Any]) -> float:
    found: float = job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    return found


def test_the_guides_request_with_boto3(
    sagemaker: Any, search: Callable[..., dict[str, Any]], s3: Any, bucket: str
) -> None:
    prefix = new_name("guide")
    for channel, path in data.files().items():
        s3.upload_file(str(path), bucket, f"{prefix}/{channel}/{path.name}")
    tuning_job_config = copy.deepcopy(TUNING_JOB_CONFIG)
    tuning_job_config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 3
    definition = training_job_definition(bucket, prefix, XGBOOST, ROLE)
    search(
        HyperParameterTuningJobName="MyParentTuningJob",
        HyperParameterTuningJobConfig=tuning_job_config,
        TrainingJobDefinition=definition,
    )
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"  # the same algorithm
    definition["AlgorithmSpecification"]["TrainingImage"] = image
    warm_start_config = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "MyParentTuningJob"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    final = search(
        HyperParameterTuningJobName="MyWarmStartTuningJob",
        HyperParameterTuningJobConfig=tuning_job_config,
        TrainingJobDefinition=definition,
        WarmStartConfig=warm_start_config,
    )
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert final["WarmStartConfig"] == warm_start_config
    assert sum(final["TrainingJobStatusCounters"].values()) == 3
    jobs = [job for name in ("MyParentTuningJob", "MyWarmStartTuningJob") for job in children(sagemaker, name)]
    assert len(jobs) == 6
    assert final["OverallBestTrainingJob"] == max(jobs, key=value)
    assert final["BestTrainingJob"] == max(jobs[3:], key=value)


def sdk_request(name: str, image: str, here: str, channel: str = "train") -> dict[str, Any]:
    """What the SDK's HyperparameterTuner.fit sends for the guide's example; image and metrics are ours."""
    source = {"S3DataType": "S3Prefix", "S3Uri": f"{here}/{channel}", "S3DataDistributionType": "FullyReplicated"}
    ranges = [("learning_rate", "0.0", "0.1"), ("momentum", "0.0", "0.99")]
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 10, "MaxParallelTrainingJobs": 2},
            "TrainingJobEarlyStoppingType": "Off",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:accuracy"},
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": "Auto"}
                    for name, low, high in ranges
                ],
                "CategoricalParameterRanges": [],
                "IntegerParameterRanges": [],
            },
        },
        "TrainingJobDefinition": {
            "StaticHyperParameters": {
                "num_layers": "18",
                "image_shape": "3,224,224",
                "num_classes": "257",
                "num_training_samples": "15420",
                "mini_batch_size": "128",
                "epochs": "30",
                "optimizer": "sgd",
                "top_k": "2",
                "precision_dtype": "float32",
                "augmentation_type": "crop",
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"{here}/output"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
            "HyperParameterTuningResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.p2.xlarge",
                "VolumeSizeInGB": 50,
            },
            "AlgorithmSpecification": {
                "TrainingInputMode": "File",
                "TrainingImage": image,
                "MetricDefinitions": [{"Name": "validation:accuracy", "Regex": "accuracy=(.*?);"}],
            },
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        },
    }


def test_the_guides_request_with_the_sdk_and_transfer_learning(
    sagemaker: Any, search: Callable[..., dict[str, Any]], s3: Any, image: Callable[..., str], bucket: str, here: str
) -> None:
    for channel in ("train", "more"):
        s3.put_object(Bucket=bucket, Key=f"{here.removeprefix(f's3://{bucket}/')}/{channel}/part", Body=b"1")
    program, parent = image(PROGRAM), new_name("parent")
    request = sdk_request(parent, program, here)
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 5
    search(**request)
    name = new_name("warmstart")
    identical = search(**sdk_request(name, program, here), WarmStartConfig=warm(parent))
    assert identical["WarmStartConfig"] == warm(parent)
    theirs, own = (children(sagemaker, each) for each in (parent, name))
    assert identical["OverallBestTrainingJob"] == max([*theirs, *own], key=value)
    assert value(identical["BestTrainingJob"]) > 0.99

    request = sdk_request(new_name("transfer"), image(PROGRAM), here, "more")
    config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    ranges = config["ParameterRanges"]
    ranges["ContinuousParameterRanges"][0]["MaxValue"] = "0.2"
    ranges["IntegerParameterRanges"] = [{"Name": "epochs", "MinValue": "10", "MaxValue": "40"}]
    definition["StaticHyperParameters"] |= {"optimizer": "adam"}
    del definition["StaticHyperParameters"]["epochs"]
    config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 2
    final = search(**request, WarmStartConfig=warm(name, parent, kind="TransferLearning"))
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert final["WarmStartConfig"] == warm(name, parent, kind="TransferLearning")
    assert "OverallBestTrainingJob" not in final
    best = identical["BestTrainingJob"]["TunedHyperParameters"]
    first = next(
        job for job in children(sagemaker, final["HyperParameterTuningJobName"]) if "-001-" in job["TrainingJobName"]
    )
    tuned = {name: float(text) for name, text in first["TunedHyperParameters"].items()}
    near = [abs(tuned[each] - float(best[each])) < 0.1 for each in ("learning_rate", "momentum")]
    assert tuned["epochs"] == 30 and all(near)  # where the parents were best

    refused = {
        "another metric": ({"MetricName": "other", "Type": "Maximize"}, f"that of the parent [{parent}]"),
        "the other direction": ({"MetricName": "validation:accuracy", "Type": "Minimize"}, f"the parent [{parent}]"),
    }
    for objective, message in refused.values():
        again = sdk_request(new_name(), program, here)
        again["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = objective
        metrics = again["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
        metrics.append({"Name": "other", "Regex": "other=(.*?);"})
        code, told = refusal(sagemaker.create_hyper_parameter_tuning_job, **again, WarmStartConfig=warm(parent))
        assert code == "ValidationException" and message in told
    request["HyperParameterTuningJobName"] = new_name()
    code, told = refusal(sagemaker.create_hyper_parameter_tuning_job, **request, WarmStartConfig=warm(name))
    assert code == "ValidationException"
    assert told.startswith("Only the following fields in TrainingJobDefinition are allowed to change") and name in told


def test_wrong_parents_are_refused(server: RunningServer, sagemaker: Any, image: Callable[..., str], here: str) -> None:
    unchecked = server.client("sagemaker", config=Config(parameter_validation=False))
    running = tuning_request(new_name("running"), image("import time\ntime.sleep(600)"), here)
    sagemaker.create_hyper_parameter_tuning_job(**running)
    name = running["HyperParameterTuningJobName"]
    request = tuning_request(new_name(), "any", here)
    wrong: list[tuple[dict[str, Any], str]] = [
        (warm(name), f"The parent hyperparameter tuning job [{name}] is in status InProgress"),
        (warm("nobody"), "The parent hyperparameter tuning job [nobody] can't be found"),
        (warm(name, name.upper()), f"[{name.upper()}] is named more than once"),
        (warm(), "greater than or equal to 1"),
        (warm(*(f"{name}{number}" for number in range(6))), "less than or equal to 5"),
        (warm(name, kind="Warm"), "enum value set"),
        ({**warm(name), "ParentHyperParameterTuningJobs": [{}]}, "needs a HyperParameterTuningJobName"),
    ]
    for config, message in wrong:
        code, told = refusal(unchecked.create_hyper_parameter_tuning_job, **request, WarmStartConfig=config)
        assert code == "ValidationException"
        assert message in told
    wait_for("two training jobs", lambda: len(children(sagemaker, name)) == 2)
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    tuning_ended(sagemaker, name)
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 9_999
    code, told = refusal(
        sagemaker.create_hyper_parameter_tuning_job, **request, WarmStartConfig=warm(name, kind="TransferLearning")
    )
    assert code == "ValidationException" and f"count against it: {name} (2)" in told
    found = refusal(
        sagemaker.describe_hyper_parameter_tuning_job,
        HyperParameterTuningJobName=request["HyperParameterTuningJobName"],
    )
    assert found[0] == "ResourceNotFound"


def test_how_much_may_change_is_a_setting(start_server: Callable[..., RunningServer]) -> None:
    sagemaker = start_server(environment={"PEGBOX_WARM_START_CHANGES": "1"}).client("sagemaker")
    request = tuning_request("parent", "nobody", "s3://jobs/out", 1, 1)
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": "3"}
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = [dict(LOSS)]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    tuning_ended(sagemaker, "parent")
    request["HyperParameterTuningJobName"] = "child"
    request["TrainingJobDefinition"]["StaticHyperParameters"]["epochs"] = "4"
    code, told = refusal(sagemaker.create_hyper_parameter_tuning_job, **request, WarmStartConfig=warm("parent"))
    assert code == "ValidationException"
    assert told.endswith("cannot be more than 1. Compared with the parent [parent] it is 2: epochs (2).")


def test_the_example_of_the_documentation(server: RunningServer, tmp_path: Path) -> None:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for language, text in blocks:
        if language == "python":
            name = text.splitlines()[0].removeprefix("# ")
            (tmp_path / name).write_text(text)
    (commands,) = [text for language, text in blocks if language == "bash"]
    done = shell(server, commands, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "'TuningJobName': 'wide'" in done.stdout
