"""What counts as a metric value, seen through FinalMetricDataList and the objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobs import children, new_name, training_ended, tuning_ended
from pegbox.testing.requests import training_request, tuning_request

FLUSH = "import sys, os\ndef say(data):\n    os.write(1, data)\n"


@pytest.fixture
def finals(sagemaker: Any, image: Callable[..., str], here: str) -> Callable[..., dict[str, float]]:
    """Metric -> final value of a job with this program and these definitions."""

    def run(program: str, count: int = 1, **expressions: str) -> dict[str, float]:
        request = training_request(new_name(), image(FLUSH + program), here)
        request["ResourceConfig"]["InstanceCount"] = count
        definitions = [{"Name": name, "Regex": regex} for name, regex in expressions.items()]
        request["AlgorithmSpecification"]["MetricDefinitions"] = definitions
        sagemaker.create_training_job(**request)
        job = training_ended(sagemaker, request["TrainingJobName"])
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        return {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}

    return run


LINES = {
    "the last value counts": ("say(b'loss=1;\\nloss=0.5;\\nloss=2;\\n')", 2.0),
    "several in one line": ("say(b'loss=1; loss=7;\\n')", 7.0),
    "standard error too": ("os.write(2, b'loss=3;\\n')", 3.0),
    "no newline at the end": ("say(b'loss=4;')", 4.0),
    "carriage returns": ("say(b'loss=5;\\rloss=6;\\r')", 6.0),
    "scientific": ("say(b'loss=-1.5e-7;\\n')", -1.5e-7),
    "a large double": ("say(b'loss=1.7976931348623157e308;\\n')", 1.7976931348623157e308),
    "all digits": ("say(b'loss=0.1234567890123456;\\n')", 0.1234567890123456),
    "nan is no value": ("say(b'loss=1;\\nloss=nan;\\n')", 1.0),
    "inf is no value": ("say(b'loss=1;\\nloss=inf;\\nloss=-Infinity;\\nloss=1e999;\\n')", 1.0),
    "words are no value": ("say(b'loss=1;\\nloss=low;\\n')", 1.0),
    "binary before and after": ("say(bytes(range(256)) + b'\\nloss=8;\\n' + b'\\xff\\xfe\\x00' * 1000)", 8.0),
    "a value among binary": ("say(b'\\xff\\x00loss=9;\\xc3\\n')", 9.0),
    "a line of five megabytes before": ("sys.stdout.write('x' * 5_000_000 + '\\n'); print('loss=10;')", 10.0),
    "at the start of a line of five megabytes": ("print('loss=11; ' + 'x' * 5_000_000)", 11.0),
}


@pytest.mark.parametrize("case", LINES)
def test_values_in_lines(finals: Callable[..., dict[str, float]], case: str) -> None:
    program, value = LINES[case]
    assert finals(program, loss=r"loss=(\S+?);") == {"loss": value}


def test_no_value_no_metric(finals: Callable[..., dict[str, float]]) -> None:
    assert finals("print('loss=nan;')", loss=r"loss=(\S+);") == {}


def test_several_definitions_see_the_same_line(finals: Callable[..., dict[str, float]]) -> None:
    found = finals(
        "print('epoch 3: loss=0.5 acc=0.75')", loss=r"loss=([0-9.]+)", acc=r"acc=([0-9.]+)", epoch=r"epoch (\d+)"
    )
    assert found == {"loss": 0.5, "acc": 0.75, "epoch": 3.0}


def test_the_first_group_counts(finals: Callable[..., dict[str, float]]) -> None:
    regex = r"'eval_accuracy': ([0-9]+(.|e\-)[0-9]+),?"  # of the Hugging Face notebook
    assert finals("print({'eval_accuracy': 0.91, 'epoch': 1})", acc=regex) == {"acc": 0.91}


def test_lookahead_is_understood_and_a_hopeless_expression_does_not_hang_the_job(
    finals: Callable[..., dict[str, float]],
) -> None:
    found = finals("print('a' * 40 + '!')\nprint('loss=2;')", bad=r"(?=a)(a+)+$", ahead=r"loss=(\d)(?=;)")
    assert found.get("ahead") == 2.0
    assert "bad" not in found


def test_all_instances_count_and_the_latest_line_wins(finals: Callable[..., dict[str, float]]) -> None:
    program = """
import time
if os.environ["SM_CURRENT_HOST"] == "algo-1":
    print("loss=1;", flush=True)
else:
    time.sleep(0.3)
    print("loss=2;", flush=True)
"""
    assert finals(program, count=2, loss=r"loss=(\S+);") == {"loss": 2.0}


def test_a_job_without_a_value_has_failed_its_objective_only(
    sagemaker: Any, image: Callable[..., str], here: str
) -> None:
    program = """
        import os
        print("loss=nan;" if "-001-" in os.environ["TRAINING_JOB_NAME"] else "loss=4;")
    """
    request = tuning_request(new_name(), image(program), here, jobs=3)
    sagemaker.create_hyper_parameter_tuning_job(**request)
    final = tuning_ended(sagemaker, request["HyperParameterTuningJobName"])
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert final["TrainingJobStatusCounters"]["Completed"] == 3
    assert final["ObjectiveStatusCounters"] == {"Succeeded": 2, "Pending": 0, "Failed": 1}
    name = request["HyperParameterTuningJobName"]
    silent = children(sagemaker, name)[0]
    assert silent["ObjectiveStatus"] == "Failed" and silent["TrainingJobStatus"] == "Completed"
    assert "FinalHyperParameterTuningJobObjectiveMetric" not in silent
    assert len(children(sagemaker, name, SortBy="FinalObjectiveMetricValue")) == 2


def test_of_equal_values_the_first_job_is_the_best(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    request = tuning_request(new_name(), image("print('loss=1;')"), here, jobs=3, at_once=1)
    sagemaker.create_hyper_parameter_tuning_job(**request)
    final = tuning_ended(sagemaker, request["HyperParameterTuningJobName"])
    assert "-001-" in final["BestTrainingJob"]["TrainingJobName"]


def test_the_best_follows_the_direction(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    program = image("import os\nprint('loss=' + os.environ['SM_HP_X'] + ';')")
    bests = {}
    for goal in ("Minimize", "Maximize"):
        request = tuning_request(new_name(), program, here, jobs=4, at_once=4)
        request["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["Type"] = goal
        request["HyperParameterTuningJobConfig"]["RandomSeed"] = 5
        sagemaker.create_hyper_parameter_tuning_job(**request)
        final = tuning_ended(sagemaker, request["HyperParameterTuningJobName"])
        bests[goal] = final["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        values = [
            float(child["TunedHyperParameters"]["x"])
            for child in children(sagemaker, request["HyperParameterTuningJobName"])
        ]
        assert bests[goal] == (min(values) if goal == "Minimize" else max(values))
    assert bests["Minimize"] < bests["Maximize"]
