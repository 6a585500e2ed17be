"""Autotune through the real client: requests as the SDK makes them, and what is told of the choices."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from jobs import XGBOOST, children, new_name, pegbox, put, refusal, tuning_ended
from pegbox.testing.requests import channel, tuning_request
from running import RunningServer

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "autotune.md"


def autotuned(image: str, here: str, static: dict[str, str], **hints: str) -> dict[str, Any]:
    """What HyperparameterTuner(autotune=True, max_jobs=2) sends."""
    request = tuning_request(new_name("auto"), image, here) | {"Autotune": {"Mode": "Enabled"}}
    config, job = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
    config |= {"Strategy": "Bayesian", "TrainingJobEarlyStoppingType": "Off", "RandomSeed": 1}
    config["ParameterRanges"] = {
        "ContinuousParameterRanges": [],
        "CategoricalParameterRanges": [],
        "IntegerParameterRanges": [],
        "AutoParameters": [{"Name": name, "ValueHint": hint} for name, hint in hints.items()],
    }
    job["StaticHyperParameters"] = static
    job["HyperParameterTuningResourceConfig"] = job.pop("ResourceConfig")
    return request


def ended(sagemaker: Any, request: dict[str, Any]) -> dict[str, Any]:
    sagemaker.create_hyper_parameter_tuning_job(**request)
    return tuning_ended(sagemaker, request["HyperParameterTuningJobName"])


PROGRAM = """
import os
print(f"loss={float(os.environ['SM_HP_RATE']) + int(os.environ['SM_HP_DEPTH'])};")
"""


def test_a_program_of_ones_own_is_tuned(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    request = autotuned(image(PROGRAM), here, {"kind": "better"}, rate="0.1", depth="4", optimizer="adam")
    found = ended(sagemaker, request)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["Autotune"] == {"Mode": "Enabled"}
    config, job = found["HyperParameterTuningJobConfig"], found["TrainingJobDefinition"]
    ranges = config["ParameterRanges"]
    assert ranges["IntegerParameterRanges"] == [
        {"Name": "depth", "MinValue": "1", "MaxValue": "16", "ScalingType": "Logarithmic"}
    ]
    assert [item["Name"] for item in ranges["ContinuousParameterRanges"]] == ["rate"]
    assert ranges["AutoParameters"] == request["HyperParameterTuningJobConfig"]["ParameterRanges"]["AutoParameters"]
    assert config["TrainingJobEarlyStoppingType"] == "Off"  # as the request has it
    assert config["TuningJobCompletionCriteria"] == {"ConvergenceDetected": {"CompleteOnConvergence": "Enabled"}}
    assert job["RetryStrategy"] == {"MaximumRetryAttempts": 3}
    assert job["StaticHyperParameters"] == {
        "kind": "better",
        "optimizer": "adam",
        "_tuning_objective_metric": "loss",
    }
    for child in children(sagemaker, request["HyperParameterTuningJobName"]):
        assert {*child["TunedHyperParameters"]} == {"rate", "depth"}
        trained = sagemaker.describe_training_job(TrainingJobName=child["TrainingJobName"])
        assert trained["HyperParameters"]["optimizer"] == "adam"
        assert trained["RetryStrategy"] == {"MaximumRetryAttempts": 3}


def test_the_built_in_is_tuned(sagemaker: Any, s3: Any, here: str) -> None:
    rows = "".join(f"{n % 2},{n % 7},{n % 3}\n" for n in range(60))
    put(s3, f"{here}/", {"train/a.csv": rows, "validation/a.csv": rows})
    static = {"num_round": "3", "objective": "binary:logistic", "eval_metric": "auc"}
    request = autotuned(XGBOOST, here, static, eta="0.3", max_depth="6", seed="1")
    request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = {
        "Type": "Maximize",
        "MetricName": "validation:auc",
    }
    job = request["TrainingJobDefinition"]
    del job["AlgorithmSpecification"]["MetricDefinitions"]
    job["InputDataConfig"] = [
        {**channel(name, f"{here}/{name}/"), "ContentType": "text/csv"} for name in ("train", "validation")
    ]
    found = ended(sagemaker, request)
    assert found["HyperParameterTuningJobStatus"] == "Completed", found.get("FailureReason")
    assert {*found["BestTrainingJob"]["TunedHyperParameters"]} == {"eta", "max_depth"}
    ranges = found["HyperParameterTuningJobConfig"]["ParameterRanges"]
    (eta,) = ranges["ContinuousParameterRanges"]
    assert (float(eta["MinValue"]), float(eta["MaxValue"])) == (0.1, 0.5)  # as the guide recommends
    assert found["TrainingJobDefinition"]["StaticHyperParameters"]["seed"] == "1"


def test_the_number_of_training_jobs_may_be_left_out(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    request = autotuned(image("print('loss=1;')"), here, {}, x="1")
    config = request["HyperParameterTuningJobConfig"]
    del config["ResourceLimits"]["MaxNumberOfTrainingJobs"], config["TrainingJobEarlyStoppingType"]
    name = request["HyperParameterTuningJobName"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert found["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 50
    assert found["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] == "Auto"
    assert tuning_ended(sagemaker, name)["HyperParameterTuningJobStatus"] == "Completed"
    assert len(children(sagemaker, name)) == 4  # of 1 to 4, all of them


def test_without_autotune_its_parameters_are_refused(sagemaker: Any, here: str) -> None:
    request = autotuned("any", here, {}, x="1")
    del request["Autotune"]
    code, message = refusal(sagemaker.create_hyper_parameter_tuning_job, **request)
    assert code == "ValidationException"
    assert "AutoParameters need Autotune" in message


def test_the_page_does_what_it_says(
    server: RunningServer, sagemaker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    program, script = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "train.py").write_text(program)
    pegbox(server, "image", "add", "my-program", "--command", "python train.py", "--workdir", str(tmp_path))
    given = {f"AWS_{name.removeprefix('aws_').upper()}": value for name, value in server.credentials().items()}
    for name, value in {**given, "AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which keeps the first keys that it has seen
    exec(compile(script, "autotune.py", "exec"), {})
    rate, layers, word = capsys.readouterr().out.splitlines()
    assert "'MinValue': '0.001', 'MaxValue': '0.1', 'ScalingType': 'Logarithmic'" in rate
    assert "'MinValue': '1', 'MaxValue': '16', 'ScalingType': 'Logarithmic'" in layers
    assert word == "adam"
    assert tuning_ended(sagemaker, "autotune")["HyperParameterTuningJobStatus"] == "Completed"
