"""Strategies, early stopping, completion criteria and several definitions, as clients see them."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobs import children, new_name, refusal, register, tuning_ended
from pegbox.testing.requests import tuning_request
from running import RunningServer

# A program with a curve: loss = x + 1 / epoch, an epoch every 50 ms.
LEARNER = """
import os, time
x, epochs = float(os.environ["SM_HP_X"]), int(os.environ.get("SM_HP_EPOCHS", "1"))
for epoch in range(1, epochs + 1):
    print(f"loss={x + 1 / epoch};", flush=True)
    time.sleep(0.05)
"""

# Saves its model a moment after its last epoch.
SAVER = (
    LEARNER
    + """
time.sleep(0.5)
with open(os.environ["SM_MODEL_DIR"] + "/model", "w") as model:
    model.write(str(x))
"""
)


@pytest.fixture
def learner(image: Callable[..., str]) -> str:
    return image(LEARNER)


def search(learner: str, here: str, jobs: int = 6, epochs: int = 1, **config: Any) -> dict[str, Any]:
    request = tuning_request(new_name("search"), learner, here, jobs, 2)
    request["HyperParameterTuningJobConfig"] |= {"RandomSeed": 7, **config}
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": str(epochs)}
    return request


def ended(sagemaker: Any, request: dict[str, Any]) -> dict[str, Any]:
    sagemaker.create_hyper_parameter_tuning_job(**request)
    return tuning_ended(sagemaker, request["HyperParameterTuningJobName"])


def test_grid_tries_every_combination_once_in_order(sagemaker: Any, learner: str, here: str) -> None:
    request = search(learner, here, Strategy="Grid")
    config = request["HyperParameterTuningJobConfig"]
    del config["ResourceLimits"]["MaxNumberOfTrainingJobs"]
    config["ParameterRanges"] = {
        "CategoricalParameterRanges": [{"Name": "x", "Values": ["2", "1"]}, {"Name": "y", "Values": ["a", "b"]}]
    }
    found = ended(sagemaker, request)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] == 4
    tried = [job["TunedHyperParameters"] for job in children(sagemaker, found["HyperParameterTuningJobName"])]
    assert tried == [{"x": x, "y": y} for x in "21" for y in "ab"]


def test_a_space_that_is_used_up_ends_the_search(sagemaker: Any, learner: str, here: str) -> None:
    request = search(learner, here, jobs=20)
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        "IntegerParameterRanges": [{"Name": "x", "MinValue": "1", "MaxValue": "3"}]
    }
    found = ended(sagemaker, request)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["FailureReason"] == "The search space is exhausted: all of its configurations (3) have been tried."
    tried = [job["TunedHyperParameters"]["x"] for job in children(sagemaker, found["HyperParameterTuningJobName"])]
    assert sorted(tried) == ["1", "2", "3"]


def test_early_stopping_stops_the_worse_within_a_second(sagemaker: Any, learner: str, here: str) -> None:
    # One at a time: the first three complete, later ones are compared with them.
    request = search(learner, here, jobs=6, epochs=60, TrainingJobEarlyStoppingType="Auto")
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = {
        "CategoricalParameterRanges": [{"Name": "x", "Values": ["0.0", "0.01", "0.02", "5.0", "6.0", "7.0"]}]
    }
    found = ended(sagemaker, request)
    jobs = children(sagemaker, found["HyperParameterTuningJobName"], SortBy="CreationTime")
    completed = [job for job in jobs if job["TrainingJobStatus"] == "Completed"]
    stopped = [job for job in jobs if job["TrainingJobStatus"] == "Stopped"]
    assert len(completed) >= 3
    assert found["TrainingJobStatusCounters"]["Stopped"] == len(stopped)
    assert found["ObjectiveStatusCounters"]["Succeeded"] == 6
    for job in stopped:
        took = job["TrainingEndTime"] - job["TrainingStartTime"]
        assert took.total_seconds() < 2.5  # of three seconds, and the first value decides
    judged = [job for job in jobs[3:] if float(job["TunedHyperParameters"]["x"]) >= 5]
    before = [float(job["TunedHyperParameters"]["x"]) for job in jobs[:3]]
    if sorted(before)[1] < 5:  # the median of the first three is one of the good
        assert judged and all(job["TrainingJobStatus"] == "Stopped" for job in judged)


def test_hyperband_gives_the_resource_to_the_good(sagemaker: Any, learner: str, here: str) -> None:
    request = search(learner, here, jobs=8, epochs=9, Strategy="Hyperband")
    found = ended(sagemaker, request)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["ObjectiveStatusCounters"] == {"Succeeded": 8, "Pending": 0, "Failed": 0}
    jobs = children(sagemaker, found["HyperParameterTuningJobName"])
    values = {
        job["TrainingJobName"]: job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        - float(job["TunedHyperParameters"]["x"])
        for job in jobs
    }
    epochs = {name: round(1 / value) for name, value in values.items()}
    assert max(epochs.values()) == 9
    assert min(epochs.values()) < 9
    assert found["BestTrainingJob"]["TrainingJobStatus"] == "Completed"


def test_hyperband_asks_a_model_if_the_server_is_set_so(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    """Already the first configurations, which are spread evenly, are not those of random search."""
    first = {}
    for setting in ("on", "off"):
        server = start_server(environment={"PEGBOX_HYPERBAND_MODEL": setting})
        server.client("s3").create_bucket(Bucket="jobs")
        program = register(server, tmp_path, LEARNER)
        for strategy in ("Hyperband", "Random"):
            limits = {"MaxNumberOfTrainingJobs": 1, "MaxParallelTrainingJobs": 1}
            request = search(program, "s3://jobs/out", epochs=2, Strategy=strategy, ResourceLimits=limits)
            found = ended(server.client("sagemaker"), request)
            first[setting, strategy] = found["BestTrainingJob"]["TunedHyperParameters"]["x"]
    assert first["off", "Hyperband"] == first["off", "Random"] == first["on", "Random"] != first["on", "Hyperband"]


def test_hyperband_lets_a_job_save_its_model_after_the_last_epoch(
    sagemaker: Any, s3: Any, image: Callable[..., str], here: str
) -> None:
    request = search(image(SAVER), here, jobs=3, epochs=3, Strategy="Hyperband")
    found = ended(sagemaker, request)
    best = sagemaker.describe_training_job(TrainingJobName=found["BestTrainingJob"]["TrainingJobName"])
    assert best["TrainingJobStatus"] == "Completed"
    bucket, key = best["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").split("/", 1)
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) as archive:
        assert archive.getnames() == ["model"]


def test_hyperband_cuts_a_job_that_goes_on_beyond_the_maximum(sagemaker: Any, learner: str, here: str) -> None:
    band = {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 2}}
    request = search(learner, here, jobs=2, epochs=1000, Strategy="Hyperband", StrategyConfig=band)
    found = ended(sagemaker, request)
    assert found["TrainingJobStatusCounters"]["Stopped"] == 2
    for job in children(sagemaker, found["HyperParameterTuningJobName"]):
        value = job["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        assert 0 < value - float(job["TunedHyperParameters"]["x"]) <= 1 / 3 + 1e-9  # the last one that it published


@pytest.mark.parametrize(
    "config", [{"TrainingJobEarlyStoppingType": "Auto"}, {"Strategy": "Hyperband"}], ids=["early stopping", "Hyperband"]
)
def test_programs_that_print_one_value_are_not_stopped_before_they_save_their_model(
    sagemaker: Any, image: Callable[..., str], here: str, config: dict[str, Any]
) -> None:
    request = search(image(SAVER.replace("range(1, epochs + 1)", "[1]")), here, jobs=8, epochs=9, **config)
    found = ended(sagemaker, request)
    assert found["TrainingJobStatusCounters"]["Completed"] == 8


@pytest.mark.parametrize(
    ("criteria", "reason"),
    [
        ({"TargetObjectiveMetricValue": 1.99}, "A training job has reached TargetObjectiveMetricValue [1.99]."),
        (
            {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}},
            "The best objective has not improved for",
        ),
    ],
    ids=["target", "not improving"],
)
def test_a_criterion_ends_the_search_as_completed(
    sagemaker: Any, learner: str, here: str, criteria: dict[str, Any], reason: str
) -> None:
    found = ended(sagemaker, search(learner, here, jobs=50, TuningJobCompletionCriteria=criteria))
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["FailureReason"].startswith(reason)
    counters = found["TrainingJobStatusCounters"]
    assert counters["InProgress"] == 0
    assert sum(counters.values()) < 50
    assert found["HyperParameterTuningJobConfig"]["TuningJobCompletionCriteria"] == criteria


def test_convergence_is_told_although_the_search_goes_on(sagemaker: Any, image: Callable[..., str], here: str) -> None:
    before = time.time()
    request = search(image('print("loss=1.0;")'), here, jobs=22)
    request["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"] = 10
    found = ended(sagemaker, request)
    details = found["TuningJobCompletionDetails"]
    assert found["TrainingJobStatusCounters"]["Completed"] == 22
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == 21
    assert before <= details["ConvergenceDetectedTime"].timestamp() <= time.time()


def test_definitions_share_one_search(sagemaker: Any, image: Callable[..., str], learner: str, here: str) -> None:
    request = search(learner, here, jobs=8)
    config, definition = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
    own = {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    other = image('print("loss=9.0;")')
    specification = definition["AlgorithmSpecification"]
    request["TrainingJobDefinitions"] = [
        {**definition, **own, "DefinitionName": "good"},
        {
            **definition,
            **own,
            "DefinitionName": "bad",
            "AlgorithmSpecification": {**specification, "TrainingImage": other},
        },
    ]
    found = ended(sagemaker, request)
    assert "TrainingJobDefinition" not in found
    assert [each["DefinitionName"] for each in found["TrainingJobDefinitions"]] == ["good", "bad"]
    jobs = children(sagemaker, found["HyperParameterTuningJobName"])
    names = [job["TrainingJobDefinitionName"] for job in jobs]
    assert len(jobs) == 8 and names.count("good") > names.count("bad") >= 1
    assert found["BestTrainingJob"]["TrainingJobDefinitionName"] == "good"
    trained = sagemaker.describe_training_job(
        TrainingJobName=next(job["TrainingJobName"] for job in jobs if job["TrainingJobDefinitionName"] == "bad")
    )
    assert trained["AlgorithmSpecification"]["TrainingImage"] == other


def _config(request: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = request["HyperParameterTuningJobConfig"]
    return config


def _epochs(request: dict[str, Any], text: str) -> None:
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": text}


def _several(*names: str | None, **changes: Any) -> Callable[[dict[str, Any]], object]:
    def change(request: dict[str, Any]) -> None:
        config, definition = _config(request), request.pop("TrainingJobDefinition")
        own = {
            "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
            "HyperParameterRanges": config.pop("ParameterRanges"),
        }
        request["TrainingJobDefinitions"] = [
            {**definition, **own, **changes, **({"DefinitionName": name} if name else {})} for name in names
        ]

    return change


def _both(*changes: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    return lambda request: [change(request) for change in changes]


def _band(**given: int) -> Callable[[dict[str, Any]], object]:
    return lambda request: _config(request).update(
        Strategy="Hyperband", StrategyConfig={"HyperbandStrategyConfig": given}
    )


_WRONG = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "2", "MaxValue": "1"}]}
_ANOTHER = {"Type": "Minimize", "MetricName": "another"}
_GRID = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["1", "2"]}]}

REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "grid of numbers": (lambda r: _config(r).update(Strategy="Grid"), "[x] is not"),
    "grid of another size": (
        lambda r: _config(r).update(Strategy="Grid", ParameterRanges=_GRID),
        "MaxNumberOfTrainingJobs [6] must be the number of combinations [2]",
    ),
    "Hyperband without an end": (
        _both(
            lambda r: _config(r).update(Strategy="Hyperband"),
            lambda r: r["TrainingJobDefinition"].pop("StaticHyperParameters"),
        ),
        "needs MaxResource",
    ),
    "Hyperband upside down": (
        _band(MinResource=5, MaxResource=4),
        "MinResource [5] can't be greater than MaxResource [4]",
    ),
    "Hyperband without bounds": (_band(MaxResource=20_001), "MaxResource [20001] is above the limit [20000]"),
    "Hyperband with very many epochs": (
        _both(lambda r: _config(r).update(Strategy="Hyperband"), lambda r: _epochs(r, "20001")),
        "hyperparameter [epochs] says that MaxResource is [20001], which is above the limit [20000]",
    ),
    "Hyperband with epochs of 2,500 digits": (
        _both(lambda r: _config(r).update(Strategy="Hyperband"), lambda r: _epochs(r, "9" * 2500)),
        "which is above the limit [20000]",
    ),
    "Hyperband with early stopping": (
        _both(_band(MaxResource=9), lambda r: _config(r).update(TrainingJobEarlyStoppingType="Auto")),
        "TrainingJobEarlyStoppingType must be Off",
    ),
    "Hyperband's settings without it": (
        lambda r: _config(r).update(StrategyConfig={"HyperbandStrategyConfig": {"MaxResource": 9}}),
        "StrategyConfig is for the Hyperband strategy",
    ),
    "early stopping of several": (
        _both(_several("a", "b"), lambda r: _config(r).update(TrainingJobEarlyStoppingType="Auto")),
        "is for one training job definition",
    ),
    "definitions of one name": (_several("a", "a"), "The DefinitionName [a] is used more than once"),
    "a definition without a name": (_several("a", None), "needs a DefinitionName"),
    "a definition without an objective": (_several("a", TuningObjective=None), "[a] needs a TuningObjective"),
    "one of several with bounds that are swapped": (
        lambda r: (_several("a", "b")(r), r["TrainingJobDefinitions"][1].update(HyperParameterRanges=_WRONG)),
        "The training job definition [b]: MinValue of the hyperparameter x must not be greater",
    ),
    "one of several without epochs": (
        _both(
            _several("a", "b"),
            _band(MinResource=1),
            lambda r: r["TrainingJobDefinitions"][1].update(StaticHyperParameters={}),
        ),
        "The training job definition [b]: The Hyperband strategy needs MaxResource",
    ),
    "one of several without its metric": (
        lambda r: (_several("a", "b")(r), r["TrainingJobDefinitions"][1].update(TuningObjective=_ANOTHER)),
        "The training job definition [b]: A metric is required for this hyperparameter tuning job objective.",
    ),
    "ranges at both places": (
        _both(_several("a"), lambda r: _config(r).update(ParameterRanges=_GRID)),
        "HyperParameterTuningJobConfig.ParameterRanges is for a single TrainingJobDefinition",
    ),
    "too many variables": (
        _several("a", "b", Environment={f"V{number}": "1" for number in range(25)}),
        "have 50 Environment variables in all; the limit is 48",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_go_together_is_refused(sagemaker: Any, learner: str, here: str, case: str) -> None:
    change, expected = REFUSED[case]
    request = search(learner, here)
    change(request)
    request = {key: value for key, value in request.items() if value is not None}
    for definition in request.get("TrainingJobDefinitions", ()):
        for name in [name for name, value in definition.items() if value is None]:
            del definition[name]
    code, message = refusal(sagemaker.create_hyper_parameter_tuning_job, **request)
    assert code == "ValidationException"
    assert expected in message
