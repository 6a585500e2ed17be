"""What a training job definition says about its training jobs: instances, retries, checkpoints, tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobs import XGBOOST, children, keys, new_name, refusal, training_ended, tuning_ended
from pegbox.testing.requests import LOSS, channel, training_request, tuning_request


def trained(sagemaker: Any, request: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Describe of a tuning job that has ended, and of each of its training jobs."""
    sagemaker.create_hyper_parameter_tuning_job(**request)
    name = request["HyperParameterTuningJobName"]
    found = tuning_ended(sagemaker, name)
    names = [child["TrainingJobName"] for child in children(sagemaker, name)]
    return found, [sagemaker.describe_training_job(TrainingJobName=each) for each in names]


def instances(instance_type: str, volume: int) -> dict[str, Any]:
    return {"InstanceType": instance_type, "InstanceCount": 1, "VolumeSizeInGB": volume}


def test_instances_in_order_of_priority(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    request = tuning_request(new_name(), image("print('loss=1;')"), here, jobs=1, at_once=1)
    job = request["TrainingJobDefinition"]
    del job["ResourceConfig"]
    job["HyperParameterTuningResourceConfig"] = {
        "AllocationStrategy": "Prioritized",
        "VolumeKmsKeyId": "key",
        "InstanceConfigs": [instances("ml.p5.48xlarge", 1), instances("local", 2)],
    }
    found, (child,) = trained(sagemaker, request)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    definition = found["TrainingJobDefinition"]
    assert definition["HyperParameterTuningResourceConfig"] == job["HyperParameterTuningResourceConfig"]
    assert definition["ResourceConfig"] == {**instances("ml.p5.48xlarge", 1), "VolumeKmsKeyId": "key"}
    assert child["ResourceConfig"] == {
        **instances("local", 2),
        "VolumeKmsKeyId": "key",
        "SelectedInstanceType": "local",
        "SelectedInstanceCount": 1,
    }


def test_each_training_job_has_its_own_checkpoints_and_the_tuning_jobs_tags_and_retries(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str
) -> None:
    program = """
        import os, pathlib
        pathlib.Path("/opt/ml/checkpoints/last").write_text(os.environ["TRAINING_JOB_NAME"])
        print("loss=1;")
    """
    request = tuning_request(new_name(), image(program), here)
    job = request["TrainingJobDefinition"]
    job["CheckpointConfig"] = {"S3Uri": f"{here}/checkpoints/"}
    job["RetryStrategy"] = {"MaximumRetryAttempts": 2}
    request["Tags"] = [{"Key": "team", "Value": "a"}]
    found, jobs = trained(sagemaker, request)
    assert found["TrainingJobDefinition"]["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    for child in jobs:
        place = f"{here}/checkpoints/{child['TrainingJobName']}/"
        assert child["CheckpointConfig"] == {"S3Uri": place, "LocalPath": "/opt/ml/checkpoints/"}
        assert child["RetryStrategy"] == {"MaximumRetryAttempts": 2}
    assert sorted(keys(s3, f"{here}/checkpoints/")) == sorted(f"{child['TrainingJobName']}/last" for child in jobs)


def test_a_failure_of_the_program_is_not_tried_again(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    request = tuning_request(new_name(), image("raise SystemExit('no')"), here, jobs=1, at_once=1)
    request["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": 5}
    found, (child,) = trained(sagemaker, request)
    counters = found["TrainingJobStatusCounters"]
    assert (counters["NonRetryableError"], counters["RetryableError"]) == (1, 0)
    assert [entry["Status"] for entry in child["SecondaryStatusTransitions"]].count("Training") == 1


def test_what_describe_tells_of_metrics_can_be_sent_back(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    """As SDKs do that attach to a tuning job and fit again: the objective stands there twice."""
    request = tuning_request(new_name(), image("print('loss=1;')"), here, jobs=1, at_once=1)
    others = [{"Name": f"m{number}", "Regex": "m=(.*)"} for number in range(39)]
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] += others  # as many as there may be
    found, (child,) = trained(sagemaker, request)
    metrics = found["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"]
    assert len(metrics) == 41 and metrics[-1] == {**LOSS, "Name": "ObjectiveMetric"}
    again = {**request, "HyperParameterTuningJobName": new_name()}
    again["TrainingJobDefinition"] = dict(found["TrainingJobDefinition"])
    del again["TrainingJobDefinition"]["StaticHyperParameters"]["_tuning_objective_metric"]
    repeated, (trained_again,) = trained(sagemaker, again)
    assert repeated["TrainingJobDefinition"] == {
        **found["TrainingJobDefinition"],
        "StaticHyperParameters": {"_tuning_objective_metric": "loss"},
    }
    assert trained_again["AlgorithmSpecification"] == child["AlgorithmSpecification"]
    single = {name: child[name] for name in ("RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")}
    for told in ("SelectedInstanceType", "SelectedInstanceCount"):
        single["ResourceConfig"].pop(told, None)
    name = new_name()
    sagemaker.create_training_job(
        TrainingJobName=name, AlgorithmSpecification=child["AlgorithmSpecification"], **single
    )
    training_ended(sagemaker, name)
    described = sagemaker.describe_training_job(TrainingJobName=name)
    assert described["AlgorithmSpecification"] == child["AlgorithmSpecification"]


def test_what_describe_tells_of_a_built_ins_metrics_can_be_sent_back(sagemaker: Any, here: str) -> None:
    """It has more of them than a request may define; these are not the user's and do not count."""
    request = tuning_request(new_name(), XGBOOST, here, jobs=1, at_once=1)
    config, job = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    config["HyperParameterTuningJobObjective"] = {"Type": "Maximize", "MetricName": "validation:auc"}
    config["ParameterRanges"] = {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.1", "MaxValue": "0.5"}]}
    job["StaticHyperParameters"] = {"num_round": "1"}
    job["InputDataConfig"] = [channel(name, f"{here}/none/") for name in ("train", "validation")]
    own = [{"Name": f"m{number}", "Regex": "m=(.*)"} for number in range(40)]
    job["AlgorithmSpecification"]["MetricDefinitions"] = own
    found, (child,) = trained(sagemaker, request)
    told = found["TrainingJobDefinition"]["AlgorithmSpecification"]
    assert len(told["MetricDefinitions"]) > 100
    job["AlgorithmSpecification"] = told
    again, _ = trained(sagemaker, {**request, "HyperParameterTuningJobName": new_name()})
    assert again["TrainingJobDefinition"]["AlgorithmSpecification"] == told
    single = {"AlgorithmSpecification": child["AlgorithmSpecification"], "InputDataConfig": job["InputDataConfig"]}
    alone = training_request(new_name(), "", here, HyperParameters=child["HyperParameters"], **single)
    sagemaker.create_training_job(**alone)
    described = training_ended(sagemaker, alone["TrainingJobName"])
    assert described["AlgorithmSpecification"] == child["AlgorithmSpecification"]
    told["MetricDefinitions"].append({"Name": "m40", "Regex": "m=(.*)"})
    code, message = refusal(sagemaker.create_hyper_parameter_tuning_job, **request)
    assert (code, "41 metric definitions" in message) == ("ValidationException", True)
