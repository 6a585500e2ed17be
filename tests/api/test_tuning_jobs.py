"""Searches: their ends, their limits, their reproducibility."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from jobs import children, new_name, training_ended, tuning_ended
from pegbox.testing.requests import tuning_request
from running import wait_for

LINE = "print('loss=1;')"


@pytest.fixture
def search(sagemaker: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Run a tuning job to its end."""

    def run(request: dict[str, Any]) -> dict[str, Any]:
        sagemaker.create_hyper_parameter_tuning_job(**copy.deepcopy(request))
        return tuning_ended(sagemaker, request["HyperParameterTuningJobName"])

    return run


def _ranges(request: dict[str, Any], **ranges: Any) -> dict[str, Any]:
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = ranges
    return request


def test_an_unknown_image_fails_the_search(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], here: str
) -> None:
    final = search(tuning_request(new_name(), "nobody/knows:me", here, jobs=3))
    assert final["HyperParameterTuningJobStatus"] == "Failed"
    assert final["FailureReason"].startswith("All training jobs failed.")
    assert final["TrainingJobStatusCounters"]["NonRetryableError"] == 3
    assert final["ObjectiveStatusCounters"] == {"Succeeded": 0, "Pending": 0, "Failed": 3}
    assert "BestTrainingJob" not in final
    for child in children(sagemaker, final["HyperParameterTuningJobName"]):
        assert "nobody/knows:me" in child["FailureReason"]
        assert child["ObjectiveStatus"] == "Failed"


def test_ten_failures_at_the_start_end_the_search_and_what_still_runs(
    search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    program = """
        import os, time
        if int(os.environ["TRAINING_JOB_NAME"].split("-")[-2]) > 10:
            time.sleep(600)
        raise SystemExit("no")
    """
    final = search(tuning_request(new_name(), image(program), here, jobs=50, at_once=4))
    assert final["HyperParameterTuningJobStatus"] == "Failed"
    assert final["FailureReason"].startswith("All training jobs failed.")
    counters = final["TrainingJobStatusCounters"]
    assert (counters["NonRetryableError"], counters["Completed"]) == (10, 0)
    assert 0 < counters["Stopped"] <= 4


def test_some_failures_do_not_fail_the_search(
    search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    program = "import os\nif '-001-' in os.environ['TRAINING_JOB_NAME']:\n    raise SystemExit(1)\nprint('loss=1;')"
    final = search(tuning_request(new_name(), image(program), here, jobs=3))
    assert final["HyperParameterTuningJobStatus"] == "Completed"
    assert final["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    assert final["TrainingJobStatusCounters"]["Completed"] == 2
    assert "FailureReason" not in final


def test_an_exhausted_space_ends_the_search_early(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    program = image(LINE)
    for strategy in ("Random", "Bayesian"):
        request = tuning_request(new_name(), program, here, jobs=9, at_once=3)
        request["HyperParameterTuningJobConfig"]["Strategy"] = strategy
        _ranges(request, CategoricalParameterRanges=[{"Name": "c", "Values": ["a", "b", "ü"]}])
        final = search(request)
        assert final["HyperParameterTuningJobStatus"] == "Completed"
        assert final["TrainingJobStatusCounters"]["Completed"] == 3
        tuned = [job["TunedHyperParameters"]["c"] for job in children(sagemaker, final["HyperParameterTuningJobName"])]
        assert sorted(tuned) == ["a", "b", "ü"]


def test_values_reach_the_program_as_they_are_listed(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    program = """
        import json, os, pathlib
        given = json.loads(pathlib.Path(os.environ["SM_INPUT_CONFIG_DIR"], "hyperparameters.json").read_text())
        assert all(isinstance(value, str) for value in given.values())
        print(f"loss={float(given['x'])!r};")
    """
    request = _ranges(
        tuning_request(new_name(), image(program), here, jobs=3),
        ContinuousParameterRanges=[{"Name": "x", "MinValue": "1e-7", "MaxValue": "1", "ScalingType": "Logarithmic"}],
        IntegerParameterRanges=[{"Name": "n", "MinValue": str(-(2**63)), "MaxValue": str(2**63 - 1)}],
        CategoricalParameterRanges=[{"Name": "opt", "Values": ['"sgd"']}],
    )
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"fixed": '"quoted"'}
    final = search(request)
    assert final["ObjectiveStatusCounters"]["Succeeded"] == 3
    for child in children(sagemaker, final["HyperParameterTuningJobName"]):
        tuned = child["TunedHyperParameters"]
        assert child["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == float(tuned["x"])
        assert -(2**63) <= int(tuned["n"]) < 2**63 and tuned["opt"] == '"sgd"'
        job = sagemaker.describe_training_job(TrainingJobName=child["TrainingJobName"])
        assert job["HyperParameters"] == tuned | {"fixed": '"quoted"', "_tuning_objective_metric": "loss"}


def _drawn(sagemaker: Any, request: dict[str, Any]) -> list[dict[str, str]]:
    return [job["TunedHyperParameters"] for job in children(sagemaker, request["HyperParameterTuningJobName"])]


def test_a_seed_gives_the_same_configurations_however_many_run_at_once(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    program = image(LINE)
    drawn = []
    for seed, at_once in ((7, 1), (7, 3), (8, 3)):
        request = tuning_request(new_name(), program, here, jobs=5, at_once=at_once)
        request["HyperParameterTuningJobConfig"]["RandomSeed"] = seed
        final = search(request)
        assert final["HyperParameterTuningJobConfig"]["RandomSeed"] == seed
        drawn.append(_drawn(sagemaker, request))
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_without_a_seed_every_search_is_another(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    program = image(LINE)
    requests = [tuning_request(new_name(), program, here) for _ in range(2)]
    finals = [search(request) for request in requests]
    assert all("RandomSeed" not in final["HyperParameterTuningJobConfig"] for final in finals)
    assert _drawn(sagemaker, requests[0]) != _drawn(sagemaker, requests[1])


def test_never_more_at_once_than_allowed(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    request = tuning_request(new_name(), image("import time\ntime.sleep(0.1)\nprint('loss=1;')"), here, 6, 2)
    name = request["HyperParameterTuningJobName"]
    sagemaker.create_hyper_parameter_tuning_job(**request)
    most = 0

    def look() -> bool:
        nonlocal most
        found = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        most = max(most, found["TrainingJobStatusCounters"]["InProgress"])
        return bool(found["HyperParameterTuningJobStatus"] == "Completed")

    wait_for("the end", look)
    assert most == 2
    spans = [(job["TrainingStartTime"], job["TrainingEndTime"]) for job in children(sagemaker, name)]
    assert len(spans) == 6
    assert max(sum(a <= start < b for a, b in spans) for start, _ in spans) <= 2


def test_children_are_training_jobs_like_any_other(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    request = tuning_request(new_name("parent"), image(LINE), here, jobs=1, at_once=1)
    final = search(request)
    (child,) = children(sagemaker, request["HyperParameterTuningJobName"])
    listed = sagemaker.list_training_jobs(NameContains=request["HyperParameterTuningJobName"])
    assert [job["TrainingJobName"] for job in listed["TrainingJobSummaries"]] == [child["TrainingJobName"]]
    job = training_ended(sagemaker, child["TrainingJobName"])
    assert job["TuningJobArn"] == final["HyperParameterTuningJobArn"]
    stem, number, suffix = child["TrainingJobName"].rsplit("-", 2)
    assert (stem, number) == (request["HyperParameterTuningJobName"], "001")
    assert len(suffix) == 8 and set(suffix) <= set("0123456789abcdef")


def test_the_list_of_searches_tells_strategy_limits_and_counters(
    sagemaker: Any, search: Callable[[dict[str, Any]], dict[str, Any]], image: Callable[..., str], here: str
) -> None:
    request = tuning_request(new_name("Listed"), image(LINE), here, jobs=1, at_once=1)
    final = search(request)
    (summary,) = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=request["HyperParameterTuningJobName"])[
        "HyperParameterTuningJobSummaries"
    ]
    assert summary["Strategy"] == "Random"
    assert summary["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
    for member in (
        "HyperParameterTuningJobName",
        "HyperParameterTuningJobArn",
        "HyperParameterTuningJobStatus",
        "CreationTime",
        "LastModifiedTime",
        "HyperParameterTuningEndTime",
        "TrainingJobStatusCounters",
        "ObjectiveStatusCounters",
    ):
        assert summary[member] == final[member], member
